"""What several test modules call: commands with their output captured, and the places they run in."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[2]
TABLE = json.loads((ROOT / "rules/builds.json").read_bytes())
"""What the template knows, compiled from data/."""
PYTHONS: list[str] = TABLE["pythons"]
ACCELERATORS: list[str] = list(TABLE["accelerators"])
RELEASES: dict[str, dict] = TABLE["releases"]
COMPANIONS: list[str] = TABLE["companions"]
MIRRORS: dict[str, dict] = TABLE["mirrors"]
PYPI_MIRRORS: dict[str, str] = {key: row["url"] for key, row in TABLE["pypi_mirrors"].items()}
PYTHON_MIRROR: str = TABLE["python_mirror"]
REPORT_STARTS = ["matplotlib", "numpy", "torch", "torch cuda available", "python"]
"""The first lines of test-uv's report."""
REAL_TORCH = "2.13.0"
"""The release whose real CPU wheel is in reach."""
EXHAUSTIVE = "EXHAUSTIVE" in os.environ
"""Whether to run what repeats the rest with other values, too."""
PYTHON = "3.12"  # the default, which the contract names
NEWEST: str = TABLE["defaults"][PYTHON]["cpu"]
"""The release of torch in a project by default."""


def default_release(accelerator: str, python: str = PYTHON) -> str:
    """The release that a project gets for an accelerator."""
    return TABLE["defaults"][python][accelerator]


def has_wheels(version: str, accelerator: str, python: str) -> bool:
    """Whether a release of torch can be chosen."""
    return accelerator in RELEASES[version]["wheels"].get(python, {})


def change_table(template: Path, change: Callable[[dict], object]) -> None:
    """Change what a copy of the template knows: `change` edits the compiled table in place."""
    file = template / "rules/builds.json"
    table = json.loads(file.read_bytes())
    change(table)
    file.write_text(json.dumps(table))


def sampled(cases: Sequence[object], step: int) -> list[object]:
    """Cases for parametrize: every `step`-th one is always run, the others in exhaustive runs."""
    rest = (pytest.mark.exhaustive,)
    return [
        case
        if place % step == 0
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=rest)
        for place, case in enumerate(cases)
    ]


def environment() -> dict[str, str]:
    """The environment for commands: not the one of the tests, and every Python of pyenv in reach.

    pyenv's shims answer for one version only, which depends on the folder and on who called; uv takes a shim
    that does not answer for a broken Python. `python -m uv` names its own interpreter, which uv would then take
    before a project's environment.
    """
    left_out = {"VIRTUAL_ENV", "UV_PYTHON", "UV_INTERNAL__PARENT_INTERPRETER", "PYENV_VERSION"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    pythons = [str(path) for path in sorted(pyenv.glob("versions/3.1?.*/bin"))]
    paths = [path for path in kept["PATH"].split(os.pathsep) if Path(path) != pyenv / "shims"]
    return kept | {"PATH": os.pathsep.join([*pythons, *paths]), "UV_PYTHON_DOWNLOADS": "never"}


def run(
    *command: str | Path, cwd: Path, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; with `check` a failure fails the test and shows what was printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment() | variables, text=True, capture_output=True)
    if check and done.returncode:
        pytest.fail(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def uv(
    *arguments: str | Path, cwd: Path, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the uv of the development environment."""
    return run(find_uv_bin(), *arguments, cwd=cwd, check=check, **variables)


def copier(*arguments: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Copier's command line, never with --trust."""
    return run(sys.executable, "-m", "copier", *arguments, cwd=cwd, check=check)


def refusal(render: Callable[..., Path], **answers: object) -> str:
    """Render with answers that must be refused; return the one line that says why."""
    with pytest.raises(ValueError, match=r"^(Invalid choice for|Validation error for question) '") as caught:
        render("refused", **answers)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def commit(project: Path) -> None:
    """Make a repository of a project and commit all of it."""
    run("git", "init", "--quiet", "--initial-branch=main", cwd=project)
    run("git", "add", ".", cwd=project)
    run("git", "commit", "--quiet", "--message=Start", cwd=project)


def questions() -> dict[str, dict]:
    """What people are asked, in order: name -> the question as copier.yml has it."""
    text = (ROOT / "copier.yml").read_text(encoding="utf-8")
    return {
        name: question
        for document in yaml.safe_load_all(re.sub("^!include .*$", "{}", text, flags=re.MULTILINE))
        for name, question in document.items()
        if not name.startswith("_") and question.get("when") is not False and question.get("ask") is not False
    }


def commands(readme: str, heading: str) -> list[str]:
    """The shell commands of a section, one string for each block."""
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def path_with_uv() -> str:
    """PATH of commands that call uv by its name."""
    return os.pathsep.join([str(Path(find_uv_bin()).parent), environment()["PATH"]])


def pressing_enter(script: str, cwd: Path, **variables: str) -> str:
    """Run commands in a terminal, answer every question by Enter; return what was shown. Not on Windows."""
    from terminal import ENTER, Terminal

    words = ["bash", "-eo", "pipefail", "-c", script]
    place = environment() | {"PATH": path_with_uv()} | variables
    terminal = Terminal(words, cwd, place, columns=120, rows=40)
    while terminal.status is None:
        if not terminal.read(0.5):
            terminal.send(ENTER)
    shown = "\n".join(terminal.all_lines)
    if terminal.status:
        pytest.fail(f"{script} ended with {terminal.status}\n{shown}")
    return shown


def shell(
    script: str, cwd: Path, *, offline: bool = False, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run commands as a person would, with uv at hand.

    With `offline` there is no network at all, not even loopback, where Linux lets us make a network namespace;
    elsewhere each request goes to a proxy that does not exist.
    """
    variables = {"PATH": path_with_uv()} | variables
    words = ["bash", "-eo", "pipefail", "-c", script]
    if offline:
        variables |= {"ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
        unshare = ["unshare", "--map-root-user", "--net"]
        if subprocess.run([*unshare, "true"], capture_output=True).returncode == 0:
            words = [*unshare, *words]
    return run(*words, cwd=cwd, check=check, **variables)
