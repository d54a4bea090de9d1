"""What PyTorch's index and PyPI list: wheels by their file names, and the requirements in their metadata.

The pages may change at any time, so a page that is not complete raises Unreadable.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import requests
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version
from pypi_simple import (
    DistributionPackage,
    NoMetadataError,
    ProjectPage,
    PyPISimple,
    UnsupportedRepoVersionError,
)

PYPI = "pypi"  # the index that macOS uses, in place of an accelerator
OLDEST = Version("2.1.0")
OLDEST_PYTHON = 10  # of Python 3
TIMEOUT = 60  # seconds for a page
FEW = 2  # releases that may vanish from a page before it counts as incomplete
ERRORS = (requests.RequestException, NoMetadataError, UnsupportedRepoVersionError, ValueError)


class Unreadable(Exception):
    """Something that we cannot trust; the text says what and why, in one line."""


class Page(NamedTuple):
    place: str  # an accelerator or PYPI
    project: str

    def __str__(self) -> str:
        return f"{self.place}/{self.project}"


class Cell(NamedTuple):
    """A wheel of any project: PYPI is the accelerator on macOS."""

    accelerator: str
    platform: str
    python: str


class Wheel(NamedTuple):
    """The parts of a file name, once for each of its tags."""

    version: str  # without the local part
    local: str
    minor: int  # of Python 3
    later: bool  # it runs on later Pythons too
    platform: str
    macos: int  # the oldest macOS, 0 elsewhere
    package: DistributionPackage


@dataclass(frozen=True)
class Published:
    """The pages, and the Pythons that a wheel for later Pythons covers."""

    pages: Mapping[Page, list[Wheel]]
    pythons: frozenset[str]

    def wheels(self, project: str, version: str) -> Iterator[tuple[str, Wheel]]:
        """Yield the wheels of a release, each with its place."""
        for page, wheels in self.pages.items():
            if page.project == project:
                yield from ((page.place, wheel) for wheel in wheels if wheel.version == version)

    def files(self, project: str, version: str) -> dict[Cell, set[str]]:
        """Return the file names of a release, by cell.

        macOS has them from PyPI alone, and torch on a page must be built for that page's accelerator.
        """
        found: dict[Cell, set[str]] = defaultdict(set)
        for place, wheel in self.wheels(project, version):
            own = project != "torch" or wheel.local in ("", place)
            if own and (place == PYPI) == bool(wheel.macos):
                later = {python for python in self.pythons if int(python.partition(".")[2]) >= wheel.minor}
                for python in later if wheel.later else {f"3.{wheel.minor}"}:
                    found[Cell(place, wheel.platform, python)].add(wheel.package.filename)
        return dict(found)

    def oldest_macos(self, version: str) -> int:
        """Return the oldest macOS of the first of its platforms; 0 if there is none."""
        found = [wheel for place, wheel in self.wheels("torch", version) if place == PYPI and wheel.macos]
        return min(((wheel.platform, wheel.macos) for wheel in found), default=("", 0))[1]

    def releases(self) -> set[str]:
        """Return the releases of torch on PyTorch's index that the template could offer."""
        listed = {
            wheel.version
            for page, wheels in self.pages.items()
            for wheel in wheels
            if page.project == "torch" and page.place != PYPI
        }
        return {version for version in listed if Version(version) >= OLDEST}

    def companion(self, project: str, version: str) -> str | None:
        """Return the newest release of a companion whose metadata accepts this torch. Raises Unreadable."""
        newest = {
            Version(wheel.version): wheel.package
            for page, wheels in self.pages.items()
            for wheel in wheels
            if page.project == project and wheel.package.has_metadata
        }
        for companion in sorted(newest, reverse=True):
            needed = [line.specifier for line in requirements(newest[companion]) if line.name == "torch"]
            if all(specifier.contains(version) for specifier in needed):
                return str(companion)
        return None

    def stand_ins(self, version: str, accelerators: Collection[str]) -> dict[str, list[str]]:
        """Return accelerator -> torch's requirements in place of triton, if it has metadata. Raises Unreadable."""
        packages = {
            place: wheel.package
            for place, wheel in self.wheels("torch", version)
            if place in accelerators and wheel.package.has_metadata
        }
        return {
            place: [
                str(line) for line in requirements(package) if "triton" in line.name and line.name != "triton"
            ]
            for place, package in packages.items()
        }

    def summary(self) -> str:
        """Say what was seen."""
        files = {(page, wheel.package.filename) for page, wheels in self.pages.items() for wheel in wheels}
        empty = " ".join(str(page) for page, wheels in self.pages.items() if not wheels)
        return f"saw {len(files)} wheels on {len(self.pages)} pages; pages without any: {empty or 'none'}"


def platform_of(tag: str) -> tuple[str, int] | None:
    """Translate a platform tag to a platform and the oldest macOS; None for platforms that no answer names."""
    if match := re.fullmatch(r"(?:many)?linux\w*_(x86_64|aarch64)", tag):
        return f"linux-{match[1]}", 0
    if match := re.fullmatch(r"macosx_(\d+)_\d+_(x86_64|arm64)", tag):
        return f"macos-{match[2]}", int(match[1])
    return ("windows-x86_64", 0) if tag == "win_amd64" else None


def wheels_of(package: DistributionPackage, project: str) -> Iterator[Wheel]:
    """Read the file name of a stable wheel for CPython 3.10 or newer, not free-threaded; skip other files."""
    try:
        name, version, _, tags = parse_wheel_filename(package.filename)
    except InvalidWheelFilename:
        return
    for tag in tags if name == project and not version.is_prerelease else ():
        python = re.fullmatch(r"(cp|py)3(\d*)", tag.interpreter)
        platform = platform_of(tag.platform)
        if python and platform and not tag.abi.endswith("t"):
            minor, later = int(python[2] or 0), python[1] == "py" or tag.abi == "abi3"
            if later or minor >= OLDEST_PYTHON:
                yield Wheel(version.public, version.local or "", minor, later, *platform, package)


def read_page(client: PyPISimple, project: str) -> list[Wheel]:
    """Return the wheels on a project's page, yanked ones too; none if the status is 403 or 404.

    Raises Unreadable if the page is not complete.
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
            raise Unreadable(f"{url} is cut off")
        packages = ProjectPage.from_response(response, project).packages
    except ERRORS as error:
        raise Unreadable(f"{url} cannot be read ({type(error).__name__})") from error
    return [wheel for package in packages for wheel in wheels_of(package, project)]


def read(index: str, pypi: str, known: Mapping[Page, Collection[str]], pythons: Iterable[str]) -> Published:
    """Read these pages, which should list the releases in `known`.

    Raises Unreadable if a page is broken, or lists so few that it must be incomplete. Yanked wheels count for that
    check only.
    """

    def wheels(page: Page) -> list[Wheel]:
        url = pypi if page.place == PYPI else index.replace("{accelerator}", page.place)
        found = read_page(PyPISimple(url, session=session), page.project)
        lost = sorted({*known[page]} - {wheel.version for wheel in found}, key=Version)
        if lost and not found:
            raise Unreadable(f"the page {page} is missing or lists no wheel of it")
        if len(lost) > FEW:
            raise Unreadable(f"the page {page} has lost {', '.join(lost)} at once")
        return [wheel for wheel in found if not wheel.package.is_yanked]

    with requests.Session() as session, ThreadPoolExecutor(8) as threads:
        pages = dict(zip(known, threads.map(wheels, known), strict=True))
    own = {
        f"3.{wheel.minor}"
        for page, found in pages.items()
        for wheel in found
        if page.project == "torch" and not wheel.later
    }
    return Published(pages, frozenset(own.union(pythons)))


def unknown(index: str, accelerators: Collection[str]) -> list[str]:
    """Return unknown accelerators with torch on the root page, if that can be read."""
    found = []
    try:
        with PyPISimple(index.partition("{accelerator}")[0]) as root:
            names = {name.strip("/") for name in root.get_index_page(timeout=TIMEOUT).projects}
            for key in sorted(names.difference(accelerators)):
                if re.fullmatch(r"cpu|cu\d+|rocm[\d.]+|xpu", key):
                    page = read_page(PyPISimple(index.replace("{accelerator}", key), session=root.s), "torch")
                    found += [key] if any(Version(wheel.version) >= OLDEST for wheel in page) else []
    except (Unreadable, *ERRORS):
        pass
    return found


def requirements(package: DistributionPackage) -> list[Requirement]:
    """Return the requirements of a wheel from its metadata file (PEP 658). Raises Unreadable."""
    verify = bool(package.metadata_digests)
    try:
        with PyPISimple() as client:
            text = client.get_package_metadata(package, verify=verify, timeout=TIMEOUT)
        metadata = Metadata.from_email(text, validate=False)
        return (
            metadata.requires_dist or [] if metadata.name else []
        )  # what is no metadata has no name and raises
    except ERRORS as error:
        raise Unreadable(f"{package.metadata_url} cannot be read ({type(error).__name__})") from error
