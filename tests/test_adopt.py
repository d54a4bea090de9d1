"""scripts/adopt.py on projects that exist already, and the updates that come after.

An update is replayed as Copier does it, by `git diff` and `git apply`; real updates run for some projects.
"""

import contextlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import sys
import threading
import tomllib
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import adopt as script
import pytest
import reading
import yaml
from adopting import layout
from adopting.project import Project, Refusal
from adopting.writing import STAGE, take_back, write
from copier import run_copy, run_update
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from printed import printed
from projects import OFFICIAL, PROJECTS, make
from reading import update, versions
from replica import Replica
from support import REAL_TORCH, ROOT, TABLE, commands, commit, default_release, run, shell, uv
from templates import as_repository, this_template

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


def read(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8-sig"))


# What an update does -----------------------------------------------------------------------------------------


def lean(**answers: object) -> str:
    """What the template prints into pyproject.toml of an adopted project."""
    return printed("pyproject.toml", **{"adopted": True, **answers})


def test_constraints_are_those_of_torch_and_of_numpy_where_it_has_any() -> None:
    for version, numpy in ("2.4.0", ["numpy<2; sys_platform == 'win32'"]), ("2.14.1", []):
        tool = tomllib.loads(lean(**START | {"python_version": "3.12"}, torch_version=version))["tool"]["uv"]
        assert tool["constraint-dependencies"] == [f"torch=={version}", *numpy]


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
def chain() -> list[str]:
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
    assert again.out.startswith("This project is already adopted. To change it: uvx copier update")
    assert contents(folder) == after


# Whatever the order ------------------------------------------------------------------------------------------

PIECES = {
    "project": ['name = "shuffled"', 'version = "0"', 'requires-python = ">=3.11"', 'dependencies = [\n  "torch", # mine\n  "six",\n]', 'dynamic = [ ]'],
    "dependency-groups": ["dev = ['pytest']", "docs = [\n\t'pygments' , # docs\n\t]", "'quoted group' = []"],
    "tool.uv": ["package = false", 'constraint-dependencies = ["six<2"] # old', "default-groups = [\n 'docs'\n]", "prerelease = 'allow'", "conflicts = []", "environments = [ # ours\n\"sys_platform == 'linux'\"\n]"],
    "tool.uv.sources": ["six = { index = 'mine' }", "torch = [{ index = 'wheels' }]", "'torchvision' = { index = \"wheels\" }"],
    "tool.uv.exclude-newer-package": ["six = false"],
    "tool.uv.pip": ["no-annotate = true"],
    "[tool.uv.index]#1": ['name = "wheels"', f'url = "{OFFICIAL}/cu126"', "explicit = true"],
    "[tool.uv.index]#2": ['name = "mine"', 'url = "https://packages.example.com/simple"'],
    "tool.ruff": ["line-length = 100", 'select = ["""[tool.uv]\n# no comment\n""", \'#\']'],
    "tool.uv.workspace": ["members = []"],
}  # fmt: skip
"""Tables and their keys, to be put into any order."""
NOISE = ["", "", "# a remark", "#[tool.uv]", '  # indented, with "quotes" and ]']


@st.composite
def shuffled(draw: st.DrawFn) -> str:
    """A pyproject.toml with tables, keys, comments and spaces in any order."""
    lines = []
    kept = draw(st.permutations(sorted(PIECES)))[: draw(st.integers(3, len(PIECES)))]
    for name in dict.fromkeys([*kept, "project"]):
        header = f"[{name.partition('#')[0]}]"
        lines += [draw(st.sampled_from(NOISE)), header + draw(st.sampled_from(["", "", "  # remark"]))]
        for key in draw(st.permutations(PIECES[name])):
            noise = draw(st.sampled_from(NOISE))
            lines += [noise] * bool(noise) + [key]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n# the end\n"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=shuffled(), states=st.lists(st.integers(0, len(CHAIN) - 1), min_size=3, max_size=3))
def test_any_order_is_adopted_and_updated(
    text: str, states: list[int], chain: list[str], tmp_path: Path
) -> None:
    original = Project(tmp_path, text, tomllib.loads(text), TABLE, {})
    assert layout.prove(original, layout.adopted(original, chain[0])[0], chain[0], "") is None
    assert_updates_are_clean(original, [chain[state] for state in states], tmp_path)


# Locks on the replica ----------------------------------------------------------------------------------------

BUILT = {"dynamic", "poetry-core"}
"""Projects whose metadata a build backend makes, which the replica does not have."""
OTHER_HOSTS = "https://packages.example.com/simple", "https://pypi.tuna.tsinghua.edu.cn/simple"
"""Default indexes of projects that the replica stands for."""
BUILDS: list[dict[str, object]] = [
    {"accelerator": "cu126", "torch_version": "2.9.1"},
    {"accelerator": "rocm6.4", "torch_version": "2.9.1", "companions": ["torchvision"]},
    {"accelerator": "cu130", "torch_version": "2.9.1", "switch_to": ["cpu"]},
]


def builds_of(folder: Path, package: str = "torch") -> set[str]:
    """The versions of a package in uv.lock."""
    return {version for name, version in versions(folder) if name == package}


@pytest.mark.parametrize("name", sorted(PROJECTS.keys() - BUILT))
def test_locks_have_the_build_that_was_chosen(
    name: str,
    replica: Replica,
    project: Callable[..., Path],
) -> None:
    text = PROJECTS[name]
    for host in OTHER_HOSTS:
        text = text.replace(host, replica.pypi_url)
    folder = project(name, text)
    text = (folder / "pyproject.toml").read_text()
    original = Project(folder, text, tomllib.loads(text), TABLE, {})
    for build in BUILDS:
        printed = lean(**START, mirror="custom", mirror_url=replica.url, **build)
        adopted = layout.adopted(original, printed)[0]
        (folder / "pyproject.toml").write_text(adopted)
        own = "\nindex-url" in text or "default = true" in text
        index = {} if own else {"UV_DEFAULT_INDEX": replica.pypi_url}
        uv("lock", cwd=folder, **index)
        accelerators = [build["accelerator"], *build.get("switch_to", [])]
        local = {f"2.9.1+{accelerator}" for accelerator in accelerators}
        found = builds_of(folder)
        assert local <= found <= local | {"2.9.1"}


def test_what_the_lock_has_stays(
    replica: Replica,
    adopt: Callable[..., Done],
    project: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = project("no-package")
    monkeypatch.setenv("UV_DEFAULT_INDEX", replica.pypi_url)
    older = ["torch==2.9.1", "pillow==11.3.0", "jinja2==3.1.5", "networkx==3.4.2"]
    uv("lock", *(f"--upgrade-package={pin}" for pin in older), cwd=folder)
    commit(folder)
    before = versions(folder)
    assert {tuple(pin.split("==")) for pin in older} <= before
    done = adopt(folder, "--write", accelerator="cpu", mirror="custom", mirror_url=replica.url)
    assert "torch_version  2.9.1  (uv.lock has torch 2.9.1)" in done.out
    uv("lock", cwd=folder)
    after = versions(folder)
    assert {name for name, version in after - before} == {"torch"}
    assert builds_of(folder) == {"2.9.1", "2.9.1+cpu"}
    gone = {name for name, version in before - after}
    assert not {name for name in gone if not name.startswith(("nvidia-", "triton"))}


# Updates by Copier itself ------------------------------------------------------------------------------------


def git_with(folder: Path, monkeypatch: pytest.MonkeyPatch, autocrlf: str) -> None:
    """Set what git does with line ends."""
    config = folder / "gitconfig"
    config.write_text(f"[core]\nautocrlf = {autocrlf}\n[user]\nname = Me\nemail = me@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


@pytest.mark.parametrize(("name", "autocrlf"), [("src", "false"), ("src", "true"), ("own-names", "false")])
def test_copier_updates_what_people_work_on(
    name: str,
    autocrlf: str,
    adopt: Callable[..., Done],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where git turns LF into CRLF."""
    git_with(tmp_path, monkeypatch, autocrlf)
    line_end = "\r\n" if autocrlf == "true" else "\n"
    folder = make(name, tmp_path / name, "\ufeff" + PROJECTS[name].replace("\n", line_end))
    commit(folder)
    assert adopt(folder, "--write").status == 0
    adopted = (folder / "pyproject.toml").read_bytes().decode()
    assert adopted.startswith("\ufeff")
    assert adopted.count("\n") == adopted.count(line_end)
    for command in (
        ["add", "networkx", "six"],
        ["add", "--dev", "tomli"],
        ["add", "--group", "later", "pygments"],
        ["add", "--optional", "plot", "cycler"],
        ["add", "--index", "other=https://packages.example.com/other", "pyparsing"],
        ["add", "torchvision"],
    ):
        uv(*command, "--frozen", cwd=folder)
    commit(folder)
    (folder / "pyproject.toml").unlink()
    run("git", "checkout", "--quiet", "pyproject.toml", cwd=folder)
    start = (folder / "pyproject.toml").read_bytes()
    assert start.count(b"\n") == start.count(line_end.encode())
    first = {key: answer for key, answer in reading.answers(folder).items() if key[0] != "_"}
    mine = theirs(folder, lean(**first))
    several = {"accelerator": "cu128", "torch_version": "2.9.1", "companions": ["torchvision", "torchaudio", "torchcodec"], "switch_to": ["cpu"], "mirror": "sjtu", "platforms": ["linux-x86_64"], "python_version": "3.12"}  # fmt: skip
    for change in several, {key: first[key] for key in several}:
        update(folder, **change)
        answers = {key: answer for key, answer in reading.answers(folder).items() if key[0] != "_"}
        assert change.items() <= answers.items()
        assert theirs(folder, lean(**answers)) == mine
        run("git", "commit", "--quiet", "--all", "--message=Update", cwd=folder)
    (folder / "pyproject.toml").unlink()
    run("git", "checkout", "--quiet", "pyproject.toml", cwd=folder)
    assert (folder / "pyproject.toml").read_bytes() == start


def test_crlf_in_git_becomes_lf(
    adopt: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv does the same as soon as it adds something."""
    git_with(tmp_path, monkeypatch, "false")
    folder = make("flat", tmp_path / "flat", PROJECTS["flat"].replace("\n", "\r\n"))
    commit(folder)
    done = adopt(folder, "--write")
    assert "and LF from now on" in done.out
    assert b"\r" not in (folder / "pyproject.toml").read_bytes()


def theirs(folder: Path, printed: str) -> list[str]:
    """The lines of a project's file beside those that the template prints, which are all there in their order."""
    lines = (folder / "pyproject.toml").read_bytes().decode().replace("\r\n", "\n").splitlines()
    ours = [line for line in printed.replace("\r\n", "\n").splitlines() if line and "dev" not in line]
    rest = []
    for line in lines:
        if ours and line == ours[0]:
            del ours[0]
        elif line:
            rest.append(line)
    assert not ours
    return rest


# What is refused ---------------------------------------------------------------------------------------------

PLAIN = PROJECTS["no-package"]
UV = "\n[tool.uv]\n"
REFUSED: dict[str, tuple[dict[str, str | None], str]] = {
    "nothing": ({"pyproject.toml": None}, "there is no pyproject.toml"),
    "requirements": ({"pyproject.toml": None, "requirements.txt": "torch\n"}, "uv add --requirements requirements.txt"),
    "poetry": ({"pyproject.toml": '[tool.poetry]\nname = "p"\n'}, "uvx migrate-to-uv"),
    "no [project]": ({"pyproject.toml": "[tool.ruff]\n"}, "has no [project]"),
    "no TOML": ({"pyproject.toml": "[project\n"}, "cannot be read"),
    "uv.toml": ({"uv.toml": "offline = false\n"}, "uv.toml makes uv ignore [tool.uv]"),
    "pyproject-fmt": ({".pre-commit-config.yaml": "- id: pyproject-fmt\n"}, "pyproject-fmt"),
    "ignored": ({".gitignore": ".copier-*\n"}, "git ignores .copier-answers.yml"),
    "mixed": ({"pyproject.toml": PLAIN.replace("\n", "\r\n", 3)}, "mixes LF and CRLF"),
    "URL": ({"pyproject.toml": PLAIN.replace("torch>=2.7.0", "torch @ https://example.com/torch-2.7.0-py3-none-any.whl")}, "torch is required by URL"),
    "git": ({"pyproject.toml": PLAIN + '[tool.uv.sources]\ntorch = { git = "https://example.com/torch" }\n'}, 'torch comes from { git = "https://example.com/torch" }'),
    "extra": ({"pyproject.toml": PLAIN + '[tool.uv.sources]\ntorch = [{ index = "a", extra = "cpu" }]\n'}, "`switch_to` makes groups for others"),
    "conflicts": ({"pyproject.toml": PLAIN + f'[project.optional-dependencies]\na = ["torch==2.7.1"]\nb = []\n{UV}conflicts = [[{{ extra = "a" }}, {{ extra = "b" }}]]\n'}, "extra a has torch==2.7.1 and is in conflicts"),
    "group": ({"pyproject.toml": PLAIN + '[dependency-groups]\ncpu = ["six"]\n'}, "the group cpu is named like an accelerator"),
    "all groups": ({"pyproject.toml": PLAIN + f'{UV}default-groups = "all"\n'}, 'default-groups in [tool.uv] is "all"'),
    "override": ({"pyproject.toml": PLAIN + f'{UV}override-dependencies = ["torch==2.7.1"]\n'}, "override-dependencies has torch==2.7.1"),
    "default index": ({"pyproject.toml": PLAIN + f'{UV}index-url = "https://example.com/simple"\n'}, "leave --data pypi_mirror= out"),
    "nightly": ({"pyproject.toml": PLAIN + '[[tool.uv.index]]\nurl = "https://download.pytorch.org/whl/nightly/cpu"\n'}, "builds that are not releases"),
    "pytorch": ({"pyproject.toml": PLAIN + '[[tool.uv.index]]\nname = "pytorch"\nurl = "https://example.com/simple"\n'}, "is called pytorch"),
    "dotted": ({"pyproject.toml": PLAIN + "[tool]\nuv.package = false\n"}, "uv.… as dotted keys"),
    "bad requirement": ({"pyproject.toml": PLAIN.replace("matplotlib>=3.10", "matplotlib=>3.10")}, "that uv does not accept"),
    "bad Python": ({"pyproject.toml": PLAIN.replace(">=3.12", "3.12+")}, "that uv does not accept"),
    "workflows": ({".github/workflows/test.yml": "on: push\n"}, ".github/workflows exists"),
    "old Python": ({"pyproject.toml": PLAIN.replace(">=3.12", "<3.10")}, "the template knows Python 3.10 to"),
    "no release": ({"pyproject.toml": PLAIN.replace("torch>=2.7.0", "torch<1.13")}, "the template knows no release of torch"),
    "old release": ({"pyproject.toml": PLAIN.replace("torch>=2.7.0", "torch==2.4.1+cu126")}, "torch 2.4.1 has no cu126 build: use torch_version="),
    "members": ({"pyproject.toml": PROJECTS["workspace"], **{f"packages/{name}/pyproject.toml": f'[project]\nname = "{name}"\nversion = "0"\ndependencies = ["torch"]\n' for name in ("leaf", "bud")}}, "several members need PyTorch (bud, leaf)"),
    "container": ({}, "use container=none: an adopted project cannot have the template"),
}  # fmt: skip
"""Projects: files beside or in place of those of a plain one, None for no file, and what the refusal says."""


REFUSED_DATA = {
    "default index": {"pypi_mirror": "tuna"},
    "workflows": {"ci": "github"},
    "container": {"container": "docker"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_write_nothing(name: str, adopt: Callable[..., Done], tmp_path: Path) -> None:
    files, reason = REFUSED[name]
    for place, text in {"pyproject.toml": PLAIN, "README.md": "", **files}.items():
        if text is not None:
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_bytes(text.encode())
    commit(tmp_path)
    before = contents(tmp_path)
    done = adopt(tmp_path, "--write", **REFUSED_DATA.get(name, {}))
    assert (done.status, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert reason in done.err
    assert contents(tmp_path) == before


def test_state_of_git_is_refused(adopt: Callable[..., Done], project: Callable[..., Path]) -> None:
    folder = make("src", project("flat").parent / "bare")
    assert "git init" in adopt(folder, "--write").err
    run("git", "init", "--quiet", cwd=folder)
    assert "git does not track pyproject.toml" in adopt(folder, "--write").err
    commit(folder)
    (folder / "notes.txt").touch()
    assert "git stash --include-untracked" in adopt(folder, "--write").err
    assert contents(folder) == contents(make("src", folder.parent / "again")) | {"notes.txt": b""}


def test_members_of_a_workspace_are_refused(adopt: Callable[..., Done], project: Callable[..., Path]) -> None:
    folder = project("workspace")
    done = adopt(folder / "packages/leaf", "--write")
    assert f"member of the workspace in {folder}" in done.err


def test_a_project_of_the_template_says_so(adopt: Callable[..., Done], render: Callable[..., Path]) -> None:
    folder = render("made")
    commit(folder)
    before = contents(folder)
    done = adopt(folder, "--write")
    assert done.status == 0
    assert "already made from the template" in done.out
    assert contents(folder) == before


def test_a_template_that_cannot_adopt_is_said_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that git does not reach, and one from before there was the script."""
    (tmp_path / "older").mkdir()
    (tmp_path / "older/copier.yml").touch()
    as_repository(tmp_path / "older", "0.0.1")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "adopting.command", None)
    for name, says in ("none", "git cannot fetch"), ("older", "version 0.0.1 of the template cannot adopt"):
        assert script.main(["--template", str(tmp_path / name)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("adopt: ")
        assert says in err


def test_copier_names_the_script(project: Callable[..., Path], template: Path) -> None:
    folder = project("flat")
    with pytest.raises(
        ValueError, match=r"already has a project, and nothing was written.*scripts/adopt\.py"
    ):
        run_copy(str(template), folder, defaults=True, quiet=True)


def test_ci_is_added_where_it_is_asked_for(adopt: Callable[..., Done], project: Callable[..., Path]) -> None:
    folder = project("custom-mirror")
    assert adopt(folder, "--write", ci="github").status == 0
    for name in ("ci", "gpu"):
        workflow = yaml.safe_load((folder / f".github/workflows/{name}.yml").read_text())
        steps = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
        assert any("import torch" in step for step in steps)
        assert not any("test-uv" in step for step in steps)


def test_another_template_keeps_its_answers(adopt: Callable[..., Done], project: Callable[..., Path]) -> None:
    folder = project("src")
    (folder / ANSWERS).write_text("_src_path: gh:other/template\nproject_name: other\n")
    commit(folder)
    done = adopt(folder, "--write")
    beside = ".copier-answers.torch-uv-template.yml"
    assert f"copier update --defaults --vcs-ref=:current: --answers-file {beside} --data" in done.out
    assert reading.answers(folder)["project_name"] == "other"
    commit(folder)
    before = read(folder)
    run_update(
        folder, answers_file=beside, data={"accelerator": "cu130"}, defaults=True, overwrite=True, quiet=True
    )
    after = read(folder)
    assert after["tool"]["uv"].pop("index")[-1]["url"].endswith("cu130")
    del before["tool"]["uv"]["index"]
    assert after == before
    assert "already adopted" in adopt(folder).out


# What is inferred --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inferred"),
    [
        ("src", {"accelerator": "cu126", "torch_version": "2.9.1", "python_version": "3.11", "companions": ["torchvision"], "license": "Apache-2.0", "author_name": "Ada Tide", "author_email": "ada@example.com", "description": "Tides from buoys", "package_path": "src/tide_model"}),
        ("flat", {"accelerator": "cpu", "torch_version": "2.8.0", "python_version": "3.10", "package_path": "lens", "license": "none"}),
        ("no-package", {"package_path": "", "torch_version": default_release("cpu")}),
        ("guide", {"accelerator": "cu128", "companions": ["torchvision"]}),
        ("poetry-core", {"accelerator": "cu118", "torch_version": "2.7.1", "companions": ["torchaudio"], "package_path": "strider"}),
        ("own-names", {"accelerator": "cu126", "platforms": ["linux-x86_64", "linux-aarch64"]}),
        ("in-china", {"mirror": "sjtu", "accelerator": "cpu", "pypi_mirror": "tuna"}),
        ("sub-tables", {"mirror": "nju", "accelerator": "cu126"}),
        ("extra-index-url", {"accelerator": "cu121", "torch_version": "2.5.1", "python_version": "3.10"}),
        ("custom-mirror", {"mirror": "custom", "mirror_url": "https://wheels.example.com/torch/{accelerator}/", "mirror_format": "flat", "accelerator": "cu130"}),
    ],
)  # fmt: skip
def test_answers_are_inferred(
    name: str, inferred: dict[str, object], adopt: Callable[..., Done], project: Callable[..., Path]
) -> None:
    folder = project(name)
    assert adopt(folder, "--write").status == 0
    answers = reading.answers(folder)
    assert {key: answers[key] for key in inferred} == inferred


def test_the_lock_comes_first_and_data_overrides(
    adopt: Callable[..., Done], project: Callable[..., Path]
) -> None:
    folder = project("no-package")
    lock = 'version = 1\n[[package]]\nname = "torch"\nversion = "2.8.0"\n[[package]]\nname = "torchvision"\nversion = "0.23.0"\n'
    runtime = '[[package]]\nname = "nvidia-cuda-runtime-cu12"\nversion = "12.8.90"\n'
    for text, data, expected in (
        (lock + runtime, {}, ("cu128", "2.8.0", ["torchvision"])),
        (lock.replace("2.8.0", "2.8.0+cu126"), {}, ("cu126", "2.8.0", ["torchvision"])),
        (lock + runtime, {"accelerator": "cu129", "companions": "[]"}, ("cu129", "2.8.0", [])),
    ):
        (folder / "uv.lock").write_text(text)
        commit(folder)
        assert adopt(folder, "--write", **data).status == 0
        answers = reading.answers(folder)
        assert (answers["accelerator"], answers["torch_version"], answers["companions"]) == expected
        run("git", "stash", "--include-untracked", cwd=folder)
        (folder / "uv.lock").write_text("")


# Interruptions -----------------------------------------------------------------------------------------------

NEW = {"pyproject.toml": "new", ANSWERS: "answers", "pkg/test_uv/a.py": "a", "pkg/test_uv/b.py": "b"}


@pytest.fixture
def writing(tmp_path: Path) -> Callable[[], None]:
    """Write NEW into a project in `project`."""
    folder, new = tmp_path / "project", tmp_path / "new"
    for place, files in (folder, {"pyproject.toml": "old", "pkg/__init__.py": ""}), (new, NEW):
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
    commit(folder)
    return lambda: write(folder, new, sorted(NEW))


def after_call(
    patch: pytest.MonkeyPatch, where: object, name: str, number: int, then: Callable[[], object]
) -> None:
    """Let a function do as usual and then something else, but only at its call of this number."""
    usual, calls = getattr(where, name), itertools.count(1)

    def call(*arguments: object) -> object:
        if next(calls) == number:
            then()
        return usual(*arguments)

    patch.setattr(where, name, call)


def fail() -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("number", range(1, len(NEW) + 1))
@pytest.mark.parametrize(
    ("where", "name"), [(shutil, "copyfile"), (Path, "replace"), (Path, "write_text")], ids=str
)
def test_errors_leave_the_project_as_it_was(
    where: object,
    name: str,
    number: int,
    writing: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk, or a folder that is read-only."""
    before = contents(tmp_path / "project")
    after_call(monkeypatch, where, name, 1 if name == "write_text" else number, fail)
    with pytest.raises(Refusal, match=r"nothing was written: .*No space left"):
        writing()
    assert contents(tmp_path / "project") == before
    assert run("git", "status", "--porcelain", cwd=tmp_path / "project").stdout == ""
    assert not (tmp_path / "project/.git" / STAGE).exists()


KILLED = """\
import itertools, os, shutil, sys
from pathlib import Path
from adopting.writing import write

folder, new, last, *names = sys.argv[1:]
calls = itertools.count(1)
# One count over all that touches the disk: the process ends before the call of this number.
for where, name in (shutil, "copyfile"), (Path, "replace"), (shutil, "rmtree"):
    def call(*words, usual=getattr(where, name)):
        return os._exit(9) if next(calls) == int(last) else usual(*words)
    setattr(where, name, call)
write(Path(folder), Path(new), names)
"""


@pytest.mark.parametrize("number", range(1, 2 * len(NEW) + 3))
def test_a_kill_is_made_good_by_the_next_run(
    number: int, writing: Callable[[], None], tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    before = contents(folder)
    words = [sys.executable, "-c", KILLED, folder, tmp_path / "new", str(number), *sorted(NEW)]
    status = run(*words, cwd=tmp_path, check=False, PYTHONPATH=str(ROOT / "scripts")).returncode
    assert status == (9 if number <= 2 * len(NEW) + 1 else 0)
    assert take_back(folder) == (status == 9)
    written = before | {name: text.encode() for name, text in NEW.items()}
    assert contents(folder) == (written if number > 2 * len(NEW) else before)
    assert not take_back(folder)


def test_ctrl_c_waits_until_all_is_written(
    writing: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_call(monkeypatch, Path, "replace", 2, lambda: os.kill(os.getpid(), signal.SIGINT))
    writing()
    assert contents(tmp_path / "project").keys() >= NEW.keys()


# From a URL --------------------------------------------------------------------------------------------------


def test_commands_of_the_pages(source: Path, project: Callable[..., Path], tmp_path: Path) -> None:
    """Those of README and docs/adopt.md: a server on loopback stands for GitHub's, and a clone for the repository."""
    (look,) = commands((ROOT / "README.md").read_text("utf-8"), "I have a project already")
    page = (ROOT / "docs/adopt.md").read_text("utf-8")
    shown, write = commands(page, "Do it")
    (undo,) = commands(page, "Undo")
    assert shown == look

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    folder = project("flat")
    before = contents(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=ROOT)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script = f"http://127.0.0.1:{server.server_port}/scripts/adopt.py"
        official = "https://raw.githubusercontent.com/org/torch-uv-template/HEAD/scripts/adopt.py"
        assert write.count(official) == look.count(official) == 1
        instead = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{source}.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/org/torch-uv-template.git",
        }
        looked = shell(look.replace(official, script), folder, check=False, **instead)
        assert (looked.returncode, contents(folder)) == (1, before)
        written = shell(write.replace(official, script), folder, **instead)
        server.shutdown()
    assert "It is written. Next:" in written.stdout
    answers = reading.answers(folder)
    assert (answers["_src_path"], answers["_commit"]) == ("gh:org/torch-uv-template", "0.1.0")
    assert (folder / "lens/test_uv/cli.py").exists()
    shell(undo, folder)
    assert contents(folder) == before


# The real wheel ----------------------------------------------------------------------------------------------


def test_the_real_wheel_computes(
    adopt: Callable[..., Done], project: Callable[..., Path], real_answers: dict[str, object]
) -> None:
    """The commands that the script names do what it says."""
    folder = project("flat")
    data = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in real_answers.items()
    }
    done = adopt(folder, "--write", **data)
    assert "note: torch>=2.6,<2.9 -> torch" in done.out.replace("torch<2.9,>=2.6", "torch>=2.6,<2.9")
    script_of_it = done.out.partition("Next:\n\n")[2].partition("\n\n")[0]
    assert [line.strip().partition("  ")[0] for line in script_of_it.splitlines()] == [
        f"uv python pin {real_answers['python_version']}",
        "uv sync",
        "uv run --with numpy --with matplotlib test-uv",
        'git add --all && git commit --message "Adopt torch-uv-template"',
    ]
    (folder / ".gitignore").write_text(".venv/\n*.egg-info/\n__pycache__/\n")
    shown = shell(script_of_it, folder).stdout
    assert f"torch:{REAL_TORCH}+cpu" in shown
    assert "\nok: torch for cpu runs on the CPU\n" in shown
    assert run("git", "status", "--porcelain", cwd=folder).stdout == ""
