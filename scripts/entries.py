"""Entries of data/builds.yml and data/companions.yml: the wheels that they state, and their text."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Any

import yaml
from packaging.version import Version
from published import PYPI, Cell, Page

OLDEST_MACOS = 11  # of PyPI's wheels, unless a release says otherwise
WIDTH = 110  # of lines in data/

Entry = dict[str, Any]  # of data/, whose types its schemas state
Pair = tuple[str, str]  # an accelerator and a Python


@dataclass(frozen=True)
class Data:
    families: dict[str, str]  # accelerator -> family
    platforms: list[str]
    builds: dict[str, Entry]
    companions: dict[str, dict[str, Entry]]

    def cells(self, version: str, project: str = "torch") -> set[Cell]:
        """Return the wheels that a release of torch offers, of torch or of a companion."""
        release = self.builds.get(version, {})
        if not release or (project != "torch" and project not in release):
            return set()
        cells = {
            Cell(place, platform, python)
            for place, platforms in {**release["wheels"], PYPI: release["macos"]["platforms"]}.items()
            for platform in platforms
            for python in release["pythons"] + release.get("more_pythons", {}).get(platform, [])
        }
        companion = {} if project == "torch" else self.companions[project].get(release[project], {})
        return {cell for cell in cells if has(companion, cell)}

    def beside(self, project: str, number: str) -> set[Cell]:
        """Return the wheels of torch that a release of a companion belongs to."""
        versions = (version for version, release in self.builds.items() if release.get(project) == number)
        return {cell for version in versions for cell in self.cells(version)}

    def pythons(self) -> set[str]:
        return {cell.python for version in self.builds for cell in self.cells(version)}

    def pages(self) -> dict[Page, set[str]]:
        """Return the pages to read, each with the releases that it should list."""
        projects = ("torch", *self.companions)
        pages = {Page(place, project): set[str]() for place in (PYPI, *self.families) for project in projects}
        for (version, release), project in product(self.builds.items(), projects):
            for cell in self.cells(version, project):
                pages[Page(cell.accelerator, project)].add(release.get(project, version))
        return pages

    def words(self, part: Collection[Cell], whole: Collection[Cell]) -> str:
        """Describe a part of some wheels: whole accelerators and Pythons, then the rest one by one."""
        some, every = pairs(part), pairs(whole)
        rest, names = set(some), []
        for name in (*self.families, PYPI, *by_age({python for _, python in every})):
            there = {pair for pair in every if name in pair}
            if there & rest and there <= some:
                names.append(name)
                rest -= there
        return " ".join([*names, *sorted("/".join(pair) for pair in rest)])


def has(companion: Entry, cell: Cell) -> bool:
    """Say whether a companion has a wheel where torch has this one, by its entry in companions.yml."""
    place, platform, python = cell
    names = {"accelerators": place, "pythons": python, "platforms": platform}
    gaps = (all(names[key] in values for key, values in gap.items()) for gap in companion.get("without", []))
    return (
        python in companion.get("pythons", [python])
        and place in [PYPI, *companion.get("accelerators", [place])]
        and not any(gaps)
    )


def pairs(cells: Iterable[Cell]) -> set[Pair]:
    return {(cell.accelerator, cell.python) for cell in cells}


def by_age(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=Version)


# Entries of wheels


def largest(cells: set[Cell], base: set[Cell]) -> set[Cell]:
    """Return the most of a platform's wheels, base among them, that an entry can state.

    An entry states accelerators and Pythons in all combinations, and must not offer a wheel that nobody has seen.
    """
    every, first = pairs(cells), {cell.python for cell in base}
    others = by_age({cell.python for cell in cells} - first)
    blocks = []
    for more in chain.from_iterable(combinations(others, size) for size in range(len(others) + 1)):
        pythons = {*first, *more}
        whole = {cell for cell in cells if {*product([cell.accelerator], pythons)} <= every}
        blocks.append({cell for cell in whole if cell.python in pythons})
    return max((block for block in blocks if base <= block), key=len)


def release_entry(data: Data, cells: set[Cell], rest: Entry, macos: int) -> Entry | None:
    """Return an entry of builds.yml with these wheels; None if there are too few."""
    there = {(cell.accelerator, cell.platform) for cell in cells}
    wheels = {
        place: platforms
        for place in (*data.families, PYPI)
        if (platforms := [platform for platform in data.platforms if (place, platform) in there])
    }
    pythons = {
        platform: here
        for platform in data.platforms
        if (here := {cell.python for cell in cells if cell.platform == platform})
    }
    everywhere = set.intersection(*pythons.values()) if pythons else set()
    on_macos = wheels.pop(PYPI, [])
    if not (everywhere and on_macos and wheels):
        return None
    built = {data.families[place] for place in wheels}
    fields = {
        "pythons": by_age(everywhere),
        "more_pythons": {name: by_age(more) for name in pythons if (more := pythons[name] - everywhere)},
        **{project: rest.get(project) for project in data.companions},
        "numpy": rest.get("numpy"),
        "triton": {family: name for family, name in rest["triton"].items() if family in built},
        "macos": {"platforms": on_macos} | ({"oldest": macos} if macos > OLDEST_MACOS else {}),
        "archs": rest.get("archs"),
        "left_out": rest.get("left_out"),
        "wheels": wheels,
    }
    return {key: value for key, value in fields.items() if value}


def companion_entry(data: Data, good: set[Cell], every: set[Cell]) -> Entry:
    """Return an entry of companions.yml: which of torch's wheels are good; a Python counts only if macOS has it."""
    on_macos = {cell.python for cell in every - good if cell.accelerator == PYPI}
    index = {cell for cell in every if cell.accelerator != PYPI}
    pythons = {cell.python for cell in index & good} - on_macos
    having = {cell.accelerator for cell in index & good if cell.python in pythons}
    entry: Entry = {}
    if pythons != {cell.python for cell in every}:
        entry["pythons"] = by_age(pythons)
    if having != {cell.accelerator for cell in index}:
        entry["accelerators"] = [place for place in data.families if place in having]
    rest = {cell for cell in index if cell.accelerator in having and cell.python in pythons}
    if gaps := list(without(data, rest - good, rest)):
        entry["without"] = gaps
    return entry


def without(data: Data, lacking: set[Cell], every: set[Cell]) -> Iterator[Entry]:
    """Yield gaps that together are these wheels; a missing key means all."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}  # accelerators, Pythons -> platforms
    for platform in data.platforms:
        here = {cell for cell in lacking if cell.platform == platform}
        lacks = {
            place: tuple(by_age(cell.python for cell in here if cell.accelerator == place))
            for place in data.families
        }
        for pythons in dict.fromkeys(filter(None, lacks.values())):
            places = tuple(place for place in lacks if lacks[place] == pythons)
            found.setdefault((places, pythons), []).append(platform)
    for (places, pythons), platforms in found.items():
        gap = {"accelerators": [*places], "pythons": [*pythons], "platforms": platforms}
        beside = {cell for cell in every if cell.platform in platforms}
        if {cell.platform for cell in every if cell.accelerator in places} == {*platforms}:
            del gap["platforms"]
        elif {cell.accelerator for cell in beside} == {*places}:
            del gap["accelerators"]
        if {cell.python for cell in beside} == {*pythons}:
            del gap["pythons"]
        yield gap


# The text of files


def edited(text: str, old: Entry, new: Entry, indent: int = 0) -> str:
    """Return the text of a mapping with new values; unchanged entries keep their text, comments included."""
    pad, tail = " " * indent, tail_of(text)
    body = text.removesuffix(tail)
    start = rf"^(?:{pad}#.*\n)*{pad}([^\s#:]+):"
    found = re.finditer(rf"{start}(?s:.*?)(?={start}|\Z)", body, re.MULTILINE)
    parts = {part[1].strip("\"'"): part[0] for part in found}
    gap = "" if indent or not body.count("\n\n") else "\n"  # between releases
    result = body.removesuffix("".join(parts.values()))
    for key, value in new.items():
        part = parts.get(key, "")
        if key not in old:
            result += "" if result.endswith("\n" + gap) else gap
            part = written(key, value, indent) + gap
        elif value != old[key] and re.search(rf"^{pad}  \w.*:", part, re.MULTILINE):
            part = edited(part, old[key], value, indent + 2)
        elif value != old[key]:
            comments, note = re.findall(rf"\A((?:{pad}#.*\n)*)[^#\n]*?( *#.*)?$", part, re.MULTILINE)[0]
            part = comments + written(key, value, indent, note) + tail_of(part)
        result += part
    return result.rstrip("\n") + "\n" + tail


def tail_of(text: str) -> str:
    """Return the blank lines and comments at the end of a text."""
    lines = re.search(r"(?:^ *(?:#.*)?\n)*\Z", text, re.MULTILINE)
    return lines[0] if lines else ""


def written(key: str, value: Any, indent: int = 0, note: str = "") -> str:
    """Return a key and its value in the style of data/: releases, wheels and gaps as blocks, the rest on a line."""
    pad = " " * indent
    line = f"{pad}{key}: {flow(value)}"
    if isinstance(value, dict):
        block = key in ("archs", "wheels") or "wheels" in value or len(value.get("without", [])) > 1
        if block or len(line) > WIDTH:
            items = (written(name, item, indent + 2) for name, item in value.items())
            return f"{pad}{key}:{note}\n{''.join(items)}"
    elif key == "without" and len(value) > 1:
        return f"{pad}{key}:{note}\n" + "".join(f"{pad}  - {flow(gap)}\n" for gap in value)
    return f"{line}{note}\n"


def flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    text = str(value)
    return text if re.fullmatch(r"[\w.-]+", text) and yaml.safe_load(text) == value else json.dumps(text)
