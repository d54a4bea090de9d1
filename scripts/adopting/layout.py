"""The project's pyproject.toml with the template's parts in it, and the proof that the rest is as it was."""

from __future__ import annotations

import copy
import re
import tomllib
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from .project import Project, Refusal, requirement_lists
from .toml_text import TOKEN, Item, Section, comments_of, entries_of, sections_of, toml, toml_key

KEEPER = "torch-uv-template"
"""The key after the template's sources."""
SHARED = ("constraint-dependencies", "default-groups", "conflicts")
"""Lists in [tool.uv] that have the template's entries first, then the project's."""
GROUPS, SETTINGS, INDEXES, SOURCES, UNDATED = (
    ("dependency-groups",),
    ("tool", "uv"),
    ("tool", "uv", "index"),
    ("tool", "uv", "sources"),
    ("tool", "uv", "exclude-newer-package"),
)
ORDER = (GROUPS, SETTINGS, INDEXES, SOURCES, UNDATED)
"""The order of the template's parts, which updates need."""


def adopted(project: Project, lean: str, command: str = "") -> tuple[str, list[str]]:
    """Put the template's parts into a project's pyproject.toml; return the text and the loosened requirements.

    `lean` is the template's own pyproject.toml, `command` the module of test-uv, if it can be a script.
    """
    sections = sections_of(project.text if project.text.endswith("\n") else project.text + "\n")
    loosened = loosen(project, sections, tomllib.loads(lean))
    if command:
        add_script(sections, command)
    for section in sections:
        if section.path == ("tool",) and section.named("uv"):
            raise Refusal("[tool] has uv.… as dotted keys: write [tool.uv] as its own table")
    ours = lean_parts(lean)
    indexes = take_indexes(project, sections)
    theirs: dict[tuple[str, ...], list[Item]] = {
        SOURCES: take_table(sections, "sources", project.names | {KEEPER}),
        UNDATED: take_table(sections, "exclude-newer-package", project.names),
    }
    rename_indexes(project, sections, theirs[SOURCES])
    for path in (GROUPS, SETTINGS, SOURCES, UNDATED):
        merge(sections, path, ours[path][0], theirs.get(path, []))
    place(sections, {**ours, INDEXES: ours[INDEXES] + indexes})
    text = "".join(section.text for section in sections)
    return (text if project.text.endswith("\n\n") else text.rstrip("\n") + "\n"), loosened


def lean_parts(lean: str) -> dict[tuple[str, ...], list[Section]]:
    """The template's tables, by name."""
    parts: dict[tuple[str, ...], list[Section]] = {}
    for section in sections_of(lean):
        if section.path:
            parts.setdefault(section.path, []).append(section)
    return parts


def loosen(project: Project, sections: list[Section], lean: dict[str, Any]) -> list[str]:
    """Remove exact versions, and ranges that exclude the pin, from requirements: the pin is a constraint now."""
    pins = {}
    for string in lean["tool"]["uv"]["constraint-dependencies"]:
        pins[Requirement(string).name] = Requirement(string).specifier
    loosened = []

    def bare(token: str) -> str:
        string, quote = token[1:-1], token[0]
        try:
            requirement = Requirement(string) if quote in "\"'" else None
        except InvalidRequirement:
            return token
        if requirement is None or canonicalize_name(requirement.name) not in project.names:
            return token
        if not contradicts(requirement.specifier, pins.get(canonicalize_name(requirement.name))):
            return token
        requirement.specifier = SpecifierSet()
        loosened.append(f"{string} -> {requirement}")
        return quote + str(requirement).replace('"', "'" if quote == '"' else '"') + quote

    lists = requirement_lists(project.document)
    for section in sections:
        for at, item in enumerate(section.items):
            if item.name and section.path + item.name in lists:
                tokens = [bare(token[0]) for token in TOKEN.finditer(item.text)]
                section.items[at] = item._replace(text="".join(tokens))
    return loosened


def contradicts(wanted: SpecifierSet, pin: SpecifierSet | None) -> bool:
    """Whether a requirement is exact, or excludes the version that is pinned."""
    if any(specifier.operator in ("==", "===") for specifier in wanted):
        return True
    return any(
        specifier.operator == "==" and not wanted.contains(specifier.version, prereleases=True)
        for specifier in pin or ()
    )


def add_script(sections: list[Section], command: str) -> None:
    """Add test-uv to [project.scripts], which is made after [project] if there is none."""
    line = Item(("test-uv",), f'test-uv = "{command}:main"\n')
    for section in sections:
        if section.path == ("project", "scripts"):
            insert(section, [line])
            return
    at = max(at for at, section in enumerate(sections) if section.path[:1] == ("project",))
    new = Section(("project", "scripts"), "", "[project.scripts]\n", [line])
    sections.insert(at + 1, new)
    space_out(sections, at + 1)
    if at + 2 < len(sections):
        space_out(sections, at + 2)


def insert(section: Section, items: list[Item]) -> None:
    """Append keys to a table, before the empty lines at its end."""
    at = len(section.items)
    while at and not section.items[at - 1].text.strip():
        at -= 1
    section.items[at:at] = items


def take_indexes(project: Project, sections: list[Section]) -> list[Section]:
    """Take PyTorch's indexes out; return those of the project's that were written as `index = […]`."""
    gone = [index["url"] for index in project.removable()]
    for at in range(len(sections) - 1, 0, -1):
        section = sections[at]
        if is_index_of(section, gone):
            # Of comments those right above go with it: the rest is the project's.
            sections[at - 1].items += comments_in(section)
            del sections[at]
    moved: list[Section] = []
    for section in [section for section in sections if section.path == SETTINGS]:
        for item in section.named("index"):
            for index in project.uv["index"]:
                if index["url"] not in gone:
                    keys = [
                        Item((key,), f"{toml_key(key)} = {toml(value)}\n") for key, value in index.items()
                    ]
                    moved.append(Section(INDEXES, "", "[[tool.uv.index]]\n", keys))
            section.items.remove(item)
        for item in section.named("extra-index-url"):
            left = [url for url in project.uv["extra-index-url"] if url not in project.extra_urls()]
            at = section.items.index(item)
            section.items[at : at + 1] = (
                [Item(item.name, f"extra-index-url = {toml(left)}\n")] if left else []
            )
    return moved


def is_index_of(section: Section, urls: list[str]) -> bool:
    """Whether a table is an index with one of these URLs."""
    return section.path == INDEXES and tomllib.loads(section.text)["tool"]["uv"]["index"][0]["url"] in urls


def comments_in(section: Section) -> list[Item]:
    """The comments below a table's header, with the empty lines around them, if there are any."""
    items = [item for item in section.items if not item.name]
    return items if any(item.text.strip() for item in items) else []


def take_table(sections: list[Section], name: str, without: set[str]) -> list[Item]:
    """Take a table of [tool.uv] out of its other forms, dotted keys and `{…}`, and packages out of all forms."""
    taken: list[Item] = []
    path = (*SETTINGS, name)
    for section in list(sections):
        if (
            section.path[:3] == path
            and len(section.path) > 3
            and canonicalize_name(section.path[3]) in without
        ):
            sections[sections.index(section) - 1].items += comments_in(section)
            sections.remove(section)
        elif section.path == path:
            section.items[:] = [
                item
                for item in section.items
                if not item.name or canonicalize_name(item.name[0]) not in without
            ]
        elif section.path == SETTINGS:
            for item in section.named(name):
                section.items.remove(item)
                if len(item.name) > 1:
                    short = re.sub(r"^\s*[^.]+\.\s*", "", item.text)
                    found = [Item(item.name[1:], short)]
                else:
                    values = tomllib.loads(item.text)[name].items()
                    found = [Item((key,), f"{toml_key(key)} = {toml(value)}\n") for key, value in values]
                taken += [one for one in found if canonicalize_name(one.name[0]) not in without]
    return taken


def rename_indexes(project: Project, sections: list[Section], taken: list[Item]) -> None:
    """Send what else came from an index of PyTorch's that is gone to the template's."""
    gone = [re.escape(index["name"]) for index in project.removable() if "name" in index]
    if not gone:
        return
    name = re.compile(rf"""(\bindex\s*=\s*)(["'])(?:{"|".join(gone)})\2""")
    for items in [section.items for section in sections if section.path[:3] == SOURCES] + [taken]:
        items[:] = [
            item._replace(text=name.sub(r"\1\2pytorch\2", item.text)) if item.name else item for item in items
        ]


def merge(sections: list[Section], path: tuple[str, ...], ours: Section, taken: list[Item]) -> None:
    """Put the template's part of a table before the project's; `ours` becomes the whole if it has none."""
    mine = next((section for section in sections if section.path == path), None)
    theirs = mine.items if mine else []
    result = list(ours.items)
    while result and not result[-1].text.strip():
        result.pop()
    for key in SHARED if path == SETTINGS else ():
        for item in [item for item in theirs if item.name == (key,)]:
            at = next(at for at, other in enumerate(result) if other.name == (key,))
            text = result[at].text.replace('    "dev",\n', "")
            end = text.rindex("]")
            result[at] = Item((key,), text[:end] + entries_of(item) + text[end:])
            theirs.remove(item)
    if path == SETTINGS:
        theirs[:] = [item for item in theirs if item.name != ("environments",)]
    if path == GROUPS and any(item.name == ("dev",) for item in theirs):
        result = [item for item in result if item.name != ("dev",)]
    ours.items = result
    if mine:
        mine.items = result + theirs
        insert(mine, taken)
    else:
        ours.items += taken


def place(sections: list[Section], parts: dict[tuple[str, ...], list[Section]]) -> None:
    """Add the tables that a project lacks, and move the template's tables that are in the wrong order."""
    here = {
        path: [section for section in sections if section.path == path] for path in ORDER if path != INDEXES
    }
    anchor = next((path for path in (SETTINGS, SOURCES, UNDATED, GROUPS) if here[path]), None)
    if anchor is None:
        at = len(sections)
        for path in ORDER:
            for section in parts[path]:
                sections.insert(at, section)
                space_out(sections, at)
                at += 1
        return
    block = [here[anchor][0]]
    start = ORDER.index(anchor)
    for path in reversed(ORDER[:start]):
        at = sections.index(block[0])
        found = here.get(path) or parts[path]
        if found[0] in sections and sections.index(found[0]) < at:
            block = found
            continue
        move(sections, found, at)
        block = found
    block = here[anchor]
    for path in ORDER[start + 1 :]:
        at = sections.index(block[-1]) + 1
        found = here.get(path) or parts[path]
        if not (found[0] in sections and sections.index(found[0]) >= at):
            move(sections, found, at)
        block = found


def move(sections: list[Section], block: list[Section], at: int) -> None:
    """Move tables to a place, with an empty line before and after."""
    before = sections[at] if at < len(sections) else None
    for section in block:
        if section in sections:
            sections.remove(section)
    at = sections.index(before) if before else len(sections)
    for section in block:
        sections.insert(at, section)
        space_out(sections, at)
        at += 1
    if before:
        space_out(sections, sections.index(before))


def space_out(sections: list[Section], at: int) -> None:
    """Put an empty line before a table, if there is none."""
    previous = sections[at - 1]
    if previous.text and not previous.text.endswith("\n\n"):
        previous.items.append(Item((), "\n"))


# The proof ----------------------------------------------------------------------------------------------------


def prove(project: Project, text: str, lean: str, command: str) -> None:
    """Refuse a text in which anything but PyTorch's parts differs from the project's, comments included."""
    try:
        after = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refusal(f"the result would be no TOML ({error}): please report this pyproject.toml") from error
    ours = tomllib.loads(lean)
    before = rest_of_before(project)
    found = rest_of_after(project, after, ours, command)
    if found != before:
        where = ", ".join(sorted(differences(before, found))) or "the order"
        raise Refusal(f"{where} would change: please report this pyproject.toml")
    lost = comments_of(project.text) - comments_of(text)
    kept = [comment for comment in lost if comment not in gone_comments(project)]
    if kept:
        raise Refusal(f"the comment {kept[0]!r} would be lost: move it away from PyTorch's index")


def gone_comments(project: Project) -> set[str]:
    """Comments within the removed parts."""
    removed = []
    urls = [index["url"] for index in project.removable()]
    for section in sections_of(project.text):
        if is_index_of(section, urls):
            removed.append(
                section.lead + section.head + "".join(item.text for item in section.items if item.name)
            )
        for item in section.items:
            name = section.path + item.name
            if (
                name[:3] == SOURCES
                and len(name) > 3
                and canonicalize_name(name[3]) in project.names | {KEEPER}
            ):
                removed.append(item.text)
            if item.name and name in ((*SETTINGS, "environments"), (*SETTINGS, "extra-index-url")):
                removed.append(item.text)
    return set(comments_of("\n".join(removed)))


def loose(project: Project, document: dict[str, Any]) -> None:
    """Remove the versions of PyTorch's packages from requirements."""
    for strings in requirement_lists(document).values():
        for at, string in enumerate(strings):
            if isinstance(string, str):
                requirement = Requirement(string)
                if canonicalize_name(requirement.name) in project.names:
                    requirement.specifier = SpecifierSet()
                    strings[at] = str(requirement)


def rest_of_before(project: Project) -> dict[str, Any]:
    """A project's document without the parts that the template replaces."""
    document = copy.deepcopy(project.document)
    loose(project, document)
    uv = document.setdefault("tool", {}).setdefault("uv", {})
    gone = project.removable()
    uv["index"] = [index for index in uv.get("index", []) if index not in gone]
    urls = [url for url in uv.pop("extra-index-url", []) if url not in project.extra_urls()]
    uv |= {"extra-index-url": urls} if urls else {}
    uv["sources"] = {
        name: source
        for name, source in uv.get("sources", {}).items()
        if canonicalize_name(name) not in project.names
    }
    names = {index.get("name") for index in gone}
    for source in uv["sources"].values():
        for one in source if isinstance(source, list) else [source]:
            if one.get("index") in names:
                one["index"] = "pytorch"
    undated = uv.get("exclude-newer-package", {})
    uv["exclude-newer-package"] = {
        name: value for name, value in undated.items() if canonicalize_name(name) not in project.names
    }
    uv.pop("environments", None)
    uv.setdefault("default-groups", ["dev"])
    for key in SHARED:
        uv.setdefault(key, [])
    document.setdefault("dependency-groups", {}).setdefault("dev", [])
    return document


def rest_of_after(
    project: Project, document: dict[str, Any], ours: dict[str, Any], command: str
) -> dict[str, Any]:
    """The new document without the template's parts, which must all be there."""
    document = copy.deepcopy(document)
    uv, owned = document["tool"]["uv"], ours["tool"]["uv"]
    for key in SHARED:
        mine = [entry for entry in owned[key] if entry != "dev"]
        if uv[key][: len(mine)] != mine:
            raise Refusal(f"{key} would not be the template's: please report this pyproject.toml")
        uv[key] = uv[key][len(mine) :]
    for key in ("sources", "exclude-newer-package"):
        for name, value in owned[key].items():
            if uv[key].pop(name) != value:
                raise Refusal(
                    f"{name} in {key} would not be the template's: please report this pyproject.toml"
                )
    uv["index"] = [index for index in uv["index"] if index not in owned["index"]]
    if uv.pop("environments") != owned["environments"]:
        raise Refusal("environments would not be the template's: please report this pyproject.toml")
    for group in ours["dependency-groups"].keys() - {"dev"}:
        del document["dependency-groups"][group]
    if command:
        scripts = document["project"]["scripts"]
        assert scripts.pop("test-uv") == f"{command}:main"
        if not scripts and "scripts" not in project.document["project"]:
            del document["project"]["scripts"]
    loose(project, document)
    return document


def differences(one: dict[str, Any], other: dict[str, Any], where: str = "") -> set[str]:
    """The names of keys that differ."""
    found: set[str] = set()
    for key in one.keys() | other.keys():
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found |= differences(mine, theirs, f"{where}{key}.")
        elif mine != theirs:
            found.add(f"{where}{key}")
    return found
