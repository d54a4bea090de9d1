"""What test-uv proposes mends what it found: the finding, its command, and a run without the finding."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from machines import Gpu, Machine, Machines, smi
from replica import stub_wheel
from support import commit, run, uv

A100, RTX5090, GTX1080 = ("NVIDIA A100", "8.0"), ("RTX 5090", "12.0"), ("GTX 1080", "6.1")
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"
NEW_DRIVER = smi("580.65.06", A100)


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    return Machines(tmp_path_factory.mktemp("machines"))


@pytest.fixture(scope="module")
def released(template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The template as a repository with a release, which `copier update` needs."""
    folder = tmp_path_factory.mktemp("released") / "template"
    shutil.copytree(template, folder)
    commit(folder)
    run("git", "tag", "--annotate", "1.0.0", "--message=One", cwd=folder)
    return f"git+file://{folder}"


def follow(commands: list[str], project: Path) -> None:
    """Type what was proposed, in a project that is committed as it is; nothing may conflict."""
    run("git", "add", "--all", cwd=project)
    run("git", "commit", "--quiet", "--allow-empty", "--message=Change", cwd=project)
    for command in commands:
        program, *words = command.split()
        if program == "uvx":
            run(sys.executable, "-m", *words, cwd=project)
            assert run("git", "diff", "--name-only", "--diff-filter=U", cwd=project).stdout == ""
        else:
            assert program == "uv"
            uv(*words, cwd=project)


# Machines of stubs: what the person does changes the machine, the project or the variables.

CURES = {
    "driver too old for this build": (
        Machine(smi=smi("550.54.14", A100)),
        "update the driver to 580.65.06 or newer, or run `",
        [{"smi": NEW_DRIVER, "gpus": [Gpu()]}, {"pinned": "cu126", "smi": smi("550.54.14", A100), "gpus": [Gpu()]}],
    ),
    "driver too old for every build, the CPU build pinned": (
        Machine("cpu", smi=smi("390.157", A100)),
        "update the driver to 525.60.13 or newer, then run `",
        [{"pinned": "cu126", "smi": smi("525.60.13", A100), "gpus": [Gpu()]}],
    ),
    "mirror of one build": (
        Machine("cpu", smi=NEW_DRIVER, one_build=True),
        "use another mirror, since this one has a single build, run `",
        [{"pinned": "cu126", "one_build": False, "gpus": [Gpu()]}],
    ),
    "two GPUs that no build has together": (
        Machine(gpus=[Gpu(*GTX1080, NO_KERNEL), Gpu(*RTX5090)], smi=smi("580.65.06", GTX1080, RTX5090)),
        "to use the others, run `export CUDA_VISIBLE_DEVICES=1`",
        [{"gpus": [Gpu(*RTX5090)], "environ": {"CUDA_VISIBLE_DEVICES": "1"}}],
    ),
    "hidden": (
        Machine(smi=NEW_DRIVER, environ={"CUDA_VISIBLE_DEVICES": "-1"}),
        "run `unset CUDA_VISIBLE_DEVICES`",
        [{"environ": {}, "gpus": [Gpu()]}],
    ),
    "GPU without code in the build": (
        Machine("cu126", gpus=[Gpu(*RTX5090, NO_KERNEL)], archs=["sm_90"], smi=smi("580.65.06", RTX5090)),
        "accelerator=cu129",
        [{"pinned": "cu129", "gpus": [Gpu(*RTX5090)]}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "fix", "after"), CURES.values(), ids=CURES)
def test_finding_is_gone_after_its_cure(
    machines: Machines, before: Machine, fix: str, after: list[dict[str, object]]
) -> None:
    assert fix in machines.diagnose(before).finding["fix"]
    for change in after:
        assert machines.diagnose(replace(before, **change)).report["findings"] == []


# Commands as they are printed, run by Copier


@pytest.mark.parametrize(
    ("machine", "answers", "expected"),
    [
        (Machine(smi=smi("550.54.14", A100)), {"accelerator": "cu130"}, {"accelerator": "cu126"}),
        (
            Machine("cpu", smi=NEW_DRIVER, one_build=True),
            {"mirror": "custom", "mirror_url": "https://mirror.example.org/whl/cpu"},
            {"accelerator": "cu126", "mirror": "official"},
        ),
    ],
    ids=["accelerator", "mirror of one build"],
)
def test_proposed_command_changes_a_project(
    machines: Machines,
    released: str,
    tmp_path: Path,
    machine: Machine,
    answers: dict[str, str],
    expected: dict[str, str],
) -> None:
    data = {"torch_version": "2.13.0", **answers}
    run_copy(released, tmp_path / "demo", data=data, defaults=True, quiet=True)
    commit(tmp_path / "demo")
    *update, sync = machines.diagnose(machine).finding["commands"]
    assert sync == "uv sync"
    follow(update, tmp_path / "demo")
    saved = yaml.safe_load((tmp_path / "demo/.copier-answers.yml").read_text())
    assert {name: saved[name] for name in expected} == expected
    constants = (tmp_path / "demo/src/demo/test_uv/constants.py").read_text().splitlines()
    assert f'ACCELERATOR = "{expected["accelerator"]}"' in constants
    assert "ONE_BUILD = False  # whether the mirror has only this build" in constants


# Projects on a real wheel of torch

Project = Callable[..., Path]


@pytest.fixture
def project(released: str, real_wheel: Path, real_answers: dict[str, object], tmp_path: Path) -> Project:
    """Make a project, by default for the wheel at hand, installed and committed.

    Its mirror is a folder with that wheel, and with stubs of the releases that cures name.
    """
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / real_wheel.name).symlink_to(real_wheel)
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for release in ("2.14.1", "2.12.1"):
        name, content = stub_wheel("torch", f"{release}+cpu", f"{python}-{python}-manylinux_2_28_x86_64")
        (wheels / name).write_bytes(content)

    def project(*, sync: bool = True, **answers: object) -> Path:
        data = {**real_answers, "mirror_url": str(wheels), "platforms": ["linux-x86_64"], **answers}
        run_copy(released, tmp_path / "demo", data=data, defaults=True, quiet=True)
        commit(tmp_path / "demo")
        if sync:
            uv("sync", cwd=tmp_path / "demo")
        return tmp_path / "demo"

    return project


def findings(project: Path, package: str = "demo") -> list[dict]:
    """What test-uv finds in a project, with the project's folder first on Python's path."""
    python = project / ".venv/bin/python"
    done = run(python, "-m", f"{package}.test_uv", "--json", cwd=project, check=False)
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == report["verdict"].startswith("ok: ")
    return report["findings"]


def test_torch_pinned_by_hand(project: Project, real_answers: dict[str, object]) -> None:
    """`uv sync` would install the same once more; the update takes the pin over."""
    release = real_answers["torch_version"]
    folder = project(sync=False, torch_version="2.14.1")
    uv("add", f"torch=={release}", cwd=folder)
    uv("sync", cwd=folder)
    (finding,) = findings(folder)
    assert finding["text"].startswith(
        f"torch {release} for cpu is installed, but torch 2.14.1 for cpu is pinned"
    )
    follow(finding["commands"], folder)
    assert findings(folder) == []


def test_answers_edited_by_hand(project: Project, real_answers: dict[str, object]) -> None:
    folder = project()
    answers = folder / ".copier-answers.yml"
    text = answers.read_text()
    release = f"torch_version: {real_answers['torch_version']}"
    assert release in text
    answers.write_text(text.replace(release, "torch_version: 2.12.1"))
    (finding,) = findings(folder)
    assert finding["what"] == ".copier-answers.yml says 2.12.1"
    assert finding["fix"].startswith(f"restore {release}, commit it, and for 2.12.1 run `uvx copier update")
    answers.write_text(text)
    assert findings(folder) == []


@pytest.mark.parametrize("thorough", [False, True], ids=["the folder alone", "its name everywhere"])
def test_package_renamed_by_hand(project: Project, thorough: bool) -> None:
    folder = project()
    run("git", "mv", "src/demo", "src/other", cwd=folder)
    if thorough:
        for file in [
            folder / "pyproject.toml",
            *folder.rglob("src/other/**/*.py"),
            *folder.glob("tests/*.py"),
        ]:
            file.write_text(re.sub(r"\bdemo\b", "other", file.read_text()))
    python = "import sys; sys.path.insert(0, 'src'); sys.argv = ['x', '--json']; from other.test_uv import main; main()"
    report = json.loads(run(folder / ".venv/bin/python", "-c", python, cwd=folder).stdout)
    (finding,) = report["findings"]
    assert finding["what"] == "the package is called other"
    follow(finding["commands"], folder)
    assert findings(folder, "other") == []
    assert [path.name for path in (folder / "src").iterdir() if any(path.rglob("*.py"))] == ["other"]
    uv("run", "test-uv", "--quiet", cwd=folder)
    # What the finding is about: an update reaches the constants again.
    follow(["uvx copier update --defaults --vcs-ref=:current: --data torch_version=2.12.1"], folder)
    assert 'TORCH_VERSION = "2.12.1"' in (folder / "src/other/test_uv/constants.py").read_text()


def test_file_called_torch(project: Project) -> None:
    folder = project()
    (folder / "torch.py").write_text("import torch\nprint(torch.tensor([1.0]))\n")
    (finding,) = findings(folder)
    assert finding["text"] == f"{folder}/torch.py is imported, not torch: rename it"
    (folder / "torch.py").rename(folder / "example.py")
    assert findings(folder) == []


def test_folder_called_torch_where_torch_is_missing(project: Project) -> None:
    """Python takes the empty folder for a package, but only where there is no other."""
    folder = project()
    (folder / "torch").mkdir()
    assert findings(folder) == []
    uv("pip", "uninstall", "torch", cwd=folder)
    (finding,) = findings(folder)
    assert finding["commands"] == ["uv sync --reinstall"]
    follow(finding["commands"], folder)
    assert findings(folder) == []


def test_damaged_installation(project: Project) -> None:
    """Files are missing, and what uv recorded is not."""
    folder = project()
    (torch,) = folder.glob(".venv/lib/*/site-packages/torch")
    (torch / "__init__.py").unlink()
    (finding,) = findings(folder)
    follow(finding["commands"], folder)
    assert findings(folder) == []
