"""scripts/adopt.py on projects that exist already, and the updates that come after.

An update is replayed as Copier does it, by `git diff` and `git apply`; real updates run for some projects.
"""

import contextlib
import io
import itertools
import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import adopt as script
import pytest
import yaml
from adopting import layout
from adopting.project import Project
from copier import run_copy
from projects import PROJECTS, make
from replica import Replica
from support import TABLE, commit, run, uv
from templates import as_repository, this_template
from test_mirrors import versions

ANSWERS = ".copier-answers.yml"


class Done(NamedTuple):
    """What a run of the script gave."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository with a tag."""
    return as_repository(this_template(tmp_path_factory.mktemp("source") / "torch-uv-template"))


@pytest.fixture
def adopt(source: Path) -> Callable[..., Done]:
    """Run the script in a folder."""

    def adopt(folder: Path, *arguments: str, **data: str) -> Done:
        words = [*arguments, *(f"--data={name}={value}" for name, value in data.items())]
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.chdir(folder)
            patch.setattr(sys, "path", [*sys.path])
            status = script.main(["--template", str(source), *words])
        return Done(status, out.getvalue(), err.getvalue())

    return adopt


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Make a project by name, or from a text, and commit it."""

    def project(name: str, text: str | None = None) -> Path:
        folder = make(name, tmp_path / name, text)
        commit(folder)
        return folder

    return project


def contents(folder: Path) -> dict[str, bytes]:
    """All files but git's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


def answers_of(folder: Path, file: str = ANSWERS) -> dict[str, object]:
    return yaml.safe_load((folder / file).read_text("utf-8"))


def read(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8-sig"))


# What an update does -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def lean(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """What the template prints into pyproject.toml of an adopted project."""
    rendered: dict[str, str] = {}

    def lean(**answers: object) -> str:
        key = json.dumps(answers, sort_keys=True)
        if key not in rendered:
            folder = tmp_path_factory.mktemp("lean")
            given = {name: answer for name, answer in answers.items() if name[0] != "_"}
            run_copy(str(template), folder, data={"adopted": True, **given}, defaults=True, quiet=True)
            rendered[key] = (folder / "pyproject.toml").read_bytes().decode()
        return rendered[key]

    return lean


def replay(old: str, new: str, theirs: str, folder: Path) -> str:
    """What Copier makes of a project's file when the template prints `new` in place of `old`."""
    place = folder / "replay"
    for name, text in {"old/a": old, "new/a": theirs, "pyproject.toml": new}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(text.encode())
    hunks = ["--unified=3", "--inter-hunk-context=-1"]
    diff = run("git", "diff", "--no-index", *hunks, "old/a", "new/a", cwd=place, check=False).stdout
    patch = re.sub(r"^(---|\+\+\+) .*$", r"\1 x/pyproject.toml", diff, flags=re.MULTILINE).split("\n", 2)[2]
    (place / "patch").write_bytes(patch.encode())
    run("git", "apply", "patch", cwd=place, GIT_CEILING_DIRECTORIES=str(folder))
    return (place / "pyproject.toml").read_bytes().decode()


START: dict[str, object] = {"project_name": "any", "python_version": "3.11", "package_path": "", "ci": "none"}
CHAIN: list[dict[str, object]] = [
    START,
    {"accelerator": "rocm6.4", "torch_version": "2.8.0"},
    {"accelerator": "cu126", "torch_version": "2.7.1"},
    {"mirror": "nju"},
    {"companions": ["torchvision", "torchaudio"]},
    {"switch_to": ["cpu"]},
    {"switch_to": ["cpu", "xpu"], "companions": []},
    {"platforms": ["linux-x86_64", "macos-arm64"], "python_version": "3.12"},
    {"switch_to": [], "mirror": "official", "pypi_mirror": "tuna"},
    {"accelerator": "cpu", "torch_version": "2.2.2"},
]
"""Answers, and changes of them one after the other."""


@pytest.fixture(scope="session")
def chain(lean: Callable[..., str]) -> list[str]:
    """What the template prints after each of these changes."""
    states = itertools.accumulate(CHAIN, lambda answers, change: {**answers, **change})
    return [lean(**answers) for answers in states]


def assert_updates_are_clean(original: Project, chain: list[str], folder: Path) -> None:
    """After each change the file is as if the project had been adopted with the new answers."""
    text = layout.adopted(original, chain[0])[0]
    for old, new in itertools.pairwise(chain):
        text = replay(old, new, text, folder)
        assert text == layout.adopted(original, new)[0]
        layout.prove(original, text, new, "")


def loosened(folder: Path, before: str, out: str) -> Project:
    """The project before, with the requirements that adopting has loosened."""
    text = before
    for old, new in re.findall(r"^note: (.+?) -> (.+?): the version", out, re.MULTILINE):
        assert text.count(f'"{old}"') == 1
        text = text.replace(f'"{old}"', f'"{new}"')
    return Project(folder, text, tomllib.loads(text), TABLE, {})


@pytest.mark.parametrize("name", PROJECTS)
def test_projects_are_adopted_and_updated(
    name: str,
    adopt: Callable[..., Done],
    project: Callable[..., Path],
    chain: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = project(name)
    before = contents(folder)
    done = adopt(folder, "--write")
    assert (done.status, done.err) == (0, "")
    after = contents(folder)
    changed = {place for place in after if after[place] != before.get(place)}
    assert before.keys() <= after.keys()
    assert all(place in (ANSWERS, "pyproject.toml") or "/test_uv/" in place for place in changed)
    assert not run("git", "stash", "--include-untracked", cwd=folder).stderr  # how to undo it
    assert contents(folder) == before
    monkeypatch.setattr(layout, "loosen", lambda *_: [])  # later pins may be out of a range
    original = loosened(folder, before["pyproject.toml"].decode(), done.out)
    assert_updates_are_clean(original, chain, tmp_path)


def test_a_diff_is_shown_first_and_adopting_twice_changes_nothing(
    adopt: Callable[..., Done], project: Callable[..., Path]
) -> None:
    folder = project("src")
    before = contents(folder)
    shown = adopt(folder)
    assert shown.status == 1
    assert '-    "torch==2.9.1",  # the one that the paper used\n+    "torch",  # the one' in shown.out
    assert contents(folder) == before
    done = adopt(folder, "--write")
    assert done.out.startswith(shown.out.partition("\nNothing is written yet")[0])
    commit(folder)
    after = contents(folder)
    again = adopt(folder, "--write")
    assert again.status == 0
    assert again.out.startswith("This project is adopted already. To change it: uvx copier update")
    assert contents(folder) == after


# Locks on the replica ----------------------------------------------------------------------------------------

NEEDS_A_BUILD = {"dynamic", "poetry-core"}
"""Projects whose metadata only a build backend knows, which the replica does not have."""
BUILDS: list[dict[str, object]] = [
    {"accelerator": "cu126", "torch_version": "2.9.1"},
    {"accelerator": "rocm6.4", "torch_version": "2.9.1", "companions": ["torchvision"]},
    {"accelerator": "cu130", "torch_version": "2.9.1", "switch_to": ["cpu"]},
]


def builds_of(folder: Path, package: str = "torch") -> set[str]:
    """The versions of a package in uv.lock."""
    return {version for name, version in versions(folder) if name == package}


@pytest.mark.parametrize("name", sorted(PROJECTS.keys() - NEEDS_A_BUILD))
def test_locks_have_the_build_that_was_chosen(
    name: str,
    replica: Replica,
    project: Callable[..., Path],
    lean: Callable[..., str],
) -> None:
    folder = project(name, PROJECTS[name].replace("https://packages.example.com/simple", replica.pypi_url))
    text = (folder / "pyproject.toml").read_text()
    original = Project(folder, text, tomllib.loads(text), TABLE, {})
    for build in BUILDS:
        printed = lean(**START, mirror="custom", mirror_url=replica.url, **build)
        adopted = layout.adopted(original, printed)[0]
        (folder / "pyproject.toml").write_text(adopted)
        index = {} if "\nindex-url" in text else {"UV_DEFAULT_INDEX": replica.pypi_url}
        uv("lock", cwd=folder, **index)
        accelerators = [build["accelerator"], *build.get("switch_to", [])]
        local = {f"2.9.1+{accelerator}" for accelerator in accelerators}
        found = builds_of(folder)
        assert local <= found <= local | {"2.9.1"}
