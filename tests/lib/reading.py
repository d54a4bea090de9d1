"""What tests read of a project: its pyproject.toml, lock and answers, its files, and what test-uv printed."""

import re
import tomllib
from pathlib import Path

import yaml
from copier import run_update
from support import REAL_TORCH, REPORT_STARTS, run


def pyproject(project: Path) -> dict:
    return tomllib.loads((project / "pyproject.toml").read_text("utf-8"))


def packages(project: Path) -> list[dict]:
    """The packages of the lock, as uv writes them."""
    return tomllib.loads((project / "uv.lock").read_text("utf-8"))["package"]


def versions(project: Path) -> set[tuple[str, str]]:
    """Name and version of each package in the lock."""
    return {(package["name"], package["version"]) for package in packages(project)}


def answers(project: Path, file: str = ".copier-answers.yml") -> dict[str, object]:
    return yaml.safe_load((project / file).read_text("utf-8"))


def files(project: Path) -> dict[str, str]:
    """The text of each file that is not git's own or ignored."""
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=project).stdout
    paths = {name: project / name for name in names.splitlines()}
    return {name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.exists()}


def update(project: Path, **data: object) -> None:
    """Update without being asked; the tree has neither conflicts nor anything of theirs afterwards."""
    run_update(project, data=data, defaults=True, overwrite=True, quiet=True, unsafe=False)
    states = [line[:2] for line in run("git", "status", "--porcelain", cwd=project).stdout.splitlines()]
    assert not {"UU", "AA", "DU", "UD"} & set(states)
    assert not list(project.rglob("*.rej"))
    assert not [name for name, text in files(project).items() if re.search("^(<<<<<<<|>>>>>>>)", text, re.M)]


def assert_report(output: str) -> None:
    """The report is of the real wheel and in the promised order."""
    lines = [line.split(":", 1) for line in output.splitlines()]
    assert [line[0] for line in lines[:5]] == REPORT_STARTS
    assert lines[2][1] == f"{REAL_TORCH}+cpu"
    assert lines[3][1] == "False"
    values = dict(line for line in lines if len(line) == 2)
    assert values["accelerator pinned"] == values["accelerator found"] == "cpu"
    assert "tensor([" in output
    assert output.splitlines()[-2:] == ["       dtype=torch.float64)", "ok: torch for cpu runs on the CPU"]
