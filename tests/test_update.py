"""`copier update`: other answers and other versions of the template, on projects that people have worked on.

Projects and templates are git repositories, and nothing is trusted. `EXHAUSTIVE=1` takes every ordered pair of
accelerators, otherwise each accelerator is left once and reached once, and the newest of each family reach each other.
"""

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from copier import run_copy
from pytest_copier.plugin import CopierFixture
from reading import answers, assert_report, files, update, versions
from replica import Replica
from support import (
    ACCELERATORS,
    COMPANIONS,
    EXHAUSTIVE,
    NEWEST,
    REAL_TORCH,
    RELEASES,
    ROOT,
    TABLE,
    change_table,
    commit,
    copier,
    has_wheels,
    run,
    sampled,
    uv,
)
from templates import as_repository, this_template

USERS = {"README.md", "LICENSE", "src/project/example.py", "tests/test_example.py", "uv.lock"}
"""Files that no update may touch."""
CI_FILES = {".github/workflows/ci.yml", ".gitlab-ci.yml"}


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as a repository with one annotated tag."""
    return as_repository(this_template(tmp_path_factory.mktemp("repository")))


@pytest.fixture(scope="session")
def fresh(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Render a project called `project` and commit it."""

    def fresh(**given: object) -> Path:
        project = tmp_path_factory.mktemp("fresh") / "project"
        run_copy(str(repository), project, data=given, defaults=True, quiet=True, unsafe=False)
        commit(project)
        return project

    return fresh


# What people do to a project ---------------------------------------------------------------------------------


GITHUB_STEP_AND_JOB = """\
      - name: Measure
        run: uv run python benchmark.py

  lint:
    runs-on: ubuntu-latest
    steps:
      - run: uvx ruff check
"""
GITLAB_LINE_AND_JOB = """\
    - uv run python benchmark.py

lint:
  script: uvx ruff check
"""

# Lines that people write into each part of pyproject.toml that the template owns: constant text -> it with theirs.
OWN_LINES = {
    '    "dev",\n]\n': '    "dev",\n    "lint",\n]\n',
    "    # Add yours below.\n": '    # Add yours below.\n    [{ group = "docs" }, { extra = "plot" }],\n',
    "]\n\n# PyTorch's index": ']\noverride-dependencies = ["six>=1.16"]\n\n# PyTorch\'s index',
    f"{COMPANIONS[-1]} = false\n": f"{COMPANIONS[-1]} = false\npyparsing = false\n",
    "\n# What PyTorch publishes": """
[[tool.uv.index]]
name = "team"
url = "https://team.example.com/simple"
explicit = true

# What PyTorch publishes""",
    "\n\n[tool.pytest": '\nteam-tools = { index = "team" }\n\n[tool.pytest',
}


def work_on(project: Path, replica: Replica) -> None:
    """Do what people do: dependencies by uv, and edits in every kind of file; nothing is committed."""
    # --frozen leaves the lock alone, which saves a resolution for each line.
    for command in (
        ["add", "networkx", "filelock>=3", "sympy"],
        ["add", "--dev", "tomli", "iniconfig"],
        ["add", "--group", "docs", "pygments"],
        ["add", "--group", "lint", "pyyaml"],
        ["add", "--optional", "plot", "cycler"],
        ["add", "--index", f"company={replica.pypi_url}", "pyparsing"],
        ["remove", "matplotlib"],
    ):
        uv(*command, "--frozen", cwd=project)
    replace(project / "pyproject.toml", 'description = "A PyTorch project"', 'description = "My own words"')
    append(
        project / "pyproject.toml", '\n[tool.ruff]\nline-length = 100\n\n[tool.ruff.lint]\nselect = ["ALL"]\n'
    )
    for constant, with_theirs in OWN_LINES.items():
        replace(project / "pyproject.toml", constant, with_theirs)
    if (project / ".github/workflows/ci.yml").exists():
        append(project / ".github/workflows/ci.yml", GITHUB_STEP_AND_JOB)
    if (project / ".gitlab-ci.yml").exists():
        append(project / ".gitlab-ci.yml", GITLAB_LINE_AND_JOB)
    readme = project / "README.md"
    about = "\n## About\n\nWhat it is about.\n\n## "  # before the first heading
    readme.write_text(readme.read_text("utf-8").replace("\n## ", about, 1), encoding="utf-8")
    append(project / "README.md", "\n## Results\n\nGood ones.\n")
    append(project / ".gitignore", "\n/data/\n")
    append(project / "src/project/example.py", "\n\ndef mine() -> None: ...\n")
    (project / "tests/test_example.py").unlink()
    (project / "src/project/model.py").write_text("import torch\n\nLAYERS = 3\n")
    (project / "tests/test_model.py").write_text(
        "from project.model import LAYERS\n\n\ndef test_it():\n    assert LAYERS\n"
    )


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.fixture(scope="session")
def worked_on(fresh: Callable[..., Path], replica: Replica) -> Callable[..., Path]:
    """Render a project, work on it, lock and commit it. Called twice with the same answers it gives the same folder."""
    made: dict[str, Path] = {}

    def worked_on(*, lock: bool = True, **given: object) -> Path:
        key = f"{lock} {given}"
        if key not in made:
            project = fresh(**given)
            work_on(project, replica)
            if lock:
                # The lock's content plays no part: what matters is that it is there and committed.
                (project / "uv.lock").write_text("version = 1\n")
            commit(project)
            made[key] = project
        return made[key]

    return worked_on


@pytest.fixture
def updated(
    fresh: Callable[..., Path], worked_on: Callable[..., Path], tmp_path: Path
) -> Callable[..., None]:
    """Update a project that was worked on, and compare it with a fresh render that was worked on likewise."""

    def updated(before: dict[str, object], data: dict[str, object]) -> None:
        start = worked_on(**before)
        project = tmp_path / "-".join(map(str, [*before.values(), "to", *data.values()])) / "project"
        shutil.copytree(start, project)
        update(project, **data)
        kept = {name: answer for name, answer in answers(project).items() if not name.startswith("_")}
        assert kept == {**kept, **data}
        expected = files(worked_on(**kept))
        found = files(project)
        if kept["ci"] != before.get("ci", "github"):  # its files are new, or gone
            expected |= {name: files(fresh(**kept))[name] for name in CI_FILES & set(expected)}
        assert set(found) - USERS == set(expected) - USERS
        assert set(found) & USERS == set(files(start)) & USERS
        for name, text in found.items():
            assert text == (files(start) if name in USERS else expected)[name], name
        shutil.rmtree(project.parent)

    return updated


# Every accelerator to every other one ------------------------------------------------------------------------

PYTHON = "3.11"


def releases(accelerator: str) -> list[str]:
    """Releases with wheels for the Python, the default one first, then the newest."""
    having = [version for version in RELEASES if has_wheels(version, accelerator, PYTHON)]
    return sorted(having, key=lambda version: version != TABLE["defaults"][PYTHON].get(accelerator))


POSSIBLE = [accelerator for accelerator in ACCELERATORS if releases(accelerator)]
BUILT_NOW = ("cpu", "cu126", "rocm7.2")
PAIRS = [
    (old, new)
    for old, new in itertools.permutations(POSSIBLE, 2)
    if EXHAUSTIVE
    or (POSSIBLE.index(new) - POSSIBLE.index(old)) % len(POSSIBLE) == 8
    or (old in BUILT_NOW and new in BUILT_NOW)
]


@pytest.mark.parametrize("old", POSSIBLE)
def test_every_accelerator_becomes_every_other_one(
    updated: Callable[..., None], record_property: Callable[[str, object], None], old: str
) -> None:
    targets = [new for start, new in PAIRS if start == old]
    assert targets
    for new in targets:
        torch = releases(old)[0]
        data = {"accelerator": new}
        if torch not in releases(new):
            data["torch_version"] = releases(new)[0]
        updated({"python_version": PYTHON, "accelerator": old}, data)
    record_property("updates from one accelerator to another", len(targets))


def with_all_companions(accelerator: str, version: str) -> bool:
    """Whether a release of torch has each companion for an accelerator on Linux."""
    lacks = [
        row["without"].get(PYTHON, {}).get(accelerator, [])
        for row in RELEASES[version]["companions"].values()
    ]
    complete = len(lacks) == len(TABLE["companions"]) and "linux-x86_64" not in itertools.chain(*lacks)
    return complete and has_wheels(version, accelerator, PYTHON)


def test_projects_with_all_companions_change_too(
    updated: Callable[..., None], record_property: Callable[[str, object], None]
) -> None:
    """Each accelerator to each other one for which a release of torch has them all."""
    pairs = [
        (old, new, torch)
        for old, new in itertools.permutations(ACCELERATORS, 2)
        for torch in [v for v in RELEASES if with_all_companions(old, v) and with_all_companions(new, v)][:1]
    ]
    assert len(pairs) > 30
    pairs = pairs if EXHAUSTIVE else pairs[:: len(pairs) // 5]
    for old, new, torch in pairs:
        common = {"python_version": PYTHON, "torch_version": torch, "companions": TABLE["companions"]}
        updated({**common, "accelerator": old}, {"accelerator": new})
    record_property("updates of projects with all companions", len(pairs))


def test_projects_with_several_builds_change_too(
    updated: Callable[..., None], record_property: Callable[[str, object], None]
) -> None:
    """Each of the newest accelerators to each other one, beside the CPU; torch 2.13.0 has them all."""
    pairs = list(itertools.permutations(["cu126", "cu130", "rocm7.2", "xpu"], 2))[:: 1 if EXHAUSTIVE else 3]
    common = {"python_version": PYTHON, "torch_version": "2.13.0", "switch_to": ["cpu"]}
    for old, new in pairs:
        updated({**common, "accelerator": old}, {"accelerator": new})
    record_property("updates of projects with several builds", len(pairs))


CPU_TOO = {"accelerator": "cu130", "switch_to": ["cpu"]}


@pytest.mark.parametrize(
    ("before", "data"),
    sampled([
        ({}, CPU_TOO),
        ({"accelerator": "rocm7.2"}, {"switch_to": ["cpu", "xpu"]}),
        (CPU_TOO, {"switch_to": []}),
        (CPU_TOO, {"switch_to": ["cpu", "cu126"]}),
        (CPU_TOO, {"switch_to": ["rocm7.2", "xpu"]}),
        (CPU_TOO, {"accelerator": "cpu", "switch_to": ["cu130"]}),
        (CPU_TOO, {"accelerator": "cpu", "switch_to": []}),
        (CPU_TOO, {"companions": ["torchvision"], "torch_version": "2.13.0"}),
        (CPU_TOO, {"python_version": "3.13", "mirror": "aliyun", "pypi_mirror": "ustc"}),
        ({**CPU_TOO, "ci": "gitlab"}, {"accelerator": "cu126"}),
        ({}, {"language": "zh"}),
        ({}, {"python_version": "3.10"}),
        ({}, {"python_version": "3.13"}),
        ({"python_version": "3.10"}, {"python_version": "3.12"}),
        ({}, {"torch_version": "2.4.0"}),
        ({"torch_version": "2.2.2"}, {"torch_version": "2.15.0"}),
        ({"torch_version": "2.3.1"}, {"torch_version": "2.3.0"}),
        ({}, {"companions": ["torchvision", "torchaudio"]}),
        ({"companions": ["torchaudio"]}, {"companions": ["torchvision"]}),
        ({"companions": ["torchvision", "torchaudio"], "accelerator": "rocm6.4"}, {"companions": []}),
        ({}, {"companions": ["torchcodec"], "accelerator": "cu132"}),
        ({}, {"platforms": ["linux-x86_64"]}),
        ({"platforms": ["macos-arm64"]}, {"platforms": ["linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64"]}),
        ({}, {"mirror": "nju", "pypi_mirror": "nju"}),
        ({"mirror": "aliyun"}, {"mirror": "sjtu", "pypi_mirror": "tuna"}),
        ({"mirror": "aliyun"}, {"mirror": "official", "pypi_mirror": "official"}),
        ({"mirror": "custom", "mirror_url": "https://example.com/{accelerator}", "mirror_format": "flat"}, {"mirror": "official"}),
        ({}, {"mirror": "custom", "mirror_url": "https://example.com/{accelerator}", "mirror_format": "flat"}),
        ({"ci": "gitlab"}, {"accelerator": "cu130"}),
        ({"ci": "gitlab", "accelerator": "cu126"}, {"python_version": "3.11", "mirror": "aliyun"}),
        ({"ci": "none"}, {"ci": "gitlab"}),
        ({"ci": "none"}, {"ci": "github", "accelerator": "xpu"}),
        ({"ci": "github"}, {"ci": "gitlab"}),
        ({"ci": "github"}, {"ci": "none"}),
        ({"ci": "gitlab", "accelerator": "xpu"}, {"ci": "github", "accelerator": "cpu"}),
        ({}, {"license": "Apache-2.0"}),
        ({}, {"license": "none"}),
        ({"license": "none"}, {"license": "MIT"}),
        ({}, {"author_name": "Ada", "author_email": "ada@example.com"}),
        ({"author_name": "Ada"}, {"author_name": ""}),
        ({}, {"python_version": "3.13", "accelerator": "cu130"}),
        ({}, {"accelerator": "rocm7.2", "mirror": "nju", "pypi_mirror": "bfsu"}),
        ({"accelerator": "xpu"}, {"accelerator": "cpu", "companions": ["torchvision"]}),
        ({}, {"torch_version": "2.7.1", "accelerator": "cu118"}),
        ({"companions": ["torchvision"]}, {"torch_version": "2.6.0", "python_version": "3.10"}),
    ], 2),
    ids=str,
)  # fmt: skip
def test_other_answers_change_too(
    updated: Callable[..., None], before: dict[str, object], data: dict[str, object]
) -> None:
    updated(before, data)


def test_a_checkout_that_git_turns_into_crlf(
    fresh: Callable[..., Path],
    repository: Path,
    replica: Replica,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """git for Windows proposes core.autocrlf=true, which .gitattributes of template and project take back."""
    config = tmp_path / "gitconfig"
    config.write_text("[core]\nautocrlf = true\n[user]\nname = Me\nemail = me@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    project, again = tmp_path / "origin/project", tmp_path / "again/project"
    run_copy(str(repository), project, defaults=True, quiet=True)
    commit(project)
    work_on(project, replica)
    commit(project)
    run("git", "clone", "--quiet", project, again, cwd=tmp_path)
    for data in (
        CPU_TOO,
        {"switch_to": [], "accelerator": "rocm7.2"},
        {"mirror": "nju", "pypi_mirror": "tuna"},
    ):
        update(again, **data)
        commit(again)
    assert not [name for name in files(again) if b"\r" in (again / name).read_bytes()]
    expected = fresh(**{key: answer for key, answer in answers(again).items() if key[0] != "_"})
    work_on(expected, replica)
    assert files(again) == files(expected)


# Another version of the template -----------------------------------------------------------------------------


def first_release() -> str | None:
    """The oldest tag of this repository; None before the first release, or in a shallow clone without tags."""
    tags = run("git", "tag", "--list", "v*", "--sort=version:refname", cwd=ROOT).stdout.split()
    return tags[0] if tags else None


def without_newest(table: dict) -> None:
    """Take the default release out of a table."""
    del table["releases"][NEWEST]
    older = next(version for version in table["releases"] if has_wheels(version, "cpu", "3.10"))
    for row in table["defaults"].values():
        row.update({key: older for key, version in row.items() if version == NEWEST})


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This template with an older version: the first release, or before there is one a stand-in.

    The stand-in does not know the default release of torch and differs in lines of several rendered files. The working tree is 999.0.0.
    """
    folder = tmp_path_factory.mktemp("history") / "template"
    if release := first_release():
        run("git", "clone", "--quiet", ROOT, folder, cwd=ROOT)
        run("git", "checkout", "--quiet", "-b", "working-tree", release, cwd=folder)
    else:
        folder.mkdir()
        this_template(folder)
        change_table(folder, without_newest)
        for name, line, older in (
            ("pyproject.toml.jinja", "# uv.lock covers these machines:", "# The machines of uv.lock:"),
            (
                "pyproject.toml.jinja",
                'readme = "README.md"\n',
                'readme = "README.md"\nkeywords = ["pytorch"]\n',
            ),
            (".gitignore", ".venv/", ".venv"),
            ("{% if language == 'en' %}README.md{% endif %}.jinja", "## More", "## Further"),
        ):
            replace(folder / "template" / name, line, older)
        as_repository(folder)
    for path in folder.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return as_repository(this_template(folder), "999.0.0")


@pytest.mark.parametrize("given", [{}, {"accelerator": "cu126", "companions": ["torchvision"], "mirror": "nju"}], ids=str)  # fmt: skip
def test_from_the_first_version_to_this_one(
    history: Path, tmp_path: Path, replica: Replica, given: dict[str, object]
) -> None:
    """With --defaults and nothing else; once on a project as it was rendered, once on one with work in it."""
    first = run("git", "tag", "--sort=version:refname", cwd=history).stdout.split()[0]
    for worked in (False, True):
        project, expected = tmp_path / f"{worked}/project", tmp_path / f"{worked} fresh/project"
        run_copy(str(history), project, data=given, vcs_ref=first, defaults=True, quiet=True)
        run_copy(str(history), expected, data={k: v for k, v in answers(project).items() if k[0] != "_"}, defaults=True, quiet=True)  # fmt: skip
        for folder in (project, expected):
            commit(folder)
            if worked:
                work_on(folder, replica)
        if worked:
            commit(project)
        before = files(project)
        update(project)
        found, wanted = files(project), files(expected)
        assert set(found) == set(wanted)
        assert {name for name in found if found[name] != before.get(name)} > {"pyproject.toml"}
        for name in found:
            assert found[name] == (before if name in USERS else wanted)[name], name
        assert answers(project)["_commit"] == "999.0.0"


def test_a_second_update_changes_nothing(history: Path, tmp_path: Path, replica: Replica) -> None:
    first = run("git", "tag", "--sort=version:refname", cwd=history).stdout.split()[0]
    project = tmp_path / "project"
    run_copy(str(history), project, vcs_ref=first, defaults=True, quiet=True)
    work_on(project, replica)
    commit(project)
    update(project, accelerator="cu126")
    commit(project)
    update(project)
    update(project, accelerator="cu126")
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""


def test_git_undoes_an_update_as_the_message_says(
    repository: Path, worked_on: Callable[..., Path], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(worked_on(python_version=PYTHON), project)
    before = files(project)
    data = ["--data=accelerator=rocm7.2", "--data=license=none", "--data=torch_version=2.13.0"]
    message = copier("update", "--defaults", *data, cwd=project).stderr
    assert files(project) != before
    (undo,) = re.findall(r"Or undo the update: (.*)", message)
    run("bash", "-c", undo, cwd=project)
    assert files(project) == before
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""


# What an update says and refuses -----------------------------------------------------------------------------


def test_message_tells_what_changed_and_what_to_do(fresh: Callable[..., Path]) -> None:
    project = fresh(python_version=PYTHON)
    data = ["--data=accelerator=cu118", "--data=torch_version=2.7.1", "--data=license=Apache-2.0"]
    lines = copier("update", "--defaults", *data, cwd=project).stderr.splitlines()
    assert "project now has torch 2.7.1 for CUDA 11.8 on Python 3.11." in lines
    changed = {line.strip() for line in lines if "->" in line}
    assert changed == {
        "accelerator: cpu -> cu118",
        f"torch_version: {NEWEST} -> 2.7.1",
        "license: MIT -> Apache-2.0",
    }
    assert "Left out: linux-aarch64." in lines
    assert "LICENSE and README.md are yours: the update did not change them." in lines
    assert [line.split("  ")[0] for line in map(str.strip, lines) if line.startswith(("git diff", "uv "))] == ["git diff", "uv sync", "uv run test-uv"]  # fmt: skip


def test_message_tells_that_another_ci_takes_files_away(fresh: Callable[..., Path]) -> None:
    project = fresh()
    message = copier("update", "--defaults", "--data=ci=gitlab", cwd=project).stderr
    (command,) = re.findall(r"The update removed the CI files for github,[^`]*`(.+)`", message)
    assert "pytest" in run("bash", "-c", command, cwd=project).stdout


def test_message_of_a_newer_template_names_both_versions(history: Path, tmp_path: Path) -> None:
    first = run("git", "tag", "--sort=version:refname", cwd=history).stdout.split()[0]
    run_copy(str(history), tmp_path / "project", vcs_ref=first, defaults=True, quiet=True)
    commit(tmp_path / "project")
    message = copier("update", "--defaults", cwd=tmp_path / "project").stderr
    assert f"    template: {first} -> 999.0.0" in message.splitlines()
    assert "LICENSE" not in message


def refused(project: Path, *data: str) -> str:
    """Run an update that must be refused; return the last line, which says why."""
    before = {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    done = copier("update", "--defaults", *data, cwd=project, check=False)
    assert done.returncode != 0
    after = {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    assert after == before
    return done.stderr.strip().splitlines()[-1]


def test_dirty_tree_is_refused(fresh: Callable[..., Path]) -> None:
    project = fresh()
    append(project / "README.md", "more\n")
    assert "Destination repository is dirty" in refused(project, "--data=accelerator=cu126")


def test_project_without_git_is_refused(fresh: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copytree(fresh(), tmp_path / "project", ignore=shutil.ignore_patterns(".git"))
    assert "Updating is only supported in git-tracked subprojects" in refused(tmp_path / "project")


def test_template_without_git_is_refused(template: Path, tmp_path: Path) -> None:
    run_copy(str(template), tmp_path / "project", defaults=True, quiet=True)
    commit(tmp_path / "project")
    assert "Cannot update because cannot obtain old template references" in refused(tmp_path / "project")


def test_impossible_answer_is_refused_and_the_way_out_works(fresh: Callable[..., Path]) -> None:
    project = fresh()
    said = refused(project, "--data=accelerator=cu118")
    assert said.endswith(f"torch {NEWEST} has no cu118 build: use torch_version=2.7.1 or accelerator=cu126")
    assert "'accelerator'" in refused(project, "--data=accelerator=cu117")
    update(project, accelerator="cu118", torch_version="2.7.1")
    assert answers(project)["accelerator"] == "cu118"


def test_a_folder_of_wheels_can_be_left_for_the_official_index(repository: Path, tmp_path: Path) -> None:
    """The answers that belong to the folder go with it."""
    folder, project = tmp_path / "wheels", tmp_path / "project"
    folder.mkdir()
    (folder / f"torch-{NEWEST}+cpu-cp312-cp312-win_amd64.whl").touch()
    data = {"mirror": "custom", "mirror_url": str(folder)}
    run_copy(str(repository), project, data=data, defaults=True, quiet=True)
    assert answers(project)["mirror_format"] == "flat"
    commit(project)
    update(project, mirror="official", accelerator="cu126")
    assert "mirror_url" not in answers(project)
    assert "format" not in (project / "pyproject.toml").read_text()


@pytest.fixture
def retired(repository: Path, tmp_path: Path) -> Iterator[Path]:
    """A template whose newer version has no cu118 for Python 3.12."""
    folder = tmp_path / "retired"
    run("git", "clone", "--quiet", repository, folder, cwd=tmp_path)
    change_table(folder, lambda table: table["defaults"]["3.12"].pop("cu118"))
    as_repository(folder, "0.2.0")
    return folder


def test_saved_answer_that_became_impossible_stops_the_update(retired: Path, tmp_path: Path) -> None:
    """Copier alone would take the default, cpu, and say nothing."""
    project = tmp_path / "project"
    run_copy(str(retired), project, data={"accelerator": "cu118"}, vcs_ref="0.1.0", defaults=True, quiet=True)
    commit(project)
    assert re.search(
        r"'accelerator': cu118 has no wheels for Python 3\.12: use accelerator=cu\d+ or python_version=3\.13$",
        refused(project),
    )
    done = copier("update", "--defaults", "--vcs-ref=:current:", "--data=description=new", cwd=project)
    assert "description: A PyTorch project -> new" in done.stderr
    assert answers(project)["accelerator"] == "cu118"


@pytest.mark.parametrize(
    ("question", "answer", "rows"),
    [
        ("torch_version", "2.5.1", "releases"),
        ("mirror", "sjtu", "mirrors"),
        ("pypi_mirror", "bfsu", "pypi_mirrors"),
        ("platforms", ["linux-x86_64", "windows-x86_64"], "platforms"),
    ],
)
def test_no_saved_answer_is_replaced_in_silence(
    repository: Path, tmp_path: Path, question: str, answer: object, rows: str
) -> None:
    folder, project = tmp_path / "template", tmp_path / "project"
    run("git", "clone", "--quiet", repository, folder, cwd=tmp_path)
    run_copy(str(folder), project, data={question: answer}, defaults=True, quiet=True)
    commit(project)
    gone = answer[-1] if isinstance(answer, list) else answer
    change_table(folder, lambda table: table[rows].pop(gone))
    as_repository(folder, "0.2.0")
    said = refused(project)
    assert f"'{question}'" in said


# The lock after an update ------------------------------------------------------------------------------------


def test_lock_changes_only_where_it_has_to_with_stubs(
    repository: Path, replica: Replica, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    url = {"mirror": "custom", "mirror_url": replica.url}
    place = {"pypi_mirror": "custom", "pypi_mirror_url": replica.pypi_url}
    run_copy(
        str(repository), project, data={"python_version": "3.12", **url, **place}, defaults=True, quiet=True
    )
    uv("add", "six", "networkx", cwd=project)
    uv("lock", "--upgrade-package=numpy==2.2.6", "--upgrade-package=pillow==11.3.0", "--upgrade-package=jinja2==3.1.5", cwd=project)  # fmt: skip
    commit(project)
    before = versions(project)
    assert {("numpy", "2.2.6"), ("pillow", "11.3.0"), ("jinja2", "3.1.5")} <= before
    update(project, accelerator="cu130")
    uv("sync", cwd=project)
    after = versions(project)
    of_torch = ("torch", "triton", "nvidia-", "cuda-")
    assert {line for line in before - after if not line[0].startswith(of_torch)} == set()
    assert {line for line in after - before if not line[0].startswith(of_torch)} == set()
    assert ("torch", f"{NEWEST}+cu130") in after - before
    assert f"torch=={NEWEST}+cu130" in uv("pip", "freeze", cwd=project).stdout.splitlines()


def test_lock_changes_only_where_it_has_to(
    repository: Path, real_wheel: Path, real_answers: dict[str, object], tmp_path: Path
) -> None:
    """From a stub of torch to the real wheel; everything else is the registry's own."""
    project = tmp_path / "project"
    with Replica(extra={"cpu": [real_wheel]}) as replica:
        own = {
            "torch_version": "2.12.1",
            "mirror_url": replica.url,
            "platforms": ["linux-x86_64"],
            "mirror_format": "simple",
        }
        run_copy(str(repository), project, data=real_answers | own, defaults=True, quiet=True)
        uv("add", "--no-sync", "idna>=3", cwd=project)
        uv("lock", "--upgrade-package=idna==3.7", "--upgrade-package=networkx==3.3", cwd=project)
        commit(project)
        before = versions(project)
        assert {("idna", "3.7"), ("networkx", "3.3")} <= before
        update(project, torch_version=REAL_TORCH)
        uv("sync", cwd=project)
    after = versions(project)
    of_torch = ("torch", "setuptools")
    assert {line for line in before ^ after if not line[0].startswith(of_torch)} == set()
    assert ("torch", f"{REAL_TORCH}+cpu") in after - before
    assert_report(uv("run", "--no-sync", "test-uv", cwd=project).stdout)


# With pytest-copier ------------------------------------------------------------------------------------------


def test_project_without_work_equals_a_fresh_render(copier: CopierFixture, tmp_path: Path) -> None:
    project = copier.copy(tmp_path / "project", project_name="project")
    commit(project.path)
    project.update(accelerator="cu130")
    fresh = copier.copy(tmp_path / "fresh", project_name="project", accelerator="cu130")
    project.assert_equal(fresh.path, ignore=[".git", "README.md"])
    assert project.load_answers(project.path) == fresh.answers


def test_update_keeps_a_saved_answer_that_is_not_the_default(copier: CopierFixture, tmp_path: Path) -> None:
    project = copier.copy(tmp_path / "project", accelerator="cu118")
    commit(project.path)
    project.update(description="new")
    assert project.load_answers(project.path)["accelerator"] == "cu118"
    assert project.load_answers(project.path)["torch_version"] == "2.7.1"
