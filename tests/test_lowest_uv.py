"""The lowest uv that a project takes does the whole job, and what people set for uv does not break the lock."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from replica import Replica
from support import default_release, run, uv
from versions import lowest

Render = Callable[..., Path]

PROJECTS: dict[str, dict[str, object]] = {
    "CPU": {},
    "CUDA": {"accelerator": "cu126", "companions": ["torchvision", "torchaudio"]},
    "ROCm": {"accelerator": "rocm7.2"},
    "several builds": {"accelerator": "xpu", "switch_to": ["cpu", "cu126"]},
}


@pytest.fixture(scope="session")
def lowest_uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the lowest uv that the template supports."""
    folder = tmp_path_factory.mktemp("uv")
    uv("pip", "install", "--quiet", f"--target={folder}", f"uv=={lowest()['uv']}", cwd=folder)
    return folder / "bin/uv"


@pytest.mark.parametrize("answers", PROJECTS.values(), ids=PROJECTS)
def test_the_lowest_uv_locks_syncs_and_builds_with_stubs(
    render: Render, replica: Replica, lowest_uv: Path, answers: dict[str, object]
) -> None:
    places = {"mirror_url": replica.url, "pypi_mirror": "custom", "pypi_mirror_url": replica.pypi_url}
    project = render(project_name="project", mirror="custom", **places, **answers)
    table = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    assert f"{table['required-version']}.0" == f">={lowest()['uv']}"
    run(lowest_uv, "lock", cwd=project)
    done = run(lowest_uv, "sync", "--locked", cwd=project)
    assert "warning" not in done.stderr
    accelerator = answers.get("accelerator", "cpu")
    pinned = f"torch=={default_release(accelerator)}+{accelerator}"
    assert pinned in run(lowest_uv, "pip", "freeze", cwd=project).stdout.splitlines()
    locked = tomllib.loads((project / "uv.lock").read_text())["package"]
    uv("lock", cwd=project)
    assert tomllib.loads((project / "uv.lock").read_text())["package"] == locked


def test_exclude_newer_leaves_pytorchs_packages_alone(render: Render, replica: Replica) -> None:
    """PyTorch's index gives no upload times, as the replica; everything else is the registry's own."""
    project = render(project_name="project", mirror="custom", mirror_url=replica.url)
    cutoff = {"UV_EXCLUDE_NEWER": "2026-11-01T00:00:00Z"}
    uv("lock", cwd=project, **cutoff)
    assert tomllib.loads((project / "uv.lock").read_text())["options"]["exclude-newer"]
    file = project / "pyproject.toml"
    text = file.read_text()
    file.write_text(text.replace("\ntorch = false\n", "\n"))
    assert "exclude-newer" in uv("lock", cwd=project, check=False, **cutoff).stderr
