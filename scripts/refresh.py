"""Compare data/torch.yml with what PyTorch's index and PyPI list today.

    uv run scripts/refresh.py [--write [--remove]]

prints one line for each fact that appeared or vanished. With --write the file takes what appeared, and the `?`
goes from cells whose wheels were seen; what vanished stays unless --remove is given too. The exit status is 0 if
nothing changed, 1 if something did, and 2 if an index could not be read whole: then nothing is written.

File names tell the Pythons, platforms and accelerators of a release and the macOS it needs; for a new release,
metadata tells the companions and what takes the place of triton. Bounds of numpy are kept or copied.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import requests
import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DistributionPackage,
    NoMetadataError,
    ProjectPage,
    PyPISimple,
    UnsupportedRepoVersionError,
)

DATA = Path(__file__).resolve().parent.parent / "data"
INDEX = "https://download.pytorch.org/whl/{accelerator}"
MACOS = "macos"  # stands for PyPI beside the accelerators: the line of what macOS takes from there
COMPANIONS = ("torchvision", "torchaudio")
PLATFORMS = ("linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64", "macos-x86_64")
OLDEST = Version("2.1.0")
TIMEOUT = 60  # seconds for a page
FEW = 2  # releases that may be gone from a page before it counts as half-read

Page = tuple[str, str]  # an accelerator or MACOS, and a project
Rows = dict[str, list[str]]  # a release: name of a line -> its words, as in data/torch.yml
Releases = dict[str, Rows]
# A fact: ("platform", accelerator or MACOS, platform), ("python", platform, Python), (companion, accelerator,
# Python) or ("macos-oldest", MACOS, number).
Cell = tuple[str, str, str]

ERRORS = (requests.RequestException, NoMetadataError, UnsupportedRepoVersionError, ValueError)


class Unreadable(Exception):
    """A page or metadata that cannot be trusted; the text says which and why, in one line."""


class Wheel(NamedTuple):
    """What a file name says, as far as data/torch.yml goes."""

    version: str  # without the local part
    python: str  # "any" for py3 wheels
    platform: str
    macos: int  # the oldest macOS, 0 elsewhere
    package: DistributionPackage


# Reading the indexes


def platform_of(tag: str) -> tuple[str, int] | None:
    """Translate a platform tag to a platform and the oldest macOS; None for platforms that no answer names."""
    if match := re.fullmatch(r"(?:many)?linux\w*_(x86_64|aarch64)", tag):
        return f"linux-{match[1]}", 0
    if match := re.fullmatch(r"macosx_(\d+)_\d+_(x86_64|arm64)", tag):
        return f"macos-{match[2]}", int(match[1])
    return ("windows-x86_64", 0) if tag == "win_amd64" else None


def wheels_of(package: DistributionPackage, project: str) -> Iterator[Wheel]:
    """Read a stable wheel for CPython 3.10 and newer, not free-threaded, off its file name; else nothing."""
    try:
        name, version, _, tags = parse_wheel_filename(package.filename)
    except InvalidWheelFilename:
        return
    for tag in tags if name == project and not version.is_prerelease else ():
        python = re.fullmatch(r"cp3(\d\d)|py3", tag.interpreter)
        platform = platform_of(tag.platform)
        if python and platform and not tag.abi.endswith("t"):
            yield Wheel(version.public, f"3.{python[1]}" if python[1] else "any", *platform, package)


def read_page(client: PyPISimple, project: str) -> list[Wheel]:
    """Return the wheels on a project's page; none where there is no page, which PyTorch's host says by 403 or 404.

    Raises Unreadable for everything that is not a whole page.
    """
    url = client.get_project_url(project)
    try:
        response = client.s.get(url, timeout=TIMEOUT, headers={"Accept": client.accept})
        if response.status_code in (403, 404):
            return []
        if not response.ok:
            raise Unreadable(f"{url} answers {response.status_code} {response.reason}")
        # PyTorch's pages and PyPI's have this tag; without it BeautifulSoup would read a page that breaks off.
        if "html" in response.headers.get("Content-Type", "") and b"</html>" not in response.content.lower():
            raise Unreadable(f"{url} breaks off")
        packages = ProjectPage.from_response(response, project).packages
    except ERRORS as error:
        raise Unreadable(f"{url} cannot be read ({type(error).__name__})") from error
    return [wheel for package in packages for wheel in wheels_of(package, project)]


Published = Mapping[Page, list[Wheel]]


def check(page: Page, wheels: list[Wheel], releases: Releases) -> None:
    """Raise Unreadable if a page lists so much less than data/torch.yml that it must be half-read."""
    key, project = page
    known = {
        version if project == "torch" else rows[project][0]
        for version, rows in releases.items()
        if project == "torch" or (project in rows and key not in rows.get(f"{project}-lacks", []))
        if any(not word.endswith("?") for word in rows.get(key, []))
    }
    if not wheels and (known or project == "torch"):
        raise Unreadable(f"the page of {project} for {key} is missing or lists no wheel of it")
    lost = sorted(known - {wheel.version for wheel in wheels}, key=Version)
    if len(lost) > FEW:
        raise Unreadable(f"the page of {project} for {key} has lost {', '.join(lost)} at once")


def read(index: str, pypi: str, accelerators: Iterable[str], releases: Releases) -> Published:
    """Read the pages of torch and its companions for each accelerator, and PyPI's of torch for macOS.

    Raises Unreadable if one of them is broken or half-read.
    """
    session = requests.Session()
    places = {key: PyPISimple(index.replace("{accelerator}", key), session=session) for key in accelerators}
    pages = [(MACOS, "torch"), *((key, project) for key in places for project in ("torch", *COMPANIONS))]
    places[MACOS] = PyPISimple(pypi, session=session)

    def wheels(page: Page) -> list[Wheel]:
        found = read_page(places[page[0]], page[1])
        found = [wheel for wheel in found if bool(wheel.macos) == (page[0] == MACOS)]
        check(page, found, releases)
        return found

    with ThreadPoolExecutor(8) as threads:
        return dict(zip(pages, threads.map(wheels, pages), strict=True))


def unknown(index: str, accelerators: Iterable[str]) -> list[str]:
    """Return the accelerators on the root page, if it can be read, that have torch and are not in data/."""
    root = PyPISimple(index.partition("{accelerator}")[0])
    found = []
    try:
        names = {name.strip("/") for name in root.get_index_page(timeout=TIMEOUT).projects} - {*accelerators}
        for key in sorted(name for name in names if re.fullmatch(r"cpu|cu\d+|rocm[\d.]+|xpu", name)):
            page = read_page(PyPISimple(index.replace("{accelerator}", key), session=root.s), "torch")
            found += [key] if any(Version(wheel.version) >= OLDEST for wheel in page) else []
    except (Unreadable, *ERRORS):
        pass
    return found


# Metadata, for new releases


def requirements(package: DistributionPackage) -> list[Requirement]:
    """Return what a wheel requires, by its metadata file (PEP 658). Raises Unreadable."""
    verify = bool(package.metadata_digests)
    try:
        text = PyPISimple().get_package_metadata(package, verify=verify, timeout=TIMEOUT)
        return Metadata.from_email(text, validate=False).requires_dist or []
    except ERRORS as error:
        raise Unreadable(f"{package.metadata_url} cannot be read ({type(error).__name__})") from error


def companion_of(wheels: Iterable[Wheel], version: str) -> str | None:
    """Return the newest companion that requires just this release of torch, else the newest that admits it."""
    newest = {Version(wheel.version): wheel.package for wheel in wheels if wheel.package.has_metadata}
    admits = None
    for companion in sorted(newest, reverse=True):
        specifiers = [line.specifier for line in requirements(newest[companion]) if line.name == "torch"]
        if all(specifier.contains(version) for specifier in specifiers):
            if any(clause.operator == "==" for specifier in specifiers for clause in specifier):
                return str(companion)
            admits = admits or str(companion)
    return admits


def tritons_of(published: Published, version: str, accelerators: Mapping[str, str]) -> Rows:
    """Return the lines about what takes the place of triton, as far as metadata tells."""
    packages = {
        family: wheel.package
        for key, family in accelerators.items()
        for wheel in published[key, "torch"]
        if wheel.version == version and wheel.package.has_metadata
    }
    return {
        f"triton@{family}": [canonicalize_name(line.name)]
        for family, package in packages.items()
        for line in requirements(package)
        if "triton" in line.name and line.name != "triton"
    }


# Lines of the data file and facts: one can be made from the other


def by_age(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=Version)


def cells_of(rows: Rows, accelerators: Iterable[str]) -> set[Cell]:
    """Return the facts that the lines of a release state, the unverified ones too."""
    builds = [key for key in accelerators if key in rows]
    cells = {("platform", key, word.rstrip("?")) for key in (MACOS, *builds) for word in rows.get(key, [])}
    for platform in {platform for _, _, platform in cells}:
        pythons = rows.get("python", []) + rows.get(f"python@{platform}", [])
        cells |= {("python", platform, python) for python in pythons}
    every = {python for what, _, python in cells if what == "python"}
    for name in COMPANIONS:
        lacks = {*rows.get(f"{name}-lacks", [])}
        cells |= {
            (name, k, python) for k in builds for python in every if not {k, python, f"{k}/{python}"} & lacks
        }
    return cells | {("macos-oldest", MACOS, number) for number in rows.get("macos-oldest", [])}


def rows_of(cells: set[Cell], unverified: set[Cell], accelerators: Iterable[str]) -> Rows:
    """Return the lines of a release that state these facts."""

    def third(what: str, where: str) -> set[str]:
        return {which for *place, which in cells if place == [what, where]}

    rows: Rows = {}
    for key in (MACOS, *accelerators):
        here = [("platform", key, platform) for platform in PLATFORMS if ("platform", key, platform) in cells]
        rows[key] = [cell[2] + "?" * (cell in unverified) for cell in here]
    rows["macos-oldest"] = [*third("macos-oldest", MACOS)]
    pythons = {platform: found for platform in PLATFORMS if (found := third("python", platform))}
    everywhere = set.intersection(*pythons.values()) if pythons else set()
    rows["python"] = by_age(everywhere)
    rows |= {f"python@{platform}": by_age(here - everywhere) for platform, here in pythons.items()}
    every = by_age(set().union(*pythons.values()))
    for name in COMPANIONS:
        having = {key: third(name, key) for key in accelerators if rows[key]}
        anywhere = set().union(*having.values())
        rows[f"{name}-lacks"] = [
            *(python for python in every if python not in anywhere),
            *(key for key in having if not having[key]),
            *(f"{key}/{p}" for key in having if having[key] for p in every if p in anywhere - having[key]),
        ]
    return {name: words for name, words in rows.items() if words}


def cells_seen(published: Published, version: str, companions: Mapping[str, str]) -> set[Cell]:
    """Return the facts that file names tell about a release with these companions."""
    torch = {
        key: [wheel for wheel in wheels if wheel.version == version]
        for (key, project), wheels in published.items()
        if project == "torch"
    }
    cells = {("platform", key, wheel.platform) for key in torch for wheel in torch[key]}
    cells |= {("python", wheel.platform, wheel.python) for key in torch for wheel in torch[key]}
    every = {python for what, _, python in cells if what == "python"}
    if torch[MACOS]:
        first = min((wheel.platform for wheel in torch[MACOS]), key=PLATFORMS.index)
        oldest = min(wheel.macos for wheel in torch[MACOS] if wheel.platform == first)
        cells |= {("macos-oldest", MACOS, str(oldest))} if oldest > 11 else set()
    for name, companion in companions.items():
        having: dict[str, set[str]] = {}
        for key in torch.keys() - {MACOS}:
            pythons = {wheel.python for wheel in published[key, name] if wheel.version == companion}
            having[key] = every if "any" in pythons else pythons & every
        anywhere = set.union(*having.values())
        for key in having:
            # Where torch has no wheel for a Python, the companion's is not missed.
            missed = {wheel.python for wheel in torch[key]} - having[key]
            cells |= {(name, key, python) for python in anywhere - missed if having[key]}
    return cells


# Differences


def merged(old: Rows, seen: set[Cell], accelerators: Iterable[str]) -> tuple[Rows, Rows]:
    """Return the lines of a release with what appeared, and those also without what vanished.

    A wheel that was seen takes the `?` off its cell, and one that was not leaves such a cell as it is. What is
    said about an accelerator or a platform without any evidence holds only until there is some.
    """
    known = cells_of(old, accelerators)
    marked = {("platform", key, word[:-1]) for key, words in old.items() for word in words if word[-1] == "?"}
    unverified = marked & known
    told = rows_of(known, unverified, accelerators)

    def places(cells: set[Cell]) -> set[str]:
        return {word for what, *words in cells if what == "platform" for word in words}

    sure = places(known - unverified)
    guessed = unverified | {
        cell for cell in known if cell[0] == "macos-oldest" or (cell[0] != "platform" and cell[1] not in sure)
    }
    waiting = {cell for cell in guessed if cell[0] == "platform" or cell[1] not in places(seen)}

    def rows(cells: set[Cell]) -> Rows:
        new = {name: words for name, words in old.items() if name not in told}
        new |= rows_of(cells, unverified - seen, accelerators)
        return {
            name: old[name] if sorted(words) == sorted(old.get(name, [])) else words
            for name, words in new.items()
            if name.removesuffix("-lacks") in {*new}
        }

    return rows(seen | waiting | (known - guessed)), rows(seen | waiting)


def differences(version: str, old: Rows, kept: Rows, left: Rows) -> Iterator[str]:
    """Say what `merged` found, a line for each line of data and each kind of difference."""
    for name in dict.fromkeys([*old, *kept, *left]):
        before, now, last = (rows.get(name, []) for rows in (old, kept, left))
        yield from (
            f"{version} {name} {word}: seen, no longer unverified" for word in now if f"{word}?" in before
        )
        said = {
            "appeared": [word for word in now if not {word, f"{word}?"} & {*before}],
            "vanished": [word for word in now if word not in last],
        }
        if name.endswith("-lacks"):  # the other way round
            said = {
                "appeared": [word for word in before if word not in now],
                "has no wheels for": [word for word in now if word not in before],
                "vanished": [word for word in last if word not in now],
            }
        for what, words in said.items():
            if words:
                yield f"{version} {name.removesuffix('-lacks')}: {what} {' '.join(words)}"


def new_release(
    published: Published, version: str, newest: Rows, accelerators: Mapping[str, str]
) -> tuple[Rows, str]:
    """Return the lines of a release that data/torch.yml lacks, made after its newest one, and what to say."""
    found = {name: companion_of(published["cpu", name], version) for name in COMPANIONS}
    companions = {name: companion or newest[name][0] for name, companion in found.items()}
    told = [f"{name} {companions[name]}" + ("" if found[name] else " (a guess)") for name in COMPANIONS]
    rows = {name: words for name, words in newest.items() if name.startswith(("numpy", "triton"))}
    rows |= tritons_of(published, version, accelerators)
    rows |= {name: [companion] for name, companion in companions.items()}
    rows |= rows_of(cells_seen(published, version, companions), set(), accelerators)
    return rows, f"{version}: new release, with {' and '.join(told)}: review it"


def compare(
    releases: Releases, published: Published, accelerators: Mapping[str, str]
) -> tuple[Releases, Releases, list[str]]:
    """Return the releases with what appeared, those also without what vanished, and the differences."""
    listed = {wheel.version for key in accelerators for wheel in published[key, "torch"]}
    listed = {version for version in listed if Version(version) >= OLDEST}
    kept, left = dict(releases), {}
    said: list[str] = []
    for version in sorted({*listed, *releases}, key=Version, reverse=True):
        if version not in listed:
            lines = [f"{version}: vanished"]
        elif version not in releases:
            newest = next(iter(releases.values()))
            kept[version], line = new_release(published, version, newest, accelerators)
            left[version], lines = kept[version], [line]
        else:
            old = releases[version]
            seen = cells_seen(published, version, {name: old[name][0] for name in COMPANIONS if name in old})
            kept[version], left[version] = merged(old, seen, accelerators)
            lines = differences(version, old, kept[version], left[version])
        said += lines
    return kept, left, said


# The data file


def blocks(text: str) -> tuple[str, dict[str, str]]:
    """Split data/torch.yml into what stands before the releases and the text of each."""
    head, *parts = re.split(r"^(?= *\d\S*: \|)", text, flags=re.MULTILINE)
    return head, {part.split(":")[0].strip(): part for part in parts}


def parse(text: str) -> Releases:
    """Return the releases of data/torch.yml, the newest first."""
    return {
        version: {line.split()[0]: line.split()[1:] for line in block.splitlines()[1:]}
        for version, block in blocks(text)[1].items()
    }


def written(text: str, releases: Releases, accelerators: Iterable[str]) -> str:
    """Return the file's text with these releases; a line whose words are the same stays as it is."""
    head, old = blocks(text)
    known = parse(text)
    indent = " " * next(block.index(version) for version, block in old.items())
    stems = ("python", *COMPANIONS, "numpy", "triton", MACOS)
    endings = ("", "-lacks", "-oldest", *(f"@{place}" for place in (*PLATFORMS, "rocm", "xpu")))
    order = [stem + ending for stem in stems for ending in endings] + [*accelerators]

    def position(name: str) -> int:
        return order.index(name) if name in order else len(order)

    def block(version: str) -> str:
        rows, before = releases[version], known.get(version, {})
        if rows == before:
            return old[version]
        lines = {line.split()[0]: line for line in old.get(version, "").splitlines()[1:]}
        for name in rows:
            if rows[name] != before.get(name):
                lines[name] = f"{indent}  {name:<21} {' '.join(rows[name])}"
        return "\n".join([f"{indent}{version}: |", *(lines[name] for name in sorted(rows, key=position)), ""])

    return head + "".join(block(version) for version in sorted(releases, key=Version, reverse=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="update data/torch.yml with what appeared")
    parser.add_argument("--remove", action="store_true", help="with --write, take out what vanished as well")
    parser.add_argument("--index", default=INDEX, help="URL of PyTorch's index, with {accelerator}")
    parser.add_argument("--pypi", default=PYPI_SIMPLE_ENDPOINT, help="URL of the index that macOS uses")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with torch.yml and accelerators.yml")
    options = parser.parse_args()

    file = options.data / "torch.yml"
    text = file.read_bytes().decode()
    releases = parse(text)
    table = yaml.safe_load((options.data / "accelerators.yml").read_bytes())["accelerators"]["default"]
    accelerators = {key: line.split(" | ")[0] for key, line in table.items()}  # with its family
    try:
        published = read(options.index, options.pypi, accelerators, releases)
        kept, left, said = compare(releases, published, accelerators)
    except Unreadable as error:
        print(f"refresh: {error}; nothing is changed", file=sys.stderr)
        return 2
    result = written(text, left if options.remove else kept, accelerators)
    if options.write and result != text:
        scratch = file.with_name(f"{file.name}.new")
        scratch.write_bytes(result.encode())
        scratch.replace(file)
    print("".join(f"{line}\n" for line in said), end="")
    if others := unknown(options.index, accelerators):
        print(f"refresh: not in data/accelerators.yml: {' '.join(others)}", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
