"""The text of a TOML file, split into tables and keys, to edit some and keep the rest as it is."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

STRING = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}'''
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
TOKEN = re.compile(STRING.pattern + r"""|\#[^\n]*|[\n\[\]{},]|[^\s"'\#\[\]{},]+|\s""", re.DOTALL)


class Item(NamedTuple):
    """A key with its value, or, without a name, a comment or an empty line; the text ends with a line break."""

    name: tuple[str, ...]
    text: str


@dataclass(eq=False)
class Section:
    """A table: the comments right above its header, the header and what follows."""

    path: tuple[str, ...] = ()
    lead: str = ""
    head: str = ""
    items: list[Item] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.lead + self.head + "".join(item.text for item in self.items)

    def named(self, *name: str) -> list[Item]:
        """The keys with this name, dotted ones included."""
        return [item for item in self.items if item.name[: len(name)] == name]


def parts_of(text: str) -> Iterator[str]:
    """Cut a file into statements, comments and empty lines."""
    start, depth = 0, 0
    for token in TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and depth == 0:
            yield text[start : token.end()]
            start = token.end()
    if text[start:]:
        yield text[start:]


def path_of(statement: str) -> tuple[str, ...]:
    """The full name in a header, or of a key."""
    names, value = [], tomllib.loads(statement)
    while isinstance(value, dict) and value:
        ((name, value),) = value.items()
        names.append(name)
        value = value[0] if isinstance(value, list) else value
    return tuple(names)


def key_of(statement: str) -> str:
    """The text before `=`."""
    key = re.match(r"""\s*((?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^="'\n])+)=""", statement)
    assert key
    return key[1].strip()


def sections_of(text: str) -> list[Section]:
    """Cut a file into tables; the first has no header."""
    sections = [Section()]
    for part in parts_of(text):
        if part.lstrip(" \t").startswith("["):
            kept = sections[-1].items
            lead = ""
            while kept and kept[-1].text.lstrip().startswith("#"):
                lead = kept.pop().text + lead
            sections.append(Section(path_of(part), lead, part))
        elif not part.strip() or part.lstrip().startswith("#"):
            sections[-1].items.append(Item((), part))
        else:
            sections[-1].items.append(Item(path_of(f"{key_of(part)} = 0"), part))
    return sections


def comments_of(text: str) -> Counter[str]:
    """The comments of a file."""
    return Counter(token[0].rstrip() for token in TOKEN.finditer(text) if token[0].startswith("#"))


def entries_of(item: Item) -> str:
    """The text within the brackets of a key's array, with a comma at the end, and a comment behind the array."""
    value = item.text[item.text.index("=") + 1 :]
    depth, start, last, end, comma = 0, 0, 0, 0, True
    for token in TOKEN.finditer(value):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth == 0 and token[0] == "]":
            end = token.start()
            break
        if depth == 1 and token[0] == "[" and not start:
            start = last = token.end()
        elif token[0].strip() and not token[0].startswith("#"):
            last, comma = token.end(), token[0] == ","
    inner = value[start:last] + "," * (not comma) + value[last:end]
    behind = value[end + 1 :].strip()
    lines = [inner.strip()] + [behind] * bool(behind)
    return "".join(f"    {line}\n" for line in lines if line)


def toml(value: object) -> str:
    """A value as TOML on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml(key)
