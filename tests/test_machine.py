"""What the questionnaire says of the machine it runs on, from the names of files in folders of the tests' own."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from copier import run_copy
from printed import BUILDS, JINJA, SHOWN, menu
from support import ACCELERATORS, PYTHONS, TABLE, change_table, environment, questions
from templates import this_template

if sys.platform == "win32":
    pytest.skip("the names of these files are no names there", allow_module_level=True)

from terminal import ENTER, Terminal


class Machine(NamedTuple):
    """Files, and what is made of them."""

    files: tuple[str, ...]
    line: str = ""
    best: str = "cpu"
    """Where the cursor starts."""
    mark: str = ""
    marked: tuple[str, ...] = ()
    """Rows that the driver is too old for."""


CUDA_12 = ("cu121", "cu124", "cu126", "cu128", "cu129")
CUDA_13 = ("cu130", "cu132")
LIBCUDA = "/usr/lib/x86_64-linux-gnu/libcuda.so"
GPU = "/proc/driver/nvidia/gpus/0000:0{}:00.0/information"
KFD = "/sys/class/kfd/kfd/topology/system_properties"
XE = "/sys/bus/pci/drivers/xe/0000:03:00.0/device"
WSL = "/usr/lib/wsl/lib/libcuda.so.1"

MACHINES = {
    "none": Machine(()),
    "other files": Machine((LIBCUDA, f"{LIBCUDA}.1", "/opt/rocm/.info/version", "/opt/rocm-6.4.1/bin/rocminfo")),
    "driver 440": Machine(
        (f"{LIBCUDA}.440.33.01",), "NVIDIA driver 440.33.01, too old for every CUDA", mark="440", marked=("cu118", *CUDA_12, *CUDA_13)
    ),
    "driver 470": Machine(
        (f"{LIBCUDA}.1", f"{LIBCUDA}.470.57.02"), "NVIDIA driver 470.57.02, runs up to cu118", "cu118", "470", (*CUDA_12, *CUDA_13)
    ),
    "driver 525, the oldest for CUDA 12": Machine(
        (f"{LIBCUDA}.525.60.13",), "NVIDIA driver 525.60.13, runs up to cu129", "cu126", "525", CUDA_13
    ),
    "driver 525, one too old": Machine(
        (f"{LIBCUDA}.525.60.11",), "NVIDIA driver 525.60.11, runs up to cu118", "cu118", "525", (*CUDA_12, *CUDA_13)
    ),
    "driver 550": Machine(
        (f"{LIBCUDA}.550.54.14", GPU.format(1)), "NVIDIA driver 550.54.14, runs up to cu129", "cu126", "550", CUDA_13
    ),
    "driver 580": Machine((f"{LIBCUDA}.580.65.06",), "NVIDIA driver 580.65.06, runs up to cu132", "cu126"),
    "driver 1000": Machine((f"{LIBCUDA}.1000.1.1",), "NVIDIA driver 1000.1.1, runs up to cu132", "cu126"),
    "two GPUs": Machine(
        ("/usr/lib64/libcuda.so.580.65.06", GPU.format(1), GPU.format(2)), "2 GPUs, NVIDIA driver 580.65.06, runs up to cu132", "cu126"
    ),
    "Arm": Machine(("/usr/lib/aarch64-linux-gnu/libcuda.so.580.82.07",), "NVIDIA driver 580.82.07, runs up to cu132", "cu126"),
    "container": Machine(("/usr/local/nvidia/lib64/libcuda.so.550.54.14",), "NVIDIA driver 550.54.14, runs up to cu129", "cu126", "550", CUDA_13),
    "AMD": Machine((KFD,), "AMD's driver", "rocm7.2"),
    "AMD with ROCm": Machine((KFD, "/opt/rocm-6.4.1/.info/version"), "AMD's driver and ROCm 6.4.1", "rocm7.2"),
    "Intel": Machine((XE,), "an Intel GPU", "xpu"),
    "WSL": Machine((WSL,), "WSL: `nvidia-smi` shows the driver of Windows"),
    "NVIDIA and Intel": Machine((f"{LIBCUDA}.580.65.06", XE), "NVIDIA driver 580.65.06, runs up to cu132; an Intel GPU", "cu126"),
    "more than a line holds": Machine(
        (f"{LIBCUDA}.580.65.06", *map(GPU.format, range(8)), KFD, "/opt/rocm-6.4.1/.info/version"), "8 GPUs, NVIDIA driver 580.65.06, runs up to cu132", "cu126"
    ),
    "an old NVIDIA and AMD": Machine(
        (f"{LIBCUDA}.390.157", KFD), "NVIDIA driver 390.157, too old for every CUDA; AMD's driver", "rocm7.2", "390", ("cu118", *CUDA_12, *CUDA_13)
    ),
}  # fmt: skip


def patterns_in(root: Path) -> dict[str, list[str]]:
    """Where to look, below a folder of the tests' own."""
    return {name: [f"{root}{pattern}" for pattern in found] for name, found in TABLE["machine"].items()}


def make(root: Path, machine: Machine) -> None:
    shutil.rmtree(root, ignore_errors=True)
    for name in machine.files:
        file = root / name.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


@pytest.mark.parametrize("name", MACHINES)
def test_machine(tmp_path: Path, name: str) -> None:
    """The line in the help, the row where the cursor starts, and rows that this driver cannot run."""
    machine = MACHINES[name]
    make(tmp_path, machine)
    builds = BUILDS | {"machine": patterns_in(tmp_path)}
    context = {"builds": builds, "python_version": "3.12", "_copier_conf": SHOWN}
    module = JINJA.get_template("rules/machine.jinja").make_module(context)
    assert module.machine_line == (f"This machine: {machine.line}" if machine.line else "")
    assert module.best == machine.best
    help_text = JINJA.from_string(questions()["accelerator"]["help"]).render(context)
    expected = [f"   This machine: {machine.line}"] if machine.line else []
    assert help_text.splitlines()[1:] == expected
    rows = JINJA.from_string(questions()["accelerator"]["choices"]).render(
        context, _copier_answers={}, previous={}, folder_releases={}
    )
    choices = {row["value"]: (label, row["validator"]) for label, row in yaml.safe_load(rows).items()}
    assert {key for key, (label, _) in choices.items() if ", here " in label} == set(machine.marked)
    for key in machine.marked:
        label, reason = choices[key]
        assert f"+, here {machine.mark};" in label
        assert reason == ""  # it can be chosen: the project may be for another machine
    assert max(map(len, help_text.splitlines())) <= 80


@pytest.mark.parametrize("python", PYTHONS)
def test_the_best_row_is_one_that_can_be_chosen(tmp_path: Path, python: str) -> None:
    """Whatever the driver, the row has wheels for the Python, and the driver runs it."""
    for driver in ("440.33.01", "470.57.02", "550.54.14", "580.65.06"):
        make(tmp_path, Machine((f"{LIBCUDA}.{driver}",)))
        context = {"builds": BUILDS | {"machine": patterns_in(tmp_path)}, "python_version": python}
        module = JINJA.get_template("rules/machine.jinja").make_module(context)
        assert menu("accelerator", python_version=python)[module.best][1] == ""
        assert module.best not in module.too_new
    assert module.best != "cpu"  # 580 runs something on every Python


def test_every_row_fits_with_its_mark(tmp_path: Path) -> None:
    """On every Python, with a driver whose version is as long as they come."""
    make(tmp_path, Machine((f"{LIBCUDA}.440.33.01",)))
    seen = set()
    for python in PYTHONS:
        rows = menu("accelerator", python_version=python, builds=BUILDS | {"machine": patterns_in(tmp_path)})
        for key, (label, reason) in rows.items():
            if not reason:
                seen.add(key)
                assert len(label) <= 75, label
    assert seen == set(ACCELERATORS)


# With Copier ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The template that looks below a folder, and that folder."""
    template = this_template(tmp_path_factory.mktemp("machine") / "template")
    root = template.parent / "root"
    change_table(template, lambda table: table.update(machine=patterns_in(root)))
    return template, root


def test_defaults_are_the_same_on_every_machine(elsewhere: tuple[Path, Path], tmp_path: Path) -> None:
    template, root = elsewhere

    def rendered(name: str) -> dict[Path, bytes]:
        make(root, MACHINES[name])
        project = tmp_path / name / "project"
        run_copy(str(template), project, defaults=True, quiet=True, unsafe=False)
        paths = (path for path in project.rglob("*") if path.is_file())
        return {path.relative_to(project): path.read_bytes() for path in paths}

    expected = rendered("none")
    assert len(expected) > 10
    for name in MACHINES:
        if name != "none":
            assert rendered(name) == expected, name


@pytest.mark.parametrize(
    "name", ["driver 470", "driver 550", "two GPUs", "AMD with ROCm", "Intel", "WSL", "none"]
)
def test_in_a_terminal_of_80_columns_and_24_rows(
    elsewhere: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    """The line and all rows are on the screen, and Enter takes the row where the cursor is."""
    machine = MACHINES[name]
    template, root = elsewhere
    make(root, machine)
    data = ["--data=project_name=myproj", "--data=python_version=3.12", "--data=mirror=official", "--data=details=false"]  # fmt: skip
    command = [sys.executable, "-m", "copier", "copy", *data, template, "myproj"]
    terminal = Terminal(command, tmp_path, environment())
    terminal.wait("xpu ")
    terminal.settle()
    shown = terminal.lines
    (question,) = (row for row, line in enumerate(shown) if "Which accelerator? " in line)
    assert shown[question].endswith("NVIDIA: take the first row that has your GPU and driver.")
    if machine.line:
        assert shown[question + 1] == f"   This machine: {machine.line}"
    assert [key for key in ACCELERATORS if not any(line[3:].startswith(f"{key} ") for line in shown)] == []
    (cursor,) = (line for line in shown if line.startswith(" » "))
    assert cursor.split()[1] == machine.best
    assert {line.split()[0] for line in shown if ", here " in line} == set(machine.marked)
    terminal.press(ENTER)
    assert terminal.end() == 0
    saved = yaml.safe_load((tmp_path / "myproj/.copier-answers.yml").read_text(encoding="utf-8"))
    assert saved["accelerator"] == machine.best
