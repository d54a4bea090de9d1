"""What scripts/adopt.py does: it infers answers, renders the template, shows a diff, and writes."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from copier import run_copy
from copier.errors import CopierError
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .inference import Findings, infer
from .layout import adopted, prove
from .project import Project, Refusal, check_folder, check_project, git
from .writing import take_back, write

ANSWERS = ".copier-answers.yml"
ANSWERS_BESIDE = ".copier-answers.torch-uv-template.yml"
"""The answers file if another template has the usual one."""
ASKED = ("python_version", "accelerator", "mirror", "mirror_url")
"""The questions in a terminal, if the project does not answer them."""
PROBE = "import torch; print(torch.__version__, torch.cuda.is_available(), torch.ones(2).sin())"


def adopt(
    folder: Path, template: str, version: str, clone: Path, data: Mapping[str, str], writes: bool
) -> int:
    """Adopt the project in a folder; `clone` has the template's version. Return the exit status."""
    try:
        with tempfile.TemporaryDirectory(prefix="adopt-") as new:
            return adopt_into(folder, Path(new), template, version, clone, data, writes)
    except Refusal as refusal:
        print(f"adopt: {refusal}", file=sys.stderr)
    except (InvalidRequirement, InvalidSpecifier) as error:
        print(
            f"adopt: pyproject.toml has a requirement that uv does not accept: {str(error).splitlines()[0]}",
            file=sys.stderr,
        )
    return 2


def adopt_into(
    folder: Path, new: Path, template: str, version: str, clone: Path, data: Mapping[str, str], writes: bool
) -> int:
    """Adopt the project; the folder `new` is for rendered files."""
    if git("rev-parse", "--show-toplevel", cwd=folder) and take_back(folder):
        print("An earlier run was interrupted; its changes are undone.\n")
    answers_file = ANSWERS
    for file in sorted(folder.glob(".copier-answers*.yml")):
        answers = yaml.safe_load(file.read_text("utf-8")) or {}
        if {"accelerator", "torch_version", "mirror"} <= answers.keys():
            how = "adopted" if answers.get("adopted") else "made from the template"
            print(f"This project is already {how}. To change it: {update(file.name)}")
            return 0
        answers_file = ANSWERS_BESIDE
    check_folder(folder)
    project, line_end = read(folder, clone)
    check_project(project)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    found = infer(project, data, interactive)
    if line_end == "\r\n" and git("ls-files", "--eol", "pyproject.toml", cwd=folder).startswith("i/crlf"):
        # Updates compare with LF lines, and uv writes LF as soon as it adds something.
        line_end = "\n"
        found.notes.append(
            "pyproject.toml has CRLF line ends in git, and LF from now on, as `uv add` writes them"
        )
    package, reason = project.package()
    if answers_file != ANSWERS:
        package, reason = "", f"no test-uv: it reads {ANSWERS}, which belongs to another template"
    found.add("package_path", package, reason)
    package = str(found.answers["package_path"])
    answers = render(template, version, new, found, answers_file, interactive)
    lean = (new / "pyproject.toml").read_text("utf-8")
    command = project.script(package)
    text, loosened = adopted(project, lean, command)
    prove(project, text, lean, command)
    names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
    ignored = git("-c", "core.quotePath=false", "check-ignore", *names, cwd=folder).splitlines()
    for name in names:
        if name != "pyproject.toml" and (folder / name).exists():
            way_out = (
                "--data package_path= leaves test-uv out" if "test_uv" in name else "leave --data ci= out"
            )
            raise Refusal(f"{name} already exists: {way_out}")
        if name in ignored:
            raise Refusal(f"git ignores {name}: remove it from .gitignore")
    bom = "\ufeff" if (folder / "pyproject.toml").read_bytes().startswith(b"\xef\xbb\xbf") else ""
    (new / "pyproject.toml").write_bytes((bom + text.replace("\n", line_end)).encode())
    machines = tomllib.loads(lean)["tool"]["uv"]["environments"]
    for name in answers["platforms"]:
        if not any(project.table["platforms"][name]["marker"] in machine for machine in machines):
            found.notes.append(f"{name} has no such build, so uv.lock leaves it out")
    show(found, answers, loosened, "asked" if interactive else "default")
    diff = difflib.unified_diff(
        project.text.splitlines(), text.splitlines(), "pyproject.toml", "pyproject.toml, adopted", lineterm=""
    )
    print("\n".join(diff), end="\n\n")
    print("New files:", ", ".join(name for name in names if name != "pyproject.toml"))
    if not writes:
        print("\nNothing is written yet: --write makes the change.")
        return 1
    write(folder, new, names)
    print(next_steps(project, lean, command, package, answers_file))
    return 0


def update(answers_file: str) -> str:
    """The command that changes answers."""
    own = "" if answers_file == ANSWERS else f" --answers-file {answers_file}"
    return f"uvx copier update --defaults --vcs-ref=:current:{own} --data NAME=VALUE"


def read(folder: Path, clone: Path) -> tuple[Project, str]:
    """Read a project and what the template knows; return also how lines end."""
    raw = (folder / "pyproject.toml").read_bytes()
    try:
        text = raw.decode("utf-8-sig")
        document = tomllib.loads(text)
        lock = folder / "uv.lock"
        locked = tomllib.loads(lock.read_text("utf-8")) if lock.exists() else {}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Refusal(f"pyproject.toml or uv.lock cannot be read: {error}") from error
    line_end = "\r\n" if "\r\n" in text else "\n"
    if text.count("\n") != text.count(line_end) or "i/mixed" in git(
        "ls-files", "--eol", "pyproject.toml", cwd=folder
    ):
        raise Refusal(
            "pyproject.toml mixes LF and CRLF: fix that by `git add --renormalize .` or in your editor"
        )
    table = json.loads((clone / "rules/builds.json").read_bytes())
    return Project(folder, text.replace("\r\n", "\n"), document, table, locked), line_end


def render(
    template: str, version: str, new: Path, found: Findings, answers_file: str, interactive: bool
) -> dict[str, Any]:
    """Let Copier render the template's part; return the answers."""
    try:
        run_copy(
            template,
            new,
            data=found.answers,
            vcs_ref=version,
            answers_file=answers_file,
            defaults=not interactive,
            quiet=True,
            unsafe=False,
        )
    except (ValueError, CopierError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise Refusal(said[-1]) from error
    answers: dict[str, Any] = yaml.safe_load((new / answers_file).read_text("utf-8"))
    if "_commit" not in answers:
        raise Refusal(f"{template} is not a git repository, so updates would not find its versions")
    return answers


def show(found: Findings, answers: Mapping[str, Any], loosened: list[str], otherwise: str) -> None:
    """Say what was found and from where."""
    for name in ("python_version", "accelerator", "torch_version", "companions", "platforms", "mirror", "mirror_url", "pypi_mirror", "switch_to", "package_path", "ci", "license", "author_name", "author_email"):  # fmt: skip
        if name in answers:
            value = ", ".join(answers[name]) if isinstance(answers[name], list) else answers[name]
            print(
                f"{name:14} {value or '-'}  ({found.reasons.get(name, otherwise if name in ASKED else 'default')})"
            )
    for line in loosened:
        print(f"note: {line}: the version is a constraint in [tool.uv] now, which updates can change")
    for note in found.notes:
        print(f"note: {note}")
    print()


def next_steps(project: Project, lean: str, command: str, package: str, answers_file: str) -> str:
    """What to type next."""
    lacking = [
        name for name in ("numpy", "matplotlib") if not (project.required(name) or project.locked(name))
    ]
    extra = "".join(f" --with {name}" for name in lacking)
    check = f'uv run python -c "{PROBE}"'
    if package:
        check = f"uv run{extra} " + ("test-uv" if command else f"python -m {Path(package).name}.test_uv")
    pin = python_to_pin(project, lean)
    return f"""
It is written. Next:
{f"{chr(10)}    uv python pin {pin}  # or another Python that uv.lock covers" if pin else ""}
    uv sync  # locks what has to change, and installs it
    {check}
    git add --all && git commit --message "Adopt torch-uv-template"

To change the accelerator and other answers later: {update(answers_file)}
To undo it before the commit: git stash --include-untracked"""


def python_to_pin(project: Project, lean: str) -> str:
    """The Python to pin if uv could choose one that uv.lock does not cover: it reads requires-python alone."""
    bounds = re.findall(
        r"python_version ([<>=!]+) '([0-9.]+)'", tomllib.loads(lean)["tool"]["uv"]["environments"][0]
    )
    locked = SpecifierSet(",".join(operator + version for operator, version in bounds))
    covered = [python for python in project.pythons() if locked.contains(python)]
    for file, pattern in (".python-version", r"3\.\d+"), (".venv/pyvenv.cfg", r"(?<=version_info = )3\.\d+"):
        with contextlib.suppress(OSError):
            found = re.search(pattern, (project.folder / file).read_text("utf-8"))
            if found and found[0] in covered:
                return "" if file == ".python-version" else found[0]
    return "3.12" if "3.12" in covered else covered[-1]
