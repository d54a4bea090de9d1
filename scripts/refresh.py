"""Compare data/torch.yml with what PyTorch's index and PyPI list today.

    uv run scripts/refresh.py [--write [--remove]]

prints one line for each fact that appeared or vanished. With --write the file takes what appeared, and the `?` goes
from cells whose wheels were seen; what vanished stays unless --remove is given too. The exit status is 0 if nothing
changed, 1 if something did, and 2 if an index could not be read whole: then nothing is written.

File names tell the Pythons, platforms and accelerators of a release, and the macOS it needs. They do not tell which
companions belong to it (for a new release the companions' metadata does), nor bounds of numpy or the names of triton:
those are kept, or copied from the newest release.
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
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version
from pypi_simple import PYPI_SIMPLE_ENDPOINT, DistributionPackage, ProjectPage, PyPISimple

DATA = Path(__file__).resolve().parent.parent / "data"
INDEX = "https://download.pytorch.org/whl/{accelerator}"
COMPANIONS = ("torchvision", "torchaudio")
PLATFORMS = ("linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64", "macos-x86_64")
OLDEST = Version("2.1.0")
LOST_AT_ONCE = 2  # releases that may vanish from a page before it counts as half-read

Rows = dict[str, list[str]]  # name of a line -> its words, as in data/torch.yml


class Unreadable(Exception):
    """An index page that cannot be trusted; the text says which and why."""


class Wheel(NamedTuple):
    """What a file name says, as far as data/torch.yml goes."""

    version: str  # without the local part
    python: str
    platform: str
    macos: int  # the oldest macOS, 0 elsewhere


# Reading the indexes


def read_page(client: PyPISimple, project: str) -> list[DistributionPackage]:
    """Return the files that a page lists; none where there is no page, which PyTorch's host says by 403 or 404.

    Raises Unreadable for everything that is not a whole page.
    """
    url = client.get_project_url(project)
    try:
        response = client.s.get(url, timeout=60, headers={"Accept": client.accept})
        if response.status_code in (403, 404):
            return []
        response.raise_for_status()
        if "html" in response.headers.get("Content-Type", "") and "</html>" not in response.text.lower():
            raise Unreadable(f"{url} ends before its end")
        page = ProjectPage.from_response(response, project)
    except (requests.RequestException, ValueError) as error:
        raise Unreadable(f"{url} cannot be read: {error}") from error
    if not page.packages:
        raise Unreadable(f"{url} lists no file")
    return page.packages


def platform_of(tag: str) -> str | None:
    """Translate a platform tag; None for platforms that no answer names."""
    if match := re.fullmatch(r"(?:many)?linux\w*_(x86_64|aarch64)", tag):
        return f"linux-{match[1]}"
    if match := re.fullmatch(r"macosx_\d+_\d+_(x86_64|arm64)", tag):
        return f"macos-{match[1]}"
    return "windows-x86_64" if tag == "win_amd64" else None


def wheels(packages: Iterable[DistributionPackage]) -> Iterator[Wheel]:
    """Read stable wheels for CPython 3.10 and newer off file names; py3 wheels are for every Python ("any")."""
    for package in packages:
        try:
            _, version, _, tags = parse_wheel_filename(package.filename)
        except InvalidWheelFilename:
            continue
        for tag in tags:
            python = re.fullmatch(r"cp3(\d\d)", tag.interpreter)
            platform = platform_of(tag.platform)
            if version.is_prerelease or not platform or tag.abi.endswith("t"):
                continue
            macos = int(tag.platform.split("_")[1]) if platform.startswith("macos") else 0
            if python or tag.interpreter == "py3":
                yield Wheel(version.public, f"3.{python[1]}" if python else "any", platform, macos)


class Published(NamedTuple):
    """All that the indexes list: (accelerator or "pypi", project) -> wheels, and the files of the CPU's index."""

    wheels: Mapping[tuple[str, str], list[Wheel]]
    cpu_files: Mapping[str, list[DistributionPackage]]
    cpu: PyPISimple


def read(index: str, pypi: str, accelerators: Iterable[str]) -> Published:
    """Read every page. Raises Unreadable if one of torch's own is missing or any is broken."""
    clients = {key: PyPISimple(index.replace("{accelerator}", key)) for key in accelerators}
    wanted = [(key, project) for key in clients for project in ("torch", *COMPANIONS)] + [("pypi", "torch")]
    clients["pypi"] = PyPISimple(pypi)
    with ThreadPoolExecutor(8) as threads:
        pages = dict(
            zip(wanted, threads.map(lambda page: read_page(clients[page[0]], page[1]), wanted), strict=True)
        )
    for (key, project), packages in pages.items():
        if project == "torch" and not packages:
            raise Unreadable(f"{clients[key].get_project_url(project)} is not there")
    found = {page: list(wheels(packages)) for page, packages in pages.items()}
    return Published(found, {name: pages["cpu", name] for name in COMPANIONS}, clients["cpu"])


# From wheels to facts


def by_minor(pythons: Iterable[str]) -> list[str]:
    return sorted(set(pythons), key=Version)


def facts(
    published: Published, version: str, accelerators: Iterable[str], companions: Mapping[str, str]
) -> Rows:
    """Return the lines of a release that file names can tell."""
    pythons: dict[str, set[str]] = {}  # by platform
    rows: Rows = {}
    for key in ("pypi", *accelerators):
        torches = [wheel for wheel in published.wheels[key, "torch"] if wheel.version == version]
        macos = key == "pypi"
        torches = [wheel for wheel in torches if wheel.platform.startswith("macos") == macos]
        for wheel in torches:
            pythons.setdefault(wheel.platform, set()).add(wheel.python)
        platforms = [platform for platform in PLATFORMS if platform in {wheel.platform for wheel in torches}]
        if platforms:
            rows["macos" if macos else key] = platforms
        if macos and torches and (oldest := min(w.macos for w in torches if w.platform == platforms[0])) > 11:
            rows["macos-oldest"] = [str(oldest)]
    everywhere = set.intersection(*pythons.values()) if pythons else set()
    rows["python"] = by_minor(everywhere)
    for platform, here in pythons.items():
        if here - everywhere:
            rows[f"python@{platform}"] = by_minor(here - everywhere)

    built = [key for key in accelerators if key in rows]
    for name, companion in companions.items():
        having = {
            key: {wheel.python for wheel in published.wheels[key, name] if wheel.version == companion}
            for key in built
        }
        anywhere = set().union(*having.values())
        every = by_minor(set().union(*pythons.values()))
        lacks = [python for python in every if not {python, "any"} & anywhere]
        lacks += [key for key in built if not having[key]]
        for key in built:
            for python in every:
                torch = any(w[:2] == (version, python) for w in published.wheels[key, "torch"])
                if torch and having[key] and python not in lacks and not {python, "any"} & having[key]:
                    lacks.append(f"{key}/{python}")
        if lacks:
            rows[f"{name}-lacks"] = lacks
    return rows


def companion_of(published: Published, name: str, version: str) -> str:
    """Return the newest companion on the CPU's index whose metadata admits a release of torch.

    Raises Unreadable if there is none.
    """
    newest: dict[Version, DistributionPackage] = {}
    for package in published.cpu_files[name]:
        if package.version and package.has_metadata:
            newest.setdefault(Version(Version(package.version).public), package)
    for companion in sorted((v for v in newest if not v.is_prerelease), reverse=True):
        metadata = Metadata.from_email(published.cpu.get_package_metadata(newest[companion]), validate=False)
        needs = [requirement for requirement in metadata.requires_dist or [] if requirement.name == "torch"]
        if all(requirement.specifier.contains(version) for requirement in needs):
            return str(companion)
    raise Unreadable(f"no release of {name} with metadata admits torch {version}")


# The data file


def parse(text: str) -> dict[str, Rows]:
    """Return the releases of data/torch.yml, the newest first."""
    blocks = yaml.safe_load(text)["torch_releases"]["default"]
    return {
        version: {line.split()[0]: line.split()[1:] for line in block.splitlines()}
        for version, block in blocks.items()
    }


def position(name: str, accelerators: list[str]) -> tuple[int, int, str]:
    """Sort key of a line within a release."""
    order = ["python", "torchvision", "torchaudio", "numpy", "triton", "macos"]
    if name in accelerators:
        return len(order), accelerators.index(name), name
    stem = re.split("[@-]", name)[0]
    platform = name.partition("@")[2]
    return order.index(stem), PLATFORMS.index(platform) if platform in PLATFORMS else -1, name


def written(text: str, releases: Mapping[str, Rows], accelerators: list[str]) -> str:
    """Return the file's text with these releases: its head as it is, and one line for each fact."""
    head = text[: re.search(r"^    \d\S*: \|\n", text, re.MULTILINE).start()]
    blocks = []
    for version in sorted(releases, key=Version, reverse=True):
        names = sorted(releases[version], key=lambda name: position(name, accelerators))
        lines = [f"      {name:<21} {' '.join(releases[version][name])}\n" for name in names]
        blocks.append(f"    {version}: |\n{''.join(lines)}")
    return head + "".join(blocks)


# Differences


def merged(name: str, old: list[str], new: list[str], remove: bool) -> tuple[list[str], list[str]]:
    """Return the words that a line should have and what to say about it.

    A wheel that is there takes the `?` off its cell; one that is not there leaves a cell with `?` as it is. Lines of
    what a companion lacks work the other way round: a new word there means that wheels vanished.
    """
    lacks = name.endswith("-lacks")
    known = {word.rstrip("?"): word for word in old}
    appeared = [word for word in new if word not in known]
    vanished = [word for word in old if word not in new and not word.endswith("?")]
    confirmed = [word for word in new if known.get(word, "").endswith("?")]
    says = [
        f"{what} {' '.join(words)}"
        for what, words in {
            "appeared": appeared,
            "vanished": vanished,
            "seen, no longer unverified:": confirmed,
        }.items()
        if words
    ]
    dropped = set(vanished) if remove or lacks else set()
    added = appeared if not lacks or remove else []
    if name == "macos-oldest":
        return (new or ([] if remove else old)), says
    words = [word if word in new else known[word] for word in [*known, *added] if word not in dropped]
    if name.startswith("python"):
        return by_minor(words), says
    return sorted(
        words, key=lambda w: PLATFORMS.index(w.rstrip("?")) if w.rstrip("?") in PLATFORMS else -1
    ), says


def compare(
    releases: dict[str, Rows], published: Published, accelerators: list[str], remove: bool
) -> tuple[dict[str, Rows], list[str]]:
    """Return the releases as they should be and one line for each difference.

    Raises Unreadable where so much is gone from a page that it must be half-read.
    """
    for key in accelerators:
        listed = {wheel.version for wheel in published.wheels[key, "torch"]}
        lost = [
            v
            for v, rows in releases.items()
            if v not in listed and any("?" not in w for w in rows.get(key, []))
        ]
        if len(lost) > LOST_AT_ONCE:
            raise Unreadable(
                f"the index of {key} has lost {len(lost)} releases of torch at once: {' '.join(lost)}"
            )

    everything = {wheel.version for key in accelerators for wheel in published.wheels[key, "torch"]}
    changed, says = {}, []
    for version in sorted({*everything, *releases}, key=Version, reverse=True):
        if Version(version) < OLDEST:
            continue
        old = releases.get(version)
        if old is None:
            newest = next(iter(releases.values()))
            companions = {name: companion_of(published, name, version) for name in COMPANIONS}
            says.append(
                f"{version}: new release, with {' and '.join(map(' '.join, companions.items()))}: review it"
            )
            copied = {name: words for name, words in newest.items() if name.startswith(("numpy", "triton"))}
            changed[version] = facts(published, version, accelerators, companions) | copied
            changed[version] |= {name: [companion] for name, companion in companions.items()}
            continue
        if version not in everything:
            says.append(f"{version}: vanished")
            if not remove:
                changed[version] = old
            continue
        new = facts(published, version, accelerators, {name: old[name][0] for name in COMPANIONS})
        changed[version] = dict(old)
        kept = {*COMPANIONS, *(name for name in old if name.startswith(("numpy", "triton")))}
        for name in sorted({*old, *new} - kept, key=lambda name: position(name, accelerators)):
            words, differences = merged(name, old.get(name, []), new.get(name, []), remove)
            says += [f"{version} {name}: {difference}" for difference in differences]
            changed[version][name] = words
        changed[version] = {name: words for name, words in changed[version].items() if words}
    return changed, says


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="update data/torch.yml with what appeared")
    parser.add_argument("--remove", action="store_true", help="with --write, take out what vanished as well")
    parser.add_argument("--index", default=INDEX, help="URL of PyTorch's index, with {accelerator}")
    parser.add_argument(
        "--pypi", default=PYPI_SIMPLE_ENDPOINT, help="URL of the index that macOS takes torch from"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder with torch.yml and accelerators.yml")
    options = parser.parse_args()

    file = options.data / "torch.yml"
    text = file.read_text(encoding="utf-8")
    accelerators = list(
        yaml.safe_load((options.data / "accelerators.yml").read_text())["accelerators"]["default"]
    )
    try:
        published = read(options.index, options.pypi, accelerators)
        releases, differences = compare(parse(text), published, accelerators, options.remove)
    except Unreadable as error:
        print(f"refresh: {error}; nothing is changed", file=sys.stderr)
        return 2
    for difference in differences:
        print(difference)
    result = written(text, releases, accelerators)
    if options.write and result != text:
        scratch = file.with_suffix(".new")
        scratch.write_text(result, encoding="utf-8")
        scratch.replace(file)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
