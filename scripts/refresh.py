"""Compare data/ with what PyTorch's index and PyPI list today.

    uv run scripts/refresh.py [--write [--remove]]

prints one line for each fact that appeared or vanished. With --write, it adds new facts to data/builds.yml and
data/companions.yml, compiles rules/builds.json, and records the names of the wheels in tests/facts/releases/. Vanished
facts stay unless you add --remove. The exit status is 0 if nothing changed, 1 if something did, and 2 if it could not
read an index or data/: then it writes nothing.

Notes go to stderr: what it saw, what data/ cannot express yet, and the facts that a person should check again.
"""

import argparse
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from entries import OLDEST_MACOS, Data, Entry, companion_entry, edited, has, largest, pairs, release_entry
from packaging.requirements import Requirement
from packaging.version import Version
from published import PYPI, Cell, Published, Unreadable, read, unknown
from pypi_simple import PYPI_SIMPLE_ENDPOINT

ROOT = Path(__file__).resolve().parent.parent
INDEX = "https://download.pytorch.org/whl/{accelerator}"
STAND_INS = ("rocm", "xpu")  # families of accelerators with a package in place of triton
HOLDS = timedelta(days=120)  # how often people check the facts that only they can check


@dataclass
class Comparison:
    """`new` is the old data with new facts and, with `remove`, without vanished ones."""

    old: Data
    published: Published
    remove: bool
    new: Data
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def release(self, version: str) -> None:
        """Compare a release of torch."""
        release = self.old.builds.get(version)
        before, now = self.old.cells(version), set(self.published.files("torch", version))
        if release and not now:
            self.lines.append(f"{version}: vanished")
            self.new.builds.update({} if self.remove else {version: release})
            return
        cells: set[Cell] = set()
        lines: list[str] = []
        for platform in self.old.platforms:
            was, here = ({cell for cell in both if cell.platform == platform} for both in (before, now))
            base = largest(was & here, set()) if self.remove else was
            kept = largest(base | here, base)
            cells |= kept
            lines += self.said(f"{version} {platform}: appeared", kept - was, kept)
            lines += self.said(f"{version} {platform}: vanished", was - here, was)
            odd = f"{version} {platform}: left out until all have the same Pythons:"
            self.notes += self.said(odd, here - kept, here)
        oldest = release["macos"].get("oldest", OLDEST_MACOS) if release else OLDEST_MACOS
        macos = max(self.published.oldest_macos(version) or oldest, OLDEST_MACOS)
        if release and macos != oldest:
            lines.append(f"{version}: macOS {macos} is the oldest, no longer {oldest}")
        entry = release
        if cells != before or macos != oldest:
            rest = release or self.beginnings(version, cells)
            entry = release_entry(self.old, cells, rest | {"triton": self.tritons(version, rest)}, macos)
        if not entry:
            self.notes.append(f"{version}: waits for macOS on PyPI, or for a Python that every platform has")
            entry, lines = release, []
        elif not release:
            names = (f"{project} {entry[project]}" for project in self.old.companions if project in entry)
            lines = [f"{version}: new release, with {' and '.join(names)}"]
        self.new.builds.update({version: entry} if entry else {})
        self.lines += lines

    def beginnings(self, version: str, cells: set[Cell]) -> Entry:
        """Return the facts of a new release that torch's file names lack: bounds of numpy, and companions."""
        older = (row for other, row in self.old.builds.items() if Version(other) < Version(version))
        earlier = next(older, {})
        rest: Entry = {"numpy": earlier.get("numpy")}
        for project in self.old.companions:
            told = self.published.companion(project, version)
            number = told or earlier.get(project)
            if number and cells & self.published.files(project, number).keys():
                rest[project] = number
                if not told:
                    self.notes.append(f"{version}: {project} {number} is a guess, since there is no metadata")
        return rest

    def tritons(self, version: str, rest: Entry) -> dict[str, str]:
        """Return family -> the package in place of triton: from the entry, from metadata, or as in the newest release."""
        told: dict[str, str] = rest.get("triton", {})
        lacking = [key for key, family in self.old.families.items() if family in {*STAND_INS} - {*told}]
        read = {
            self.old.families[key]: Requirement(line).name
            for key, lines in self.published.stand_ins(version, lacking).items()
            for line in lines
        }
        tables = [release.get("triton", {}) for release in reversed(self.old.builds.values())]
        newest = {family: name for table in tables for family, name in table.items()}
        return newest | read | told

    def companion(self, project: str, number: str) -> None:
        """Compare a release of a companion with the releases of torch that it belongs to."""
        told = self.old.companions[project].get(number, {})
        before, every = self.old.beside(project, number), self.new.beside(project, number)
        seen = self.published.files(project, number).keys()
        good = every & seen
        if not self.remove:  # what vanished stays, but not for wheels of torch that appeared
            good |= {cell for cell in before & every if has(told, cell)}
        entry = companion_entry(self.old, good, every)
        was, now = ({cell for cell in every if has(row, cell)} for row in (told, entry))
        gone = was & (before - seen)
        for what, part in (
            ("appeared", now - was),
            ("has no wheels for", was - now - gone),
            ("vanished", gone),
        ):
            single = {cell for cell in part if pairs([cell]) <= pairs(every - part)}
            self.lines += self.said(f"{project} {number}: {what}", part - single, every)
            for platform in self.old.platforms:
                some, whole = (
                    {cell for cell in both if cell.platform == platform} for both in (single, every)
                )
                self.lines += self.said(f"{project} {number} {platform}: {what}", some, whole)
        entry = told if was == now else entry
        self.new.companions[project].update({number: entry} if entry else {})

    def said(self, what: str, part: set[Cell], whole: set[Cell]) -> list[str]:
        return [f"{what} {self.old.words(part, whole)}"] if part else []


def compare(old: Data, published: Published, remove: bool) -> Comparison:
    """Compare every release. Raises Unreadable."""
    nothing = replace(old, builds={}, companions={project: {} for project in old.companions})
    found = Comparison(old, published, remove, nothing)
    for version in sorted(old.builds.keys() | published.releases(), key=Version, reverse=True):
        found.release(version)
    for project in old.companions:
        numbers = {release[project] for release in found.new.builds.values() if project in release}
        for number in sorted(numbers, key=Version, reverse=True):
            found.companion(project, number)
    return found


def evidence(found: Comparison, version: str, file: Path) -> Entry | None:
    """Return the evidence for tests/facts/releases/, if wheels appeared. Raises Unreadable."""
    release, published = found.new.builds[version], found.published
    companions = {project: release[project] for project in found.new.companions if project in release}
    appeared: dict[str, set[str]] = defaultdict(set)
    for project, number in ({"torch": version} | companions).items():
        files = published.files(project, number)
        for cell in found.new.cells(version, project) - found.old.cells(version, project):
            appeared[cell.accelerator] |= files[cell]
        if version not in found.old.builds:  # what PyPI has for other platforms than macOS, too
            on_pypi = (wheel for place, wheel in published.wheels(project, number) if place == PYPI)
            appeared[PYPI] |= {wheel.package.filename for wheel in on_pypi}
    if not appeared:
        return None
    known = yaml.safe_load(file.read_bytes()) if file.exists() else {"requires": {}, "wheels": {}}
    built = [place for place in appeared if found.new.families.get(place) in STAND_INS]
    bounds = (wheel.package.requires_python for _, wheel in published.wheels("torch", version))
    bound = next(filter(None, bounds), None)
    places = [place for place in (*found.new.families, PYPI) if place in appeared.keys() | known["wheels"]]
    return {
        **companions,
        **({"requires_python": bound} if bound else {}),
        "requires": known["requires"] | published.stand_ins(version, built),
        "wheels": {place: sorted({*known["wheels"].get(place, []), *appeared[place]}) for place in places},
    }


def compiled(data: Path, output: Path) -> None:
    """Compile data/ to a table. Raises Unreadable if data/ is wrong."""
    script = str(Path(__file__).with_name("compile.py"))
    command = [sys.executable, script, "--data", str(data), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unreadable(done.stderr.strip().rpartition("\n")[2])


def write(found: Comparison, data: Path, facts: Path, today: date) -> None:
    """Write data/, its table and the evidence; nothing if data/ would be wrong. Raises Unreadable."""
    texts: dict[Path, bytes] = {}
    for name, old, new in (
        ("builds.yml", found.old.builds, found.new.builds),
        ("companions.yml", found.old.companions, found.new.companions),
    ):
        texts[data / name] = edited((data / name).read_text("utf-8"), old, new).encode()
    with TemporaryDirectory() as scratch:
        stage, table = Path(shutil.copytree(data, Path(scratch, "data"))), Path(scratch, "builds.json")
        for file, text in texts.items():
            (stage / file.name).write_bytes(text)
        compiled(stage, table)
        texts[data.parent / "rules" / table.name] = table.read_bytes()
    for version in found.new.builds:
        file = facts / "releases" / f"{version}.yml"
        if told := evidence(found, version, file):
            title = f"# What PyTorch's index and PyPI listed of torch {version} on {today}, read by scripts/refresh.py.\n"
            texts[file] = (title + yaml.safe_dump(told, sort_keys=False, width=1000)).encode()
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)


def reminders(accelerators: Entry, today: date) -> Iterator[str]:
    """Name the facts that are on no page, if nobody has checked them for long."""
    drivers, rows = accelerators["drivers"], accelerators["accelerators"].values()
    sources = " and ".join(sorted({row["archs"]["source"] for row in rows if "archs" in row}))
    for what, checked, source in (
        ("driver floors", drivers["checked"], drivers["source"]),
        ("GPU architectures", accelerators["archs_checked"], sources),
    ):
        if today - date.fromisoformat(str(checked)) > HOLDS:
            yield f"{what} were last checked on {checked}: compare them with {source}"


def refresh(options: argparse.Namespace) -> Comparison:
    """Do what the command says. Raises Unreadable."""
    with TemporaryDirectory() as scratch:
        compiled(options.data, Path(scratch, "builds.json"))
    builds, companions, platforms, accelerators = (
        yaml.safe_load((options.data / f"{name}.yml").read_bytes())
        for name in ("builds", "companions", "platforms", "accelerators")
    )
    families = {key: row["family"] for key, row in accelerators["accelerators"].items()}
    old = Data(families, list(platforms), builds, companions)
    published = read(options.index, options.pypi, old.pages(), old.pythons())
    found = compare(old, published, options.remove)
    if options.write and found.new != old:
        write(found, options.data, options.facts, options.today)
    found.notes.insert(0, published.summary())
    if others := unknown(options.index, families):
        found.notes.append(f"not in data/accelerators.yml: {' '.join(others)}")
    found.notes.extend(reminders(accelerators, options.today))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write what appeared")
    parser.add_argument("--remove", action="store_true", help="with --write, also remove what vanished")
    parser.add_argument("--index", default=INDEX, help="URL of PyTorch's index, with {accelerator}")
    parser.add_argument("--pypi", default=PYPI_SIMPLE_ENDPOINT, help="URL of the index that macOS uses")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="the facts, with rules/ beside them")
    parser.add_argument("--facts", type=Path, default=ROOT / "tests/facts", help="the evidence")
    parser.add_argument("--today", type=date.fromisoformat, default=date.today(), help="the date, YYYY-MM-DD")
    options = parser.parse_args(arguments)
    try:
        found = refresh(options)
    except Unreadable as error:
        print(f"refresh: {error}; nothing is changed", file=sys.stderr)
        return 2
    print("".join(f"{line}\n" for line in found.lines), end="")
    print("".join(f"refresh: {note}\n" for note in found.notes), end="", file=sys.stderr)
    return 1 if found.lines else 0


if __name__ == "__main__":
    sys.exit(main())
