"""The main job on a real wheel of torch: copy, lock, sync, run, build, and install from git."""

import json
import os
import shutil
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import pytest
from jsonschema import validate
from machines import REPORT_SCHEMA
from reading import assert_report
from support import REAL_TORCH, commit, copier, run, uv
from uv import find_uv_bin


@pytest.fixture(scope="module")
def project(
    template: Path, real_answers: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project copied by the command line, without --trust, then synchronised and committed."""
    folder = tmp_path_factory.mktemp("real") / "myproj"
    answers = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in real_answers.items()
    }
    data = [f"--data={name}={value}" for name, value in answers.items()]
    copier("copy", "--defaults", *data, template, folder, cwd=folder.parent)
    uv("lock", cwd=folder)
    uv("sync", "--locked", cwd=folder)
    commit(folder)
    return folder


def test_lock_takes_the_chosen_build_on_linux_and_the_default_one_on_macos(project: Path) -> None:
    lock = tomllib.loads((project / "uv.lock").read_text())
    torches = {package["version"]: package for package in lock["package"] if package["name"] == "torch"}
    assert set(torches) == {f"{REAL_TORCH}+cpu", REAL_TORCH}
    assert all("linux" in marker for marker in torches[f"{REAL_TORCH}+cpu"]["resolution-markers"])
    assert all("darwin" in marker for marker in torches[REAL_TORCH]["resolution-markers"])
    assert not [
        package["name"] for package in lock["package"] if package["name"].startswith(("nvidia", "triton"))
    ]


def test_test_uv_runs(project: Path) -> None:
    done = uv("run", "--locked", "test-uv", cwd=project)
    assert_report(done.stdout)
    assert done.stderr == ""


def test_json_is_the_same_report(project: Path) -> None:
    lines = uv("run", "--locked", "test-uv", cwd=project).stdout.splitlines()
    report = json.loads(uv("run", "--locked", "test-uv", "--json", cwd=project).stdout)
    validate(report, REPORT_SCHEMA)
    names = [line.partition(":")[0] for line in lines[: len(report) - 3]]
    assert names == [name for name in report if name not in ("sin", "findings", "verdict")]
    assert report["torch cuda available"] is False
    assert report["device 0 computes"] is True
    assert report["findings"] == []


def test_required_device(project: Path) -> None:
    uv("run", "--locked", "test-uv", "--quiet", "--require=cpu", cwd=project)
    done = uv("run", "--locked", "test-uv", "--quiet", "--require=mps", cwd=project, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "test-uv: mps is required, but only macOS has it\n"


def test_plot_shows_the_curve(project: Path, tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    python = project / ".venv/bin/python"
    options = ["--plot", work / "sin.png", "--quiet"]
    run(python, "-m", "myproj.test_uv", *options, cwd=work, HOME=str(home))
    assert [path.name for path in work.iterdir()] == ["sin.png"]
    # In the middle row of the picture the curve is met three times: where sin is 0.
    read = "import sys, matplotlib.image as i; p = i.imread(sys.argv[1]); print(p.shape); d = p[..., 2] - p[..., 0] > 0.3; y = d.any(1).nonzero()[0]; row = d[(y[0] + y[-1]) // 2]; print(sum(row[1:] & ~row[:-1]), d.any(0).sum() / d.shape[1])"  # fmt: skip
    done = run(python, "-c", read, work / "sin.png", cwd=work, HOME=str(home))
    shape, counted = done.stdout.splitlines()
    crossings, width = counted.split()
    assert shape == "(480, 640, 4)"
    assert int(crossings) == 3
    assert float(width) > 0.7


def test_companions_of_another_build_are_said_and_the_command_mends_it(project: Path) -> None:
    """PyPI's wheels, made for CUDA, beside the CPU build of torch."""
    python = project / ".venv/bin/python"
    wheels = ["torchvision==0.28.0", "torchaudio==2.11.0", "pillow"]
    uv("pip", "install", "--no-config", "--python", python, "--no-deps", *wheels, cwd=project.parent)
    done = run(python, "-m", "myproj.test_uv", "--quiet", cwd=project, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split()[:7] for line in lines] == [
        f"test-uv: {name} does not work with".split() for name in ("torchvision 0.28.0", "torchaudio 2.11.0")
    ]
    assert "since operator torchvision::nms does not exist: run `uv sync`" in lines[0]
    uv("sync", "--locked", cwd=project)
    run(python, "-m", "myproj.test_uv", "--quiet", cwd=project)


def install_from_pypi(project: Path, package: str) -> list[str]:
    """Put PyPI's wheel of a package into a project's environment; return what test-uv then says."""
    python = project / ".venv/bin/python"
    uv("pip", "install", "--no-config", "--python", python, "--no-deps", package, cwd=project.parent)
    done = run(python, "-m", "myproj.test_uv", "--quiet", cwd=project, check=False)
    return done.stderr.splitlines()


@pytest.mark.parametrize("version", ["0.16.0", "0.17.0"])
def test_pypi_s_torchcodec_is_another_build_and_the_command_mends_it(project: Path, version: str) -> None:
    """It is made for CUDA; one that is told by a library has no FFmpeg to look for."""
    (line,) = install_from_pypi(project, f"torchcodec=={version}")
    what = f"test-uv: torchcodec {version} does not work with torch {REAL_TORCH}+cpu"
    assert line.startswith(f"{what}, since it is built for another accelerator (libnvrtc.so.13: ")
    assert line.endswith(": run `uv sync`")
    uv("sync", "--locked", cwd=project)
    run(project / ".venv/bin/python", "-m", "myproj.test_uv", "--quiet", cwd=project)


def test_torchcodec_needs_ffmpeg(project: Path) -> None:
    """PyPI's wheel of 0.12.0 for Linux is the CPU's, for torch 2.11 and newer: it decodes where FFmpeg is."""
    lines = install_from_pypi(project, "torchcodec==0.12.0")
    uv("sync", "--locked", cwd=project)
    if not find_library("avcodec"):
        (line,) = lines
        assert line.startswith(f"test-uv: torchcodec 0.12.0 does not work with torch {REAL_TORCH}+cpu")
        assert ", since it finds no FFmpeg: " in line
        assert ("run `sudo apt install ffmpeg`" in line) == bool(shutil.which("apt"))
    else:
        assert lines == []


def distributed(project: Path, *command: str | Path, seconds: int = 10, **environment: str):
    """Run the module's check of torch.distributed with a shorter time than a minute."""
    code = f"import sys; from myproj import test_uv; test_uv.compute.SECONDS = {seconds}; sys.exit(test_uv.main())"
    file = project.parent / "distributed.py"
    file.write_text(code)
    words = [*command, file, "--distributed"]
    return run(*words, cwd=project, check=False, **environment)


def test_torchrun_adds_up(project: Path) -> None:
    command = [
        *["run", "--locked", "torchrun", "--nproc-per-node", "2", "-m", "myproj.test_uv", "--distributed"]
    ]
    done = uv(*command, cwd=project)
    verdict = "ok: 2 processes add up by gloo"
    assert done.stdout.splitlines() == ["processes:2", "backend:gloo", "all_reduce:3.0", verdict]
    assert "test-uv:" not in done.stderr
    report = json.loads(uv(*command, "--json", cwd=project).stdout)
    assert report == {
        "processes": 2,
        "backend": "gloo",
        "all_reduce": 3.0,
        "findings": [],
        "verdict": verdict,
    }


def test_distributed_without_torchrun_says_the_command(project: Path) -> None:
    done = uv("run", "--locked", "test-uv", "--distributed", cwd=project, check=False)
    assert (done.returncode, done.stdout) == (1, "not ok: 1 problem\n")
    (line,) = done.stderr.splitlines()
    assert line.endswith("run `uv run torchrun --nproc-per-node 2 -m myproj.test_uv --distributed`")


def test_distributed_needs_the_required_gpu(project: Path) -> None:
    options = ["--distributed", "--json", "--require", "cuda"]
    command = ["torchrun", "--nproc-per-node", "1", "-m", "myproj.test_uv", *options]
    done = uv("run", "--locked", *command, cwd=project, check=False)
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["text"] == "cuda is required, but gloo is for CPUs"


def test_plot_that_fails_is_said_in_a_line(project: Path) -> None:
    for file in ("missing/sin.png", "a.nonsense"):
        done = uv("run", "--locked", "test-uv", "--quiet", "--plot", file, cwd=project, check=False)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, line.partition(", since ")[0]) == (1, f"test-uv: --plot {file} fails")


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29611"},  # the others do not come
        {"RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29612"},  # nobody answers
        {"RANK": "1", "MASTER_ADDR": "nowhere.invalid", "MASTER_PORT": "29613"},  # no such machine
    ],
    ids=["too few", "unreachable", "unknown"],
)
def test_distributed_ends_in_time_with_one_line(project: Path, environment: dict[str, str]) -> None:
    start = time.monotonic()
    python = project / ".venv/bin/python"
    done = distributed(project, python, seconds=5, WORLD_SIZE="2", LOCAL_RANK="0", **environment)
    assert time.monotonic() - start < 5 + 115  # torch itself waits for many minutes
    assert (done.returncode, done.stdout) in ((1, ""), (1, "not ok: 1 problem\n"))
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"test-uv: process {environment['RANK']} of 2 does not reach the others, since ")


def test_wrong_world_size_under_torchrun_ends(project: Path) -> None:
    python = project / ".venv/bin/python"
    wrong = project.parent / "wrong.py"
    wrong.write_text("import os, sys; os.environ['WORLD_SIZE'] = '3'; sys.argv.pop(0); import runpy; runpy.run_path(sys.argv[0], run_name='__main__')")  # fmt: skip
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", wrong]
    done = distributed(project, python, *torchrun, seconds=5)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("test-uv:")]
    assert lines
    assert all(" of 3 does not reach the others, since " in line for line in lines)


def test_another_build_than_the_pinned_one_fails(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "src/myproj/test_uv", tmp_path / "pinned_elsewhere")
    constants = tmp_path / "pinned_elsewhere/constants.py"
    constants.write_text(constants.read_text().replace('ACCELERATOR = "cpu"', 'ACCELERATOR = "cu130"'))
    python = project / ".venv/bin/python"
    done = run(python, "-m", "pinned_elsewhere", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"test-uv: torch {REAL_TORCH} for cpu is installed, but torch {REAL_TORCH} for cu130 is pinned: run `uv sync`"
    ]


def test_missing_torch_is_said_in_one_line(project: Path, tmp_path: Path) -> None:
    uv("venv", tmp_path / "empty", cwd=tmp_path)
    python = tmp_path / "empty/bin/python"
    done = run(python, "-m", "myproj.test_uv", "--quiet", cwd=project / "src", check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be imported, since No module named" in done.stderr


def test_own_tests_pass(project: Path) -> None:
    uv("run", "--locked", "pytest", "-W", "error", cwd=project)


def test_build_makes_a_wheel_with_the_pin(project: Path, tmp_path: Path) -> None:
    uv("build", "--out-dir", tmp_path, cwd=project)
    with zipfile.ZipFile(tmp_path / "myproj-0.1.0-py3-none-any.whl") as wheel:
        metadata = wheel.read("myproj-0.1.0.dist-info/METADATA").decode()
    assert f"Requires-Dist: torch=={REAL_TORCH}" in metadata.splitlines()


def test_install_from_git_gives_the_same_build(project: Path, tmp_path: Path) -> None:
    uv("venv", "--python", (project / ".python-version").read_text().strip(), tmp_path / "venv", cwd=tmp_path)
    uv("pip", "install", "--python", tmp_path / "venv", f"git+file://{project}", cwd=tmp_path)
    done = run(tmp_path / "venv/bin/test-uv", cwd=tmp_path)
    assert_report(done.stdout)


def test_uvx_from_git_runs(project: Path, tmp_path: Path) -> None:
    python = (project / ".python-version").read_text().strip()
    done = uv("tool", "run", "--python", python, "--from", f"git+file://{project}", "test-uv", cwd=tmp_path)
    assert_report(done.stdout)


def test_folder_of_wheels_is_enough_without_internet(
    real_answers: dict[str, object], render: Callable[..., Path], tmp_path: Path
) -> None:
    """What docs/offline.md does, with an empty cache."""
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", wheels]
    torch = Path(str(real_answers["mirror_url"]))
    run(
        *pip, "--find-links", torch, f"torch=={REAL_TORCH}+cpu", "numpy", "matplotlib", "pytest", cwd=tmp_path
    )
    answers = real_answers | {"mirror_url": str(wheels), "platforms": ["linux-x86_64"]}
    project = render(**answers)
    offline = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(wheels), "UV_CACHE_DIR": str(tmp_path / "cache")}
    uv("sync", cwd=project, **offline)
    assert_report(uv("run", "--locked", "test-uv", cwd=project, **offline).stdout)


def test_message_after_the_copy_holds_commands_that_work(
    template: Path, real_answers: dict[str, object], tmp_path: Path
) -> None:
    answers = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in real_answers.items()
    }
    data = [f"--data={name}={value}" for name, value in answers.items()]
    message = copier("copy", "--defaults", *data, template, "a project", cwd=tmp_path).stderr
    first = message.partition("The project comes from this clone")[0]
    commands = [line for line in first.splitlines() if line.startswith("    ") and "create" not in line]
    assert commands[0] == "    cd 'a project'"
    script = "\n".join(["set -e", *commands])
    path = os.pathsep.join([str(Path(find_uv_bin()).parent), os.environ["PATH"]])
    output = run("bash", "-c", script, cwd=tmp_path, PATH=path).stdout
    assert_report(output[output.index("matplotlib:") :].partition(" CPU\n")[0] + " CPU\n")
    assert run("git", "status", "--porcelain", cwd=tmp_path / "a project").stdout == ""
    assert "uv.lock" in run("git", "ls-files", cwd=tmp_path / "a project").stdout.splitlines()
