"""Names of projects: what is accepted builds and runs, what is refused has a way out, and what a folder gives."""

import keyword
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from copier import run_update
from printed import SHOWN, macro
from reading import answers
from support import TABLE, commit, copier, run, uv
from templates import as_repository, this_template

Render = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("my-project", "my_project"),
        ("My.Project", "my_project"),
        ("a--b", "a_b"),
        ("x", "x"),
        ("3d-net", "_3d_net"),
        ("3", "_3"),
        ("0x", "_0x"),
        ("9to5.py", "_9to5_py"),
        ("x-stubs", "x_stubs"),
    ],
)
def test_accepted_names_build_and_import(render: Render, tmp_path: Path, name: str, package: str) -> None:
    """By the project's own build backend; the command's module has to be in the wheel too."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    project = render(project_name=name, python_version=python)
    assert [path.name for path in (project / "src").iterdir()] == [package]
    uv("build", "--quiet", "--wheel", "--out-dir", tmp_path, "--python", sys.executable, cwd=project)
    (wheel,) = tmp_path.glob("*.whl")
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    place = {"VIRTUAL_ENV": str(tmp_path / "venv")}
    uv("pip", "install", "--quiet", "--no-deps", wheel, cwd=tmp_path, **place)
    code = f"""
from importlib.metadata import entry_points
from importlib.util import find_spec
import {package}
print({package}.__name__, *(find_spec(script.module).name for script in entry_points(name="test-uv")))
"""
    interpreter = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    assert run(tmp_path / "venv" / interpreter, "-c", code, cwd=tmp_path).stdout.split() == [
        package,
        f"{package}.test_uv",
    ]


# Refused ------------------------------------------------------------------------------------------------------


def problem(name: str) -> str:
    """Why a name is refused; test_questions.py has the message as Copier shows it."""
    return macro("texts", "project_name_problem", name)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("", "my-project"),
        ("-x", "x"),
        ("x-", "x"),
        ("_x", "x"),
        ("a b", "a-b"),
        ("a/b", "a-b"),
        ("it's", "it-s"),
        ("a\nb", "a-b"),
        ("a\n", "a"),
        ("soft\N{SOFT HYPHEN}hyphen", "soft-hyphen"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "caf"),
        ("测试", "torch-project"),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}", "torch-project"),
        ("{{ 7 * 7 }}", "7-7"),
        ("torch!", "torch-project"),
    ],
)
def test_what_is_no_name_is_refused_with_the_nearest_one(name: str, instead: str) -> None:
    assert problem(name).startswith(f"use a name like {instead}: ")
    assert problem(instead) == ""


def test_a_name_that_is_too_long_is_refused() -> None:
    assert problem("a" * 65) == f'use at most 64 characters: "{"a" * 20}…" has 65'
    assert problem("a" * 64) == ""


@pytest.mark.parametrize(
    "name",
    [
        "torch",
        "Torch",
        "numpy",
        "pytest",
        "test",
        "src",
        "class",
        "TRUE",
        "async",
        "json",
        "NUL",
        "Typing.Extensions",
    ],
)
def test_names_that_would_hide_a_module_are_refused(name: str) -> None:
    assert problem(name).startswith(f"use {name}-project: {name} is the name of a module or package")
    assert problem(f"{name}-project") == ""


def test_no_module_of_this_python_can_be_hidden() -> None:
    names = {name.lower() for name in [*sys.stdlib_module_names, *keyword.kwlist] if not name.startswith("_")}
    assert len(names) > 200
    assert names <= set(TABLE["reserved_names"])


def test_a_project_is_not_overwritten_unless_that_is_asked_for(tmp_path: Path) -> None:
    def refused(**others: object) -> str:
        conf = SHOWN | {"dst_path": tmp_path, "overwrite": others.pop("overwrite", False)}
        return macro("texts", "project_name_problem", "mine", _copier_conf=conf, **others)

    assert refused() == ""
    (tmp_path / "pyproject.toml").touch()
    assert refused().startswith(f"use an empty folder: {tmp_path} already has a project, ")
    assert refused(overwrite=True) == ""
    assert refused(previous={"project_name": "mine"}) == ""


def test_an_update_keeps_the_package(tmp_path: Path) -> None:
    def refused(name: str, **others: object) -> str:
        conf, previous = SHOWN | {"dst_path": tmp_path}, {"project_name": "my-name"}
        return macro("texts", "project_name_problem", name, _copier_conf=conf, previous=previous, **others)

    assert refused("My.Name") == ""
    assert refused("other").startswith("keep project_name=my-name: ")
    assert refused("other", adopted=True) == ""  # it may have any name
    (tmp_path / "src/other").mkdir(parents=True)
    (tmp_path / "src/other/__init__.py").touch()
    assert refused("other") == ""  # renamed by hand


# Of the folder ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("myproj", "myproj"),
        ("a--b", "a--b"),
        ("My.Project", "My.Project"),
        ("we ird", "we-ird"),
        ("-x", "x"),
        ("x.", "x"),
        ("测试", "torch-project"),
        ("测试-2", "2"),
        ("torch", "torch-project"),
        ("3d", "3d"),
        ("a[1]", "a-1"),
        ("a" * 70, "a" * 64),
    ],
)
def test_a_folder_gives_the_nearest_name(folder: str, name: str) -> None:
    assert macro("texts", "name_of", folder) == name
    assert problem(name) == ""


@pytest.mark.parametrize(("folder", "name"), [("a--b", "a--b"), ("a[1]", "a-1"), ("测试", "torch-project")])
def test_the_message_says_where_the_name_differs_from_the_folder(
    template: Path, tmp_path: Path, folder: str, name: str
) -> None:
    said = copier("copy", "--defaults", template, tmp_path / folder, cwd=tmp_path).stderr
    assert answers(tmp_path / folder)["project_name"] == name
    told = f"{folder} is not a project name, so the project is called {name}." in said
    assert told == (folder != name)


def test_a_name_of_ones_own_is_not_explained(template: Path, tmp_path: Path) -> None:
    said = copier("copy", "--defaults", "--data=project_name=own", template, "we ird", cwd=tmp_path).stderr
    assert "own is ready" in said
    assert "project name" not in said


def test_a_decomposed_name_is_a_name_of_its_own(render: Render) -> None:
    """macOS gives names of folders as letters and accents."""
    folder = unicodedata.normalize("NFD", "caf\N{LATIN SMALL LETTER E WITH ACUTE}")
    assert answers(render(folder))["project_name"] == "cafe"


# Renaming -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project called old-name of a template with a version."""
    repository = as_repository(this_template(tmp_path_factory.mktemp("named") / "template"))
    project = repository.parent / "project"
    copier("copy", "--defaults", "--data=project_name=old-name", repository, project, cwd=repository)
    commit(project)
    return project


def test_renaming_by_update_is_refused(named: Path) -> None:
    done = copier("update", "--defaults", "--data=project_name=new", cwd=named, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "'project_name': keep project_name=old-name: an update cannot rename a package, but docs/renaming.md has "
        "the commands"
    )
    assert run("git", "status", "--porcelain", "--ignored", cwd=named).stdout == ""


def test_another_spelling_of_the_name_is_no_renaming(named: Path) -> None:
    """The package stays, and so do the files of the user's in it."""
    run_update(
        named, data={"project_name": "Old.Name"}, defaults=True, overwrite=True, quiet=True, unsafe=False
    )
    assert answers(named)["project_name"] == "Old.Name"
    assert [path.name for path in (named / "src").iterdir()] == ["old_name"]
    assert 'name = "Old.Name"' in (named / "pyproject.toml").read_text().splitlines()
