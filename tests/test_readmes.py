"""The READMEs and the pages in docs/: every command is executed as it stands, the Chinese ones have the commands of the
English ones, and what they say about questions, files and figures is so.

Only hosts have stand-ins: a replica of PyTorch's index with the real wheel for the CPU, and a clone of this template.
"""

import ast
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import containers
import pytest
import yaml
from machines import Machine, Machines, smi
from packaging.version import Version
from printed import menu, printed
from reading import assert_report
from replica import Replica
from support import (
    ACCELERATORS,
    MIRRORS,
    PYPI_MIRRORS,
    PYTHON_MIRROR,
    PYTHONS,
    REAL_TORCH,
    RELEASES,
    ROOT,
    TABLE,
    change_table,
    commands,
    commit,
    path_with_uv,
    pressing_enter,
    questions,
    run,
    shell,
    uv,
)
from templates import as_repository, this_template, working_tree

Render = Callable[..., Path]

PAGES = {
    page: (ROOT / page).read_text(encoding="utf-8")
    for page in ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
    if not page.endswith(".zh-CN.md")
}
"""The pages in English: place -> text."""


def in_chinese(page: str) -> str:
    return (ROOT / page.replace(".md", ".zh-CN.md")).read_text(encoding="utf-8")


README = PAGES["README.md"]
CHINESE = in_chinese("README.md")


def headings(page: str) -> list[str]:
    return re.findall(r"^## (.*)$", page, re.MULTILINE)


def with_commands(page: str) -> set[str]:
    """The sections that have commands; "" for what comes before the first."""
    sections = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    named = zip(["", *sections[1::2]], sections[::2], strict=True)
    return {heading for heading, text in named if "```sh\n" in text}


def blocks(page: str) -> list[str]:
    """All shell commands, without their comments, one string for each block."""
    return [re.sub(r"\s+# .*", "", block) for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)]


# Stand-ins for hosts -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hosts(real_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of commands for which the template's repository and PyTorch's index are on this machine.

    Defaults are those for the real wheel; uv takes NVIDIA's packages from stubs.
    """
    folder = tmp_path_factory.mktemp("hosts")
    with Replica(extra={"cpu": [real_wheel]}) as replica:
        template = this_template(folder / "template")
        change_table(template, lambda table: table["mirrors"]["official"].update(url=replica.url))
        as_repository(template)
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        defaults = {"python_version": python, "torch_version": REAL_TORCH, "platforms": ["linux-x86_64"]}
        (folder / "settings.yml").write_text(yaml.safe_dump({"defaults": defaults}))
        yield {
            "COPIER_SETTINGS_PATH": str(folder / "settings.yml"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{template}.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://github.com/org/torch-uv-template.git",
            "UV_INDEX": replica.runtimes_url,
        }


# The template's README and its pages --------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_commands_of_the_readme(hosts: dict[str, str], tmp_path: Path) -> None:
    """On the project: those of README, and of the pages on test-uv, updates, questions and new names."""
    start, answered = commands(README, "Start a project")
    seen = pressing_enter(start, tmp_path, **hosts)
    assert "Which accelerator?" in seen
    assert f"torch:{REAL_TORCH}+cpu" in seen
    project = tmp_path / "myproj"
    commit(project)

    (tmp_path / "answered").mkdir()
    shell(answered, tmp_path / "answered", **hosts)
    constants = tmp_path / "answered/myproj/src/myproj/test_uv/constants.py"
    assert 'ACCELERATOR = "cu126"\n' in constants.read_text()

    (report,) = commands(PAGES["docs/test-uv.md"], "Run it")
    done = shell(report, project, **hosts)
    assert f"torch:{REAL_TORCH}+cpu" in done.stdout
    assert (project / "sin.png").stat().st_size > 1000
    (project / "sin.png").unlink()
    if not shutil.which("nvidia-smi"):
        (insisting,) = commands(PAGES["docs/test-uv.md"], "Insist on a device")
        done = shell(insisting, project, check=False, **hosts)
        assert done.returncode == 1
        assert done.stderr.startswith("test-uv: ")

    page = PAGES["docs/updates.md"]
    (change,), (undo,) = commands(page, "Change an answer"), commands(page, "Undo an update")
    (news,) = commands(page, "Take a newer version of the template")
    changed, updated, undone = commands(README, "Change and update")
    assert change == f"{changed}uv sync\n"
    assert news.endswith(f"\n{updated}uv sync\n")
    assert undo == undone
    shell(change, project, **hosts)
    assert torch_of(project) == f"{REAL_TORCH}+cu126"
    shell(undo, project, **hosts)
    done = shell(news.replace("uvx copier update --defaults\n", ""), project, **hosts)  # --pretend alone
    assert "What the update changed:" in done.stderr
    assert unchanged(project)
    shell(news, project, **hosts)
    assert torch_of(project) == f"{REAL_TORCH}+cpu"

    (export,) = commands(PAGES["docs/questions.md"], "Other tools")
    shell(f"uv venv --seed --python {sys.executable} {tmp_path}/pip", tmp_path)
    shell(export, project, **hosts, PATH=f"{tmp_path}/pip/bin:{path_with_uv()}")
    frozen = uv("pip", "freeze", "--python", tmp_path / "pip", cwd=project).stdout.splitlines()
    assert f"torch=={REAL_TORCH}+cpu" in frozen

    rename(project, hosts)


def rename(project: Path, hosts: dict[str, str]) -> None:
    """Give a project another name, and update it then."""
    run("git", "add", ".", cwd=project)
    run("git", "commit", "--quiet", "--message=Lock", cwd=project)
    (script,) = blocks(PAGES["docs/renaming.md"])
    for stated, own in {"my_project": "myproj", "my-project": "myproj"}.items():
        script = script.replace(stated, own)
    shell(script, project, **hosts)
    assert [folder.name for folder in (project / "src").iterdir()] == ["new_name"]
    assert "accelerator found:cpu" in shell("uv run test-uv", project, **hosts).stdout
    shell(
        "uvx copier update --defaults --quiet --vcs-ref=:current: --data accelerator=cu126", project, **hosts
    )
    assert pinned(project, "new_name") == "cu126"
    assert "UU" not in run("git", "status", "--porcelain", cwd=project).stdout


def pinned(project: Path, package: str = "myproj") -> str:
    """The accelerator that test-uv looks for."""
    text = (project / f"src/{package}/test_uv/constants.py").read_text(encoding="utf-8")
    return re.findall('^ACCELERATOR = "(.*)"$', text, re.MULTILINE)[0]


def unchanged(project: Path) -> bool:
    return run("git", "status", "--porcelain", cwd=project).stdout == ""


def indexes(project: Path) -> dict[str, str]:
    """The indexes of a project: name -> URL."""
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    return {index["name"]: index["url"] for index in table["tool"]["uv"]["index"]}


def torch_of(project: Path) -> str:
    code = "import importlib.metadata; print(importlib.metadata.version('torch'))"
    return uv("run", "--no-sync", "python", "-c", code, cwd=project).stdout.strip()


def test_commands_of_the_page_on_several_builds(hosts: dict[str, str], tmp_path: Path) -> None:
    page = PAGES["docs/several-builds.md"]
    (start,), (add,) = commands(page, "Start with two builds"), commands(page, "Add a build to a project")
    (copy,) = commands(README, "A laptop and a server")
    assert start.startswith(copy)
    done = shell(start, tmp_path, **hosts)
    assert "accelerator found:cpu" in done.stdout
    shell("uvx copier copy --defaults --quiet --data accelerator=cu126 gh:org/torch-uv-template one", tmp_path, **hosts)  # fmt: skip
    project = tmp_path / "one"
    commit(project)
    shell(add, project, **hosts)
    assert torch_of(project) == f"{REAL_TORCH}+cu126"
    shell("uv sync --no-group cu126 --group cpu", project, **hosts)
    assert torch_of(project) == f"{REAL_TORCH}+cpu"


def test_commands_of_the_page_on_mirrors(hosts: dict[str, str], tmp_path: Path) -> None:
    page = PAGES["docs/mirrors.md"]
    start, official = commands(page, "For everyone who uses the project")
    shell(start, tmp_path, **hosts)
    project = tmp_path / "mirrored"
    assert indexes(project)["pytorch"] == MIRRORS["nju"]["url"].replace("{accelerator}", "cpu")
    commit(project)
    shell(official, project, **hosts)
    lock = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))
    sources = {package["name"]: package["source"].get("registry", "") for package in lock["package"]}
    assert "nju" not in " ".join(sources.values())

    export, copy = commands(page, "From China")
    assert re.findall("=(.*)", export) == [PYPI_MIRRORS["nju"], PYTHON_MIRROR]
    # The default index of this machine stands for the mirror, a clone for the copy of the repository.
    export = export.replace(PYPI_MIRRORS["nju"], sources["numpy"])
    mine = "https://gitee.com/YOU/torch-uv-template.git"
    assert copy.count(mine) == 1
    copy = copy.replace(mine, hosts["GIT_CONFIG_KEY_0"].removeprefix("url.").removesuffix(".insteadOf"))
    here = hosts | {"GIT_CONFIG_COUNT": "0", "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}
    shell(f"{export}{copy}{start.replace('mirrored', 'again')}", tmp_path, **here)
    assert (tmp_path / "again/pyproject.toml").is_file()


def test_commands_of_the_page_on_ci(hosts: dict[str, str], tmp_path: Path) -> None:
    """A project in a subfolder: its workflow moves to the top, and updates do not bring it back."""
    monorepo = tmp_path / "monorepo"
    monorepo.mkdir()
    source = "gh:org/torch-uv-template"
    shell(f"uvx copier copy --defaults --quiet {source} myproj", monorepo, **hosts)
    commit(monorepo)
    page = PAGES["docs/ci.md"]
    (move,) = commands(page, "A project in a subfolder")
    shell(move, monorepo / "myproj", **hosts)
    assert not (monorepo / "myproj/.github").exists()
    run("git", "add", ".", cwd=monorepo)
    run("git", "commit", "--quiet", "--message=CI", cwd=monorepo)
    shell("uvx copier update --defaults --quiet --vcs-ref=:current: --data accelerator=cu126", monorepo / "myproj", **hosts)  # fmt: skip
    assert not (monorepo / "myproj/.github").exists()

    workflow = monorepo / ".github/workflows/myproj.yml"
    defaults, folder = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    text = workflow.read_text(encoding="utf-8").replace("\nenv:\n", f"\n{defaults}\nenv:\n")
    python = "          python-version: "
    assert text.count(python) == 1
    workflow.write_text(text.replace(python, folder + python), encoding="utf-8")
    check = Path(sys.executable).with_name("check-jsonschema")
    run(check, "--builtin-schema=vendor.github-workflows", workflow, cwd=monorepo)
    parsed = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert parsed["defaults"]["run"]["working-directory"] == "myproj"
    with_setup = [
        step["with"] for step in parsed["jobs"]["test"]["steps"] if "setup-uv" in step.get("uses", "")
    ]
    assert [inputs["working-directory"] for inputs in with_setup] == ["myproj"]


@pytest.fixture(scope="module")
def docker(hosts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Hosts, and a command `docker` whose images know the same indexes."""
    python = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    (uv_image,) = re.findall(
        "COPY --from=(ghcr.*) /uv", printed("{% if container == 'docker' %}Dockerfile{% endif %}")
    )
    variables = {"UV_INDEX": hosts["UV_INDEX"], "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    folder = tmp_path_factory.mktemp("docker")
    for place in containers.docker(folder, f"docker.io/library/{python}", uv_image, **variables):
        yield hosts | {"PATH": f"{place}:{path_with_uv()}"}


def test_commands_of_the_page_on_containers(docker: dict[str, str], tmp_path: Path) -> None:
    """Containers have no network, and nobody can write in them; a change of code downloads nothing."""
    page = PAGES["docs/containers.md"]
    start, add = commands(page, "Build it and run it")
    done = shell(start, tmp_path, **docker)
    assert_report(done.stdout[done.stdout.index("matplotlib:") :])
    look = "docker run --rm boxed sh -c 'for place in /app /home/app /tmp; do touch $place/x && exit 1; done; exit 0'"
    assert shell(look, tmp_path, **docker).stderr.count("Read-only file system") == 3
    tools = "docker run --rm boxed sh -c 'command -v uv || test -e /root/.cache'"
    assert shell(tools, tmp_path, check=False, **docker).returncode == 1

    example = tmp_path / "boxed/src/boxed/example.py"
    example.write_text(example.read_text() + "\nNEW = 3\n")
    again = shell("docker build --tag boxed .", tmp_path / "boxed", **docker)
    assert "Using cache" in again.stdout.partition("uv sync --locked")[2].partition("AS project")[0]
    assert "Download" not in again.stdout + again.stderr
    see = "docker run --rm boxed python -c 'import boxed.example; print(boxed.example.NEW)'"
    assert shell(see, tmp_path, **docker).stdout == "3\n"

    # A project that exists gets the files by an update; with two builds an argument chooses.
    plain = "uvx copier copy --defaults --quiet --data accelerator=cu126 --data 'switch_to=[\"cpu\"]' gh:org/torch-uv-template two"
    shell(plain, tmp_path, **docker)
    commit(tmp_path / "two")
    shell(f"{add}uv lock", tmp_path / "two", **docker)
    (choose,) = commands(page, "Several builds")
    shell(choose, tmp_path / "two", **docker)
    assert f"torch:{REAL_TORCH}+cpu\n" in shell("docker run --rm boxed-cpu", tmp_path, **docker).stdout
    shell("docker build --tag boxed-gpu .", tmp_path / "two", **docker)  # its torch is a stub
    version = (
        "docker run --rm boxed-gpu python -c 'import importlib.metadata as m; print(m.version(\"torch\"))'"
    )
    assert shell(version, tmp_path, **docker).stdout == f"{REAL_TORCH}+cu126\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_commands_of_the_chinese_readme(hosts: dict[str, str], tmp_path: Path) -> None:
    """They are the English ones, except the first two: uv, Copier and the project's wheels come from mirrors."""
    install, start = blocks(CHINESE)[:2]
    assert blocks(CHINESE)[2:] == blocks(README)[1:]
    *exports, install = install.splitlines(keepends=True)
    exported, instead_of = commands(PAGES["docs/mirrors.md"], "From China")
    assert "".join(exports) == exported
    assert f"`{instead_of.strip()}`" in CHINESE
    # The default index of this machine stands for the mirror; the project's mirrors are taken out before uv asks them.
    mirror = " --index-url $UV_DEFAULT_INDEX"
    assert install.count(mirror) == 1
    shell(f"uv venv --seed --python {sys.executable} {tmp_path}/pip", tmp_path)
    shell(install.replace(mirror, ""), tmp_path, PATH=f"{tmp_path}/pip/bin:{path_with_uv()}")
    assert (tmp_path / "pip/bin/uvx").is_file()
    copy, enter, test = start.strip().splitlines()
    pressing_enter(copy, tmp_path, **hosts)
    project = tmp_path / "myproj"
    assert enter == "cd myproj"
    assert indexes(project) == {
        "pytorch": "https://mirror.nju.edu.cn/pytorch/whl/cpu",
        "pypi": PYPI_MIRRORS["nju"],
    }
    commit(project)
    official = "--data=mirror=official --data=pypi_mirror=official"
    shell(f"uvx copier update --defaults --quiet --vcs-ref=:current: {official}", project, **hosts)
    assert f"torch:{REAL_TORCH}+cpu" in shell(test, project, **hosts).stdout
    assert (project / "README.md").read_text(encoding="utf-8").count("## 更新时遇到冲突") == 1


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_chinese_pages_have_the_same_commands(page: str) -> None:
    assert blocks(in_chinese(page)) == blocks(PAGES[page])
    assert len(headings(in_chinese(page))) == len(headings(PAGES[page]))


def test_readmes_are_short() -> None:
    for readme in (README, CHINESE):
        assert len(readme.splitlines()) <= 120


# The READMEs of projects -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rendered(hosts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the real wheel, under git with its lock."""
    project = tmp_path_factory.mktemp("rendered") / "myproj"
    shell(f"uvx copier copy --defaults --quiet gh:org/torch-uv-template {project}", project.parent, **hosts)
    commit(project)
    return project


def test_commands_of_a_rendered_readme(hosts: dict[str, str], rendered: Path) -> None:
    readme = (rendered / "README.md").read_text(encoding="utf-8")
    (start,) = commands(readme, "Start")
    shown = shell(start, rendered, **hosts).stdout
    assert f"torch:{REAL_TORCH}+cpu" in shown
    assert " passed" in shown
    run("git", "add", ".", cwd=rendered)
    run("git", "commit", "--quiet", "--message=Lock", cwd=rendered)

    # Another test executes the others.
    others = commands(readme, "PyTorch") + commands(readme, "If an update conflicts")
    assert others == commands(README, "Change and update")
    assert with_commands(readme) == {"Start", "PyTorch", "If an update conflicts"}


def test_conflict_is_what_the_pages_say(hosts: dict[str, str], rendered: Path, tmp_path: Path) -> None:
    """The update ends well, git names the file, uv stops at the markers, and the update can be undone."""
    run("git", "clone", "--quiet", rendered, tmp_path / "myproj", cwd=tmp_path)
    project = tmp_path / "myproj"
    file = project / "pyproject.toml"
    file.write_text(re.sub('"http.*/cpu"', '"https://example.com/mine/cpu"', file.read_text()))
    run("git", "commit", "--quiet", "--all", "--message=Mine", cwd=project)
    readme = (project / "README.md").read_text(encoding="utf-8")
    change, _ = commands(readme, "PyTorch")
    shell(change, project, **hosts)
    (look,) = commands(PAGES["docs/updates.md"], "If an update conflicts")
    assert re.search("both modified: +pyproject.toml", shell(look, project).stdout)
    assert {"<<<<<<<", ">>>>>>>"} <= {line[:7] for line in file.read_text().splitlines()}
    assert "TOML parse error" in shell("uv sync", project, check=False, **hosts).stderr
    shell(*commands(readme, "If an update conflicts"), project)
    assert unchanged(project)


EVERY_KIND: list[dict[str, object]] = [
    {
        "accelerator": "cu126",
        "torch_version": "2.9.1",
        "python_version": "3.11",
        "companions": ["torchvision"],
    },
    {"accelerator": "rocm7.2", "switch_to": ["cpu"], "mirror": "nju", "ci": "gitlab", "license": "none"},
    {"mirror": "custom", "mirror_url": "https://example.com/cpu", "ci": "none", "platforms": ["macos-arm64"]},
    {"accelerator": "xpu", "platforms": ["linux-x86_64"], "pypi_mirror": "tuna", "author_name": "Ada"},
]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rendered_readme_is_true_whatever_an_update_changes(render: Render, language: str) -> None:
    """Updates leave README alone: it depends on no answer but the name, the description and the language."""
    first, *others = (
        (render(f"{number}/p", language=language, **answers) / "README.md").read_text(encoding="utf-8")
        for number, answers in enumerate([{}, *EVERY_KIND])
    )
    assert others == [first] * len(others)
    assert len(first.splitlines()) <= 60


def test_rendered_readmes_have_the_same_commands(render: Render) -> None:
    english, chinese = (
        (render(f"{language}/p", language=language) / "README.md").read_text("utf-8")
        for language in ("en", "zh")
    )
    assert len(blocks(english)) == 4
    assert blocks(chinese) == blocks(english)
    assert not set(headings(chinese)) & set(headings(english))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rendered_readme_links_to_pages_that_exist(render: Render, language: str) -> None:
    readme = (render(language=language) / "README.md").read_text("utf-8")
    pages = re.findall(r"\(https://github.com/org/torch-uv-template/blob/HEAD/(.*?)\)", readme)
    assert len(pages) == 5
    for page in pages:
        assert (ROOT / page).is_file()
        assert page.endswith(".zh-CN.md") is (language == "zh")


# Nothing is left out ------------------------------------------------------------------------------------------

# What executes the commands of each section.
EXECUTED: dict[str, dict[str, str]] = {
    "README.md": {
        "Start a project": "test_readmes.py::test_commands_of_the_readme",
        "I have a project already": "test_adopt.py::test_commands_of_the_pages",
        "Change and update": "test_readmes.py::test_commands_of_the_readme",
        "A laptop and a server": "test_readmes.py::test_commands_of_the_page_on_several_builds",
        "More": "test_repository.py::test_ci_runs_the_commands_of_the_readme",
    },
    "docs/adopt.md": {
        "Do it": "test_adopt.py::test_commands_of_the_pages",
        "Undo": "test_adopt.py::test_commands_of_the_pages",
    },
    "docs/ci.md": {"A project in a subfolder": "test_readmes.py::test_commands_of_the_page_on_ci"},
    "docs/compiled-packages.md": {"From PyPI": "test_compiled_packages.py::test_commands_of_the_page"},
    "docs/containers.md": {
        "Build it and run it": "test_readmes.py::test_commands_of_the_page_on_containers",
        "Several builds": "test_readmes.py::test_commands_of_the_page_on_containers",
    },
    "docs/mirrors.md": {
        "For everyone who uses the project": "test_readmes.py::test_commands_of_the_page_on_mirrors",
        "For you alone": "test_mirrors.py::for_one_person",
        "From China": "test_readmes.py::test_commands_of_the_page_on_mirrors",
    },
    "docs/offline.md": {
        "A new project": "test_mirrors.py::test_new_project_starts_without_internet",
        "A project that exists already": "test_mirrors.py::test_lock_is_installed_without_internet",
    },
    "docs/questions.md": {"Other tools": "test_readmes.py::test_commands_of_the_readme"},
    "docs/renaming.md": {"": "test_readmes.py::rename"},
    "docs/several-builds.md": {
        "Start with two builds": "test_readmes.py::test_commands_of_the_page_on_several_builds",
        "Add a build to a project": "test_readmes.py::test_commands_of_the_page_on_several_builds",
    },
    "docs/test-uv.md": {
        "Run it": "test_readmes.py::test_commands_of_the_readme",
        "Insist on a device": "test_readmes.py::test_commands_of_the_readme",
    },
    "docs/updates.md": {
        "Change an answer": "test_readmes.py::test_commands_of_the_readme",
        "Take a newer version of the template": "test_readmes.py::test_commands_of_the_readme",
        "If an update conflicts": "test_readmes.py::test_conflict_is_what_the_pages_say",
        "Undo an update": "test_readmes.py::test_commands_of_the_readme",
    },
}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_executed(page: str) -> None:
    executed = EXECUTED.get(page, {})
    assert with_commands(PAGES[page]) == set(executed)
    for heading, place in executed.items():
        module, function = place.split("::")
        text = (ROOT / "tests" / module).read_text("utf-8")
        (found,) = (node for node in ast.parse(text).body if getattr(node, "name", "") == function)
        assert (heading or page) in (ast.get_source_segment(text, found) or "")


# What they say -----------------------------------------------------------------------------------------------


def answers_offered() -> dict[str, list[str] | None]:
    """The questions that people are asked, with the answers offered to somebody; None for any text."""
    fixed = {name: question.get("choices") for name, question in questions().items()}
    from_facts = {
        "python_version": PYTHONS,
        "accelerator": ACCELERATORS,
        "torch_version": sorted(RELEASES, key=Version),
        "mirror": [*MIRRORS, "custom"],
        "pypi_mirror": ["official", *PYPI_MIRRORS, "custom"],
        "switch_to": ACCELERATORS,
        "companions": TABLE["companions"],
        "platforms": list(TABLE["platforms"]),
    }  # fmt: skip
    return {
        name: from_facts.get(name) or (list(choices.values()) if isinstance(choices, dict) else choices)
        for name, choices in fixed.items()
    }


INSIDE = {"mirror_url", "mirror_format", "pypi_mirror_url"}  # in the rows of the questions that they go with


def both(page: str) -> pytest.MarkDecorator:
    """Run a test on a page in both languages."""
    return pytest.mark.parametrize("text", [PAGES[page], in_chinese(page)], ids=["English", "Chinese"])


@both("docs/answers.md")
def test_page_names_all_questions_and_answers(text: str) -> None:
    offered = answers_offered()
    (table,) = re.findall(r"^\| `project_name`.*?\n\n", text, re.MULTILINE | re.DOTALL)
    columns = [line.split("|") for line in table.splitlines() if line]
    rows = [(re.findall("`(.*?)`", first), answers) for _, first, answers, *_ in columns]
    named = [name for names, _ in rows for name in names]
    assert sorted([*named, *INSIDE]) == sorted(offered)
    assert set(re.findall("`(.*?)`", " ".join(answers for _, answers in rows))) >= INSIDE
    for (name, *_), answers in rows:
        said = [word for word in re.findall("`(.*?)`", answers) if word not in INSIDE]
        if name == "python_version" or name == "torch_version":
            assert re.findall(r"[\d.]+\d", answers) == [offered[name][0]]
        elif name == "accelerator":
            cuda = [key for key in offered[name] if key.startswith("cu")]
            rocm = [key for key in offered[name] if key.startswith("rocm")]
            assert said == ["cpu", cuda[0], cuda[-1], rocm[0], rocm[-1], "xpu"]
            assert set(cuda + rocm) | {"cpu", "xpu"} == set(offered[name])
        elif name != "switch_to" and offered[name]:
            assert said == offered[name]


def test_links_lead_somewhere() -> None:
    """Those inside the repository: files, and headings as GitHub makes anchors of them."""
    for file in working_tree():
        if file.suffix != ".md":
            continue
        text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("#"):
                assert target[1:] in anchors, (file, target)
            elif "://" not in target:
                assert (file.parent / target).is_file(), (file, target)


def test_example_of_a_problem_is_what_test_uv_says(tmp_path: Path) -> None:
    old_driver = Machine("cu130", smi=smi("550.54.14", ("NVIDIA A100", "8.0")))
    (line,) = Machines(tmp_path).diagnose(old_driver).err
    for text in (PAGES["docs/test-uv.md"], in_chinese("docs/test-uv.md")):
        assert f"\n```\n{line}\n```\n" in text


def test_pictures_show_the_questionnaire_of_now() -> None:
    """They are made by scripts/pictures.py; what it photographs has not changed since."""
    shown = {}
    for file in (ROOT / ".github/pictures").iterdir():
        text = file.read_text(encoding="utf-8")
        assert "url(http" not in text
        rows: dict[str, str] = {}
        for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text"):
            row = element.get("y", "")
            rows[row] = rows.get(row, "") + (element.text or "").replace("\xa0", " ")
        shown[file.name] = "\n".join(rows.values())
    assert set(shown) == {"questionnaire.svg", "test-uv.svg"}
    for label, reason in menu("accelerator", python_version="3.14").values():
        # The release is left out: a new one needs no new pictures.
        line = f"{label} ({reason})" if reason else label.partition("; torch")[0]
        assert line[:75] in shown["questionnaire.svg"]
    assert "torch:2." in shown["test-uv.svg"]
    assert "test-uv: torch 2." in shown["test-uv.svg"]


def test_figures_are_those_of_the_recorded_run() -> None:
    record = json.loads((ROOT / "benchmarks/results.json").read_text())
    figures = record["figures"]
    expected = []
    for name in ("bytes", "packages", "lock", "test-uv", "render", "update"):
        sides = [figures[name]["ours"], figures[name]["theirs"]]
        cells = {
            "bytes": [f"{size / 1e9:.2f} GB" for size in sides],
            "packages": [str(count) for count in sides],
        }.get(name, [f"{seconds:.1f} s" for seconds in sides])
        expected.append([f"{figures[name]['ratio']:.2f}", *cells])
    for text in (PAGES["docs/comparison.md"], in_chinese("docs/comparison.md")):
        rows = [[cell.strip() for cell in row.split("|")[2:5]] for row in text.splitlines() if row[:1] == "|"]
        assert [row for row in rows if row[0].replace(".", "", 1).isdigit()] == expected
        (place,) = [line for line in text.splitlines() if record["date"] in line and "torch 2.13.0" in line]
        assert record["machine"] in place


FLOORS = {key: list(row["drivers"].values()) for key, row in TABLE["accelerators"].items() if row["drivers"]}


@both("docs/questions.md")
def test_drivers_are_those_of_the_data(text: str) -> None:
    (paragraph,) = [part for part in text.split("\n\n") if "CUDA 11.8" in part]
    assert re.findall(r"\d{3}(?:\.\d+)*", paragraph) == [*FLOORS["cu118"], *FLOORS["cu126"], *FLOORS["cu130"]]
    assert {tuple(floor) for floor in FLOORS.values()} == {tuple(FLOORS[key]) for key in ("cu118", "cu126", "cu130")}  # fmt: skip


@both("README.md")
def test_table_of_cards_is_that_of_the_data(text: str) -> None:
    """Each row has the GPUs and drivers of its accelerator; every family of accelerators has a row."""
    rows = [[cell.strip() for cell in row.split("|")[1:4]] for row in text.splitlines() if row[:2] == "| "][
        2:
    ]
    rows = [[cards.replace(" 到 ", " to ").replace("，", ", "), *rest] for cards, *rest in rows]
    families = set()
    for number, (cards, drivers, key) in enumerate(rows):
        known = TABLE["accelerators"][key.strip("`")]
        families.add(known["family"])
        assert re.findall(r"\d{3}(?:\.\d+)*", drivers) == FLOORS.get(key.strip("`"), [])
        if known["family"] != "cpu":
            same = "older driver" in cards or "驱动更旧" in cards
            assert known["gpus"] in (rows[number - 1][0] if same else cards)
    assert families == {row["family"] for row in TABLE["accelerators"].values()}
