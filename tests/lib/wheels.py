"""Which Pythons and platforms a wheel is for, read off its file name, and what the replica publishes."""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from replica import PLATFORM_TAGS, Replica

PYTHONS = [f"3.{minor}" for minor in range(10, 30)]  # every one that a wheel could be for
"""Pythons as the answers name them."""
NAMES = {
    "linux_x86_64": "linux-x86_64",
    "linux_aarch64": "linux-aarch64",
    "windows_amd64": "windows-x86_64",
    "macos_arm64": "macos-arm64",
    "macos_x86_64": "macos-x86_64",
}
"""Platforms as the record names them -> as the answers do."""
MACHINES = {
    "linux-x86_64": ("linux", "x86_64"),
    "linux-aarch64": ("linux", "aarch64"),
    "windows-x86_64": ("win32", "AMD64"),
    "macos-arm64": ("darwin", "arm64"),
    "macos-x86_64": ("darwin", "x86_64"),
}
"""Platform -> sys_platform and platform_machine of its markers."""


class Cell(NamedTuple):
    """Where there is a wheel: macOS takes PyPI's, whatever the accelerator."""

    python: str
    accelerator: str
    platform: str


class Wheel(NamedTuple):
    """What a file name says, as far as a project's answers go."""

    project: str
    version: str  # without the local part
    python: str
    platform: str


def runs(tag: Tag, python: str) -> bool:
    """Whether a Python takes wheels of a tag, as far as the platform goes."""
    if tag.abi == "abi3":  # the stable ABI, for later Pythons too
        return Version(python) >= Version(f"3.{tag.interpreter.removeprefix('cp3')}")
    return tag.interpreter in ("py3", f"cp{python.replace('.', '')}") and not tag.abi.endswith("t")


def fits(filename: str) -> Iterator[tuple[str, str]]:
    """Each Python and platform that a wheel can be used with."""
    for tag in parse_wheel_filename(filename)[3]:
        for key, part in PLATFORM_TAGS.items():
            if key in NAMES and re.search(part, tag.platform):
                yield from ((python, NAMES[key]) for python in PYTHONS if runs(tag, python))


def cells_of(filename: str, accelerator: str) -> Iterator[Cell]:
    """Where a wheel can be used that was listed for an accelerator, or for "pypi"."""
    return (Cell(python, accelerator, platform) for python, platform in fits(filename))


@functools.cache
def published(replica: Replica, accelerator: str) -> Mapping[Wheel, str]:
    """Wheel -> its full version, on all platforms: those for macOS are PyPI's, not the index's own."""
    found = {}
    for index in (accelerator, None):
        for file in replica.wheels(index):
            project, version, *_ = parse_wheel_filename(file)
            for python, platform in fits(file):
                if platform.startswith("macos") == (index is None):
                    found[Wheel(project, version.public, python, platform)] = str(version)
    return found
