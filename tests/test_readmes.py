"""The READMEs: every command is executed as it stands, the Chinese ones have the English one's commands, and what they
say about questions, files and figures is so.

Only hosts have stand-ins: a replica of PyTorch's index with the real wheel for the CPU, and a clone of this template.
"""

import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import test_mirrors
import test_repository
import yaml
from conftest import REAL_TORCH
from machines import Machines, Situation, smi
from packaging.version import Version
from printed import menu
from replica import Replica
from support import (
    ACCELERATORS,
    PYTHONS,
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
from test_mirrors import MIRRORS, PYPI_MIRRORS

Render = Callable[..., Path]

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
TUNA = "https://pypi.tuna.tsinghua.edu.cn/simple"

# Sections whose commands other tests execute.
ELSEWHERE = {
    "Without internet": test_mirrors.test_new_project_starts_without_internet,
    "From a clone": test_repository.test_ci_runs_the_commands_of_the_readme,
}
RENDERED_ELSEWHERE = {
    "Mirrors": test_mirrors.test_mirror_for_one_person,
    "Without internet": test_mirrors.test_lock_is_installed_without_internet,
}


def headings(readme: str) -> list[str]:
    return re.findall(r"^## (.*)$", readme, re.MULTILINE)


def with_commands(readme: str) -> set[str]:
    return {heading for heading in headings(readme) if commands(readme, heading)}


def blocks(readme: str) -> list[str]:
    """All shell commands, without their comments, one string for each block."""
    return [
        re.sub(r"\s+# .*", "", block) for heading in headings(readme) for block in commands(readme, heading)
    ]


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


# The template's READMEs --------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_commands_of_the_readme(hosts: dict[str, str], tmp_path: Path) -> None:
    start, answered = commands(README, "Start a project")
    seen = pressing_enter(start, tmp_path, **hosts)
    assert "Which accelerator?" in seen
    assert f"torch:{REAL_TORCH}+cpu" in seen
    project = tmp_path / "myproj"
    commit(project)

    (tmp_path / "answered").mkdir()
    shell(answered, tmp_path / "answered", **hosts)
    assert (
        'ACCELERATOR = "cu126"\n'
        in (tmp_path / "answered/myproj/src/myproj/test_uv/constants.py").read_text()
    )

    report, insisting = commands(README, "Ask test-uv")
    done = shell(report, project, **hosts)
    assert f"torch:{REAL_TORCH}+cpu" in done.stdout
    assert (project / "sin.png").stat().st_size > 1000
    (project / "sin.png").unlink()
    if not shutil.which("nvidia-smi"):
        done = shell(insisting, project, check=False, **hosts)
        assert done.returncode == 1
        assert done.stderr.startswith("test-uv: ")

    check_updates(project, hosts, *commands(README, "Change the accelerator, take updates"))

    (export,) = commands(README, "Questions people ask")
    shell(f"uv venv --seed --python {sys.executable} {tmp_path}/pip", tmp_path)
    shell(export, project, **hosts, PATH=f"{tmp_path}/pip/bin:{path_with_uv()}")
    frozen = uv("pip", "freeze", "--python", tmp_path / "pip", cwd=project).stdout.splitlines()
    assert f"torch=={REAL_TORCH}+cpu" in frozen

    (several,) = commands(README, "Several builds in one project")
    done = shell(several, tmp_path, **hosts)
    assert "accelerator found:cpu" in done.stdout

    (mirrored,) = commands(README, "Mirrors")
    shell(mirrored, tmp_path, **hosts)
    indexes = tomllib.loads((tmp_path / "mirrored/pyproject.toml").read_text())["tool"]["uv"]["index"]
    assert indexes[0]["url"] == "https://mirror.nju.edu.cn/pytorch/whl/cpu"

    executed = {
        "Start a project",
        "Ask test-uv",
        "Change the accelerator, take updates",
        "Questions people ask",
        "Several builds in one project",
        "Mirrors",
    }
    assert executed | set(ELSEWHERE) == with_commands(README)


def check_updates(project: Path, hosts: dict[str, str], change: str, news: str, undo: str) -> None:
    """Change the accelerator, undo it, and take the template's news, of which there are none."""
    shell(change, project, **hosts)
    assert torch_of(project) == f"{REAL_TORCH}+cu126"
    shell(undo, project, **hosts)
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""
    shell(news, project, **hosts)
    assert torch_of(project) == f"{REAL_TORCH}+cpu"


def torch_of(project: Path) -> str:
    code = "import importlib.metadata; print(importlib.metadata.version('torch'))"
    return uv("run", "--no-sync", "python", "-c", code, cwd=project).stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_commands_of_the_chinese_readme(hosts: dict[str, str], tmp_path: Path) -> None:
    """They are the English ones, except the first two: uv, Copier and the project's wheels come from mirrors."""
    install, start = (block for block in blocks(CHINESE) if block not in blocks(README))
    assert sorted(blocks(CHINESE)) == sorted([install, start, *blocks(README)[1:]])
    # The default index of this machine stands for TUNA; the project's mirrors are taken out before uv asks them.
    assert install.count(f" --index-url {TUNA}") == 1
    assert start.count(f" --default-index {TUNA}") == 1
    shell(f"uv venv --seed --python {sys.executable} {tmp_path}/pip", tmp_path)
    path = f"{tmp_path}/pip/bin:{path_with_uv()}"
    shell(install.replace(f" --index-url {TUNA}", ""), tmp_path, PATH=path)
    assert (tmp_path / "pip/bin/uvx").is_file()
    copy, enter, test = start.replace(f" --default-index {TUNA}", "").strip().splitlines()
    pressing_enter(copy, tmp_path, **hosts)
    project = tmp_path / "myproj"
    assert enter == "cd myproj"
    indexes = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["uv"]["index"]
    assert [index["url"] for index in indexes] == [
        "https://mirror.nju.edu.cn/pytorch/whl/cpu",
        "https://mirror.nju.edu.cn/pypi/web/simple",
    ]
    commit(project)
    official = "--data=mirror=official --data=pypi_mirror=official"
    shell(f"uvx copier update --defaults --quiet --vcs-ref=:current: {official}", project, **hosts)
    assert f"torch:{REAL_TORCH}+cpu" in shell(test, project, **hosts).stdout
    assert (project / "README.md").read_text(encoding="utf-8").count("## 镜像") == 1


# The READMEs of projects -------------------------------------------------------------------------------------


def test_rendered_readmes_have_the_same_commands(render: Render) -> None:
    for number, answers in enumerate([{}, {"accelerator": "cu130", "switch_to": ["rocm7.2"]}]):
        english, chinese = (
            (render(f"{number}{language}", language=language, **answers) / "README.md").read_text("utf-8")
            for language in ("en", "zh")
        )
        assert len(blocks(english)) > 5
        assert sorted(blocks(chinese)) == sorted(blocks(english))
        assert not set(headings(chinese)) & set(headings(english))


def test_commands_of_a_rendered_readme(hosts: dict[str, str], tmp_path: Path) -> None:
    source = "gh:org/torch-uv-template"
    shell(f"uvx copier copy --defaults --quiet {source} myproj", tmp_path, **hosts)
    shell(f"uvx copier copy --defaults --quiet --data accelerator=cu126 {source} several", tmp_path, **hosts)
    project, several = tmp_path / "myproj", tmp_path / "several"
    commit(project)
    commit(several)
    readme = (project / "README.md").read_text(encoding="utf-8")

    (start,) = commands(readme, "Start")
    shown = shell(start, project, **hosts).stdout
    assert f"torch:{REAL_TORCH}+cpu" in shown
    assert " passed" in shown
    run("git", "add", ".", cwd=project)
    run("git", "commit", "--quiet", "--message=Lock", cwd=project)

    check_updates(project, hosts, *commands(readme, "PyTorch"))

    official, _ = commands(readme, "Mirrors")
    shell(official, project, **hosts)
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""

    # Of a project for a GPU, so that the second build is the one of which there is a real wheel.
    keep, once, stay = commands((several / "README.md").read_text(encoding="utf-8"), "Several builds")
    shell(keep, several, **hosts)
    assert torch_of(several) == f"{REAL_TORCH}+cu126"
    assert "accelerator found:cpu" in shell(once, several, **hosts).stdout
    shell("uv sync", several, **hosts)
    assert "accelerator found:cpu" in shell(stay, several, **hosts).stdout
    assert torch_of(several) == f"{REAL_TORCH}+cpu"

    assert {"Start", "PyTorch", "Several builds"} | set(RENDERED_ELSEWHERE) == with_commands(readme)


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


@pytest.mark.parametrize("readme", [README, CHINESE], ids=["English", "Chinese"])
def test_readmes_name_all_questions_and_answers(readme: str) -> None:
    offered = answers_offered()
    (table,) = re.findall(r"^\| `project_name`.*?\n\n", readme, re.MULTILINE | re.DOTALL)
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
    old_driver = Situation("cu130", smi=smi("550.54.14", ("NVIDIA A100", "8.0")))
    (line,) = Machines(tmp_path).diagnose(old_driver).err
    for readme in (README, CHINESE):
        assert f"\n```\n{line}\n```\n" in readme


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
    for readme in (README, CHINESE):
        rows = [
            [cell.strip() for cell in row.split("|")[2:5]] for row in readme.splitlines() if row[:1] == "|"
        ]
        assert [row for row in rows if row[0].replace(".", "", 1).isdigit()] == expected
        (place,) = [line for line in readme.splitlines() if record["date"] in line and "torch 2.13.0" in line]
        assert record["machine"] in place


@pytest.mark.parametrize("readme", [README, CHINESE], ids=["English", "Chinese"])
def test_drivers_are_those_of_the_data(readme: str) -> None:
    (line,) = [line for line in readme.replace("\n", " ").split("  **") if "CUDA 11.8" in line]
    said = re.findall(r"\d{3}(?:\.\d+)*", line)
    floors = {
        key: list(row["drivers"].values()) for key, row in TABLE["accelerators"].items() if row["drivers"]
    }
    assert said == [*floors["cu118"], *floors["cu126"], *floors["cu130"]]
    assert {tuple(floor) for floor in floors.values()} == {tuple(floors[key]) for key in ("cu118", "cu126", "cu130")}  # fmt: skip
