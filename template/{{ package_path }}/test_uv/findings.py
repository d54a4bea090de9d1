"""What test-uv finds, and the commands that fix it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .constants import ACCELERATOR, ONE_BUILD, SWITCH_TO, TORCH_VERSION

PACKAGE = Path(__file__).resolve().parent.parent
ANSWERS = ".copier-answers.yml"
# The project's folder, unless the package was installed elsewhere.
FLAT = (PACKAGE.parent / ANSWERS).exists()
PROJECT = PACKAGE.parent if FLAT else PACKAGE.parent.parent


class Finding(NamedTuple):
    """What is wrong, why, and what fixes it, with commands in backticks."""

    what: str
    why: str
    fix: str = ""
    problem: bool = True  # or else a note

    def __str__(self) -> str:
        return f"{self.what}, {self.why}" + (f": {self.fix}" if self.fix else "")

    def as_json(self) -> dict[str, object]:
        """Return the parts, the commands and the whole."""
        commands = re.findall("`(.+?)`", self.fix)
        return {**self._asdict(), "commands": commands, "text": str(self)}


def one_line(error: object) -> str:
    """Return the first line of an error's text, or its type if it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def read(file: Path) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def sync(accelerator: str) -> str:
    """Return the command that installs a build: the first one, or that of a group."""
    if accelerator not in SWITCH_TO:
        return "uv sync"
    return f"uv sync --no-group {ACCELERATOR} --group {accelerator}"


def update(**answers: str) -> str:
    """Say how to change the project's answers."""
    data = " ".join(f"--data {name}={answer}" for name, answer in answers.items())
    command = f"uvx copier update --defaults --vcs-ref=:current: {data}"
    return f"run `{command}`, then `uv sync`"


def change_to(accelerator: str, driver: str = "") -> str:
    """Say how to get another build, which may need a newer driver."""
    if driver:
        return f"update the driver to {driver} or newer, then {change_to(accelerator)}"
    if not accelerator:
        return ""
    if accelerator in (ACCELERATOR, *SWITCH_TO):
        return f"run `{sync(accelerator)}`, then `uv run --no-sync test-uv`"
    if ONE_BUILD:
        other = update(accelerator=accelerator, mirror="official")
        return f"use another mirror, since this one has a single build, {other}"
    return update(accelerator=accelerator)


def set_variable(name: str, value: str = "") -> str:
    """Say how to set an environment variable, or how to unset it."""
    windows = f"$env:{name} = '{value}'" if value else f"Remove-Item Env:{name}"
    elsewhere = f"export {name}={value}" if value else f"unset {name}"
    return f"run `{windows if os.name == 'nt' else elsewhere}`"


def restore(release: str, pinned: str) -> str:
    """Say what to do about an installed build that is not the pinned one."""
    pin = rf"\btorch=={re.escape(TORCH_VERSION)}(?![\w.])"
    text = read(PROJECT / "pyproject.toml")
    if not text or re.search(pin, text):
        return f"run `{sync(pinned)}`"
    return f"commit pyproject.toml and {update(torch_version=release)}"


def edited_by_hand() -> Iterator[Finding]:
    """Find hand edits that mislead the next `copier update`."""
    said = re.findall(r"^(\w+): (.+)$", read(PROJECT / ANSWERS), re.MULTILINE)
    answers = {name: answer.strip("'\"") for name, answer in said}
    for name, right in ("accelerator", ACCELERATOR), ("torch_version", TORCH_VERSION):
        answer = answers.get(name, right)
        if answer != right:
            what, why = f"{ANSWERS} says {answer}", f"but the project has {right}"
            then = f"commit it, and for {answer} {update(**{name: answer})}"
            yield Finding(what, why, f"restore {name}: {right}, {then}")
    project = answers.get("project_name", PACKAGE.name)
    known = "_" * project[:1].isdigit() + re.sub("[-_.]+", "_", project.lower())
    if "package_path" in answers:  # the project was adopted
        known = answers["package_path"].rpartition("/")[2]
    if known != PACKAGE.name:
        what = f"the package is called {PACKAGE.name}"
        why = f"but {ANSWERS} says {project}"
        yield Finding(what, why, f"commit it and {update(project_name=PACKAGE.name)}")
