"""The modules of test-uv as Python files: their sizes, and what type checkers and linters say to them."""

import json
import sys
from pathlib import Path

import pytest
from machines import MODULES, Machine
from support import run

# ruff's rules that do not suit a command of small modules, each with the reason.
IGNORED = {
    "C901": "reasons are told apart by a chain of conditions, which reads best in one piece",
    "COM812": "ruff's own formatter asks for that",
    "CPY001": "the license is the user's to choose",
    "D105": "what __str__ returns needs no saying",
    "D203": "contradicts D211",
    "D213": "contradicts D212",
    "PLR2004": "limits of accuracy stand where they are compared",
    "S603": "nvidia-smi is looked up and started without a shell",
    "T201": "a command prints",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules as a project has them."""
    package = tmp_path_factory.mktemp("modules") / "src/demo/test_uv"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text('"""Demo."""\n')
    for file in MODULES.glob("*.py"):
        (package / file.name).write_text(file.read_text())
    constants = '"""Constants."""\n' + Machine().constants.replace("SWITCH_TO", "SWITCH_TO: tuple[str, ...]")
    constants = constants.replace("BUILDS =", "BUILDS: dict[str, dict[str, tuple[str, str]]] =")
    (package / "constants.py").write_text(constants)
    return package


def test_modules_are_small() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in MODULES.iterdir() if file.is_file()}
    assert max(lines.values()) <= 200
    assert sum(lines.values()) <= 841
    assert [name for name in lines if name.endswith(".jinja")] == ["constants.py.jinja"]


def test_mypy_is_content(package: Path) -> None:
    """As strict as it can be, whatever torch is installed: modules take it as a plain module."""
    for python in ("3.10", "3.13"):
        options = [
            "--strict",
            "--python-version",
            python,
            "--cache-dir",
            package.parent.parent / f"cache-{python}",
        ]
        run(sys.executable, "-m", "mypy", *options, "-p", "demo.test_uv", cwd=package.parent.parent)


@pytest.mark.parametrize(
    "select", [[], ["--select=ALL", f"--ignore={','.join(IGNORED)}"]], ids=["defaults", "all"]
)
def test_ruff_is_content(package: Path, select: list[str]) -> None:
    modules = [file for file in package.glob("*.py") if file.name != "constants.py"]
    options = ["--isolated", "--line-length=88", "--target-version=py310", "--no-cache"]
    run(sys.executable, "-m", "ruff", "check", *options, *select, *modules, cwd=package.parent.parent)


def test_ruff_would_not_reformat_them(package: Path) -> None:
    """Else a user's `ruff format` would change what belongs to the template."""
    modules = [file for file in package.glob("*.py") if file.name != "constants.py"]
    run(sys.executable, "-m", "ruff", "format", "--isolated", "--check", "--no-cache", *modules, cwd=package)


def test_every_exception_from_the_rules_is_needed(package: Path) -> None:
    options = [
        "--isolated",
        "--line-length=88",
        "--no-cache",
        "--preview",
        "--select=ALL",
        "--output-format=json",
    ]
    done = run(sys.executable, "-m", "ruff", "check", *options, package, cwd=package, check=False)
    broken = {finding["code"] for finding in json.loads(done.stdout)}
    assert set(IGNORED) - {"D203", "D213"} <= broken
