"""What test-uv says on machines made of stubs: each rule speaks when it should and is silent when all is well."""

import ast
import importlib.metadata
import json
import re
import shutil
import sys
import tomllib
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replica import FACTS
from situations import Gpu, Machines, Situation, Tensor, smi
from support import commit, run

Diagnose = Callable[..., object]

NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might"
A100, RTX5090, RTX4090, GTX1080 = (
    ("NVIDIA A100", "8.0"),
    ("RTX 5090", "12.0"),
    ("RTX 4090", "8.9"),
    ("GTX 1080", "6.1"),
)
CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CHANGE = "uvx copier update --defaults --vcs-ref=:current: --data accelerator={}"


def change_to(accelerator: str) -> list[str]:
    return [CHANGE.format(accelerator), "uv sync"]


@pytest.fixture(scope="session")
def machines(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Machines:
    return Machines(template, tmp_path_factory.mktemp("machines"))


@pytest.fixture
def diagnose(machines: Machines) -> Diagnose:
    return machines.diagnose


def pci(vendor: str, kind: str = "0x030000") -> dict[str, str]:
    """Files of Linux about a GPU of a vendor."""
    folder = "sys/bus/pci/devices/0000:01:00.0"
    return {f"{folder}/vendor": f"{vendor}\n", f"{folder}/class": f"{kind}\n"}


NVIDIA, AMD, INTEL = pci("0x10de"), pci("0x1002"), pci("0x8086")
WSL = {"proc/version": "Linux version 6.6.87.2-microsoft-standard-WSL2"}
CONTAINER = {".dockerenv": ""}

# All is well: nothing is found.
WELL = {
    "cpu, no GPU": (Situation("cpu"), []),
    "cuda": (Situation(gpus=[Gpu()], smi=smi("580.65.06", A100)), []),
    "cuda, no nvidia-smi": (Situation(gpus=[Gpu()]), []),
    "cuda required": (Situation(gpus=[Gpu()], smi=smi("580.65.06", A100)), ["--require=cuda"]),
    "later minor capability": (Situation("cu126", archs=CU126, gpus=[Gpu("RTX 4090", "8.9")]), []),
    "old driver with forward compatibility": (Situation(gpus=[Gpu()], smi=smi("535.54.03", A100)), []),
    "rocm": (Situation("rocm7.2", gpus=[Gpu("MI210", "gfx90a")], archs=["gfx90a"]), []),
    "rocm required": (Situation("rocm7.2", gpus=[Gpu("MI210", "gfx90a")]), ["--require=rocm"]),
    "xpu": (Situation("xpu", gpus=[Gpu("Arc B580")]), ["--require=xpu"]),
    "mps": (Situation("cu130", installed="cpu", mps=True, system="darwin", machine="arm64"), ["--require=mps"]),
    "GPU build in CI": (Situation(), ["--require=cpu"]),
    "CPU build of a GPU project in CI": (Situation(installed="cpu"), ["--require=cpu"]),
    "GPU broken, CPU required": (Situation(gpus=[Gpu(error=NO_KERNEL)]), ["--require=cpu"]),
    "CPU project beside a GPU, CPU required": (Situation("cpu", smi=smi("580.65.06", A100)), ["--require=cpu"]),
    "CPU project beside a broken driver": (Situation("cpu", smi="exit 9"), []),
    "CPU project beside a GPU that nothing fits": (Situation("cpu", smi=smi("390.157", ("GTX 580", "2.0"))), []),
    "one of two GPUs chosen": (Situation(gpus=[Gpu()], environ={"CUDA_VISIBLE_DEVICES": "1"}), []),
    "companions": (Situation(gpus=[Gpu()], companions={"torchvision": "", "torchaudio": ""}), []),
}  # fmt: skip


@pytest.mark.parametrize(("situation", "options"), WELL.values(), ids=WELL)
def test_silent_when_all_is_well(diagnose: Diagnose, situation: Situation, options: list[str]) -> None:
    result = diagnose(situation, *options)
    assert result.report["findings"] == []
    assert result.status == 0
    assert result.err == []


HIDES = {"CUDA_VISIBLE_DEVICES": ""}
TOO_OLD = Situation(smi=smi("550.54.14", A100))
NO_HELP = "Failed to initialize NVML: Driver/library version mismatch"

# Problem or note; words of what, why and mend; the commands proposed.
RULES = {
    "another build": (
        Situation(installed="cpu"),
        True, ["torch 2.13.0 for cpu is installed", "but torch 2.13.0 for cu130 is pinned"], ["uv sync"],
    ),
    "another release": (
        Situation(installed_torch="2.12.1", gpus=[Gpu()]),
        True, ["torch 2.12.1 for cu130 is installed", "torch 2.13.0 for cu130 is pinned"], ["uv sync"],
    ),
    "no GPU, no driver": (Situation(), False, ["torch for cu130 finds no NVIDIA GPU, since this machine has none"], []),
    "driver below the floor": (
        TOO_OLD,
        True, ["driver 550.54.14 is older than 580.65.06, which cu130 needs", "update the driver to 580.65.06 or newer, or"],
        change_to("cu126"),
    ),
    "driver below the floor, newest GPU": (
        replace(TOO_OLD, smi=smi("572.61", RTX5090)), True, ["driver 572.61 is older"], change_to("cu129"),
    ),
    "driver below the floor, Arm": (
        replace(TOO_OLD, machine="aarch64", torch="2.9.1", answers={"platforms": ["linux-x86_64", "linux-aarch64"]}),
        True, ["driver 550.54.14 is older"], change_to("cu129"),
    ),
    "driver below every floor": (
        replace(TOO_OLD, smi=smi("470.57.02", A100)), True, ["update the driver to 580.65.06 or newer"], [],
    ),
    "driver below the floor, no nvidia-smi": (
        Situation(files={"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build\n"}),
        True, ["driver 550.54.14 is older"], change_to("cu126"),
    ),
    "driver below the floor, companion without a build": (
        replace(TOO_OLD, smi=smi("572.61", RTX5090), answers={"companions": ["torchaudio"]}),
        True, ["driver 572.61 is older", "update the driver to 580.65.06 or newer"], [],
    ),
    "GPU newer than the build": (
        Situation("cu126", archs=CU126, gpus=[Gpu(*RTX5090, NO_KERNEL)], smi=smi("580.65.06", RTX5090)),
        True, ["RTX 5090 does not compute", "torch for cu126 has no code for compute capability 12.0"], change_to("cu129"),
    ),
    "GPU older than the build": (
        Situation(gpus=[Gpu(*GTX1080, NO_KERNEL)], smi=smi("580.65.06", GTX1080)),
        True, ["GTX 1080 does not compute", "torch for cu130 has no code for compute capability 6.1"], change_to("cu126"),
    ),
    "GPU older than every build": (
        Situation("cu132", "2.15.0", gpus=[Gpu(*GTX1080, NO_KERNEL)], smi=smi("580.65.06", GTX1080)),
        True, ["no build of torch 2.15.0 fits this driver and its GPUs, another torch_version may"], [],
    ),
    "two GPUs that no build has together": (
        Situation(gpus=[Gpu(*GTX1080, NO_KERNEL), Gpu(*RTX5090)], smi=smi("580.65.06", GTX1080, RTX5090)),
        True, ["GTX 1080 does not compute", "no build of torch 2.13.0 fits this driver and its GPUs"], [],
    ),
    "GPU fails": (
        Situation(gpus=[Gpu(error="CUDA out of memory. Tried to allocate 20.00 MiB\nmore")]),
        True, ["NVIDIA A100 does not compute, since CUDA out of memory. Tried to allocate 20.00 MiB"], [],
    ),
    "GPU computes wrong": (Situation(gpus=[Gpu(wrong=True)]), True, ["does not compute, since its matrix product is wrong"], []),
    "AMD GPU without code": (
        Situation("rocm7.2", gpus=[Gpu("RX 6700", "gfx1031", "HIP error: invalid device function")], archs=["gfx90a", "gfx1030"]),
        True, ["torch for rocm7.2 has no code for gfx1031", "take a GPU of gfx90a gfx1030"], [],
    ),
    "hidden": (
        Situation(smi=smi("580.65.06", A100), environ=HIDES),
        True, ["since CUDA_VISIBLE_DEVICES='' hides it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "hidden by -1": (
        Situation(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "-1"}),
        True, ["CUDA_VISIBLE_DEVICES='-1' hides it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "hidden by a number too high": (
        Situation(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "1"}),
        True, ["CUDA_VISIBLE_DEVICES='1' hides it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "hidden, but there is none": (Situation(environ=HIDES), False, ["CUDA_VISIBLE_DEVICES='' hides it"], ["unset CUDA_VISIBLE_DEVICES"]),
    **{
        f"hidden by {value}": (
            Situation(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": value}),
            True, [f"CUDA_VISIBLE_DEVICES='{value}' hides it"], ["unset CUDA_VISIBLE_DEVICES"],
        )
        for value in ("all", "none", "cuda:0", "0,0", "²")
    },
    "a choice among no GPUs": (
        Situation(environ={"CUDA_VISIBLE_DEVICES": "1"}), False, ["since this machine has none, or not its driver"], [],
    ),
    "the first AMD GPU chosen": (
        Situation("rocm7.2", files={"dev/kfd": ""}, environ={"HIP_VISIBLE_DEVICES": "0"}), True, ["though /dev/kfd is there"], [],
    ),
    "perhaps hidden": (
        Situation(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "GPU-1234"}),
        True, ["and CUDA_VISIBLE_DEVICES='GPU-1234' may hide it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "AMD GPU perhaps hidden": (
        Situation("rocm7.2", files={"dev/kfd": ""}, environ={"HIP_VISIBLE_DEVICES": "7"}),
        True, ["HIP_VISIBLE_DEVICES='7' may hide it"], ["unset HIP_VISIBLE_DEVICES"],
    ),
    "mirror of one build": (
        replace(TOO_OLD, answers={"mirror": "custom", "mirror_url": "https://mirror.example.org/whl/cu130"}),
        True, ["driver 550.54.14 is older", "update the driver to 580.65.06 or newer"], [],
    ),
    "another of several builds, numpy broken": (
        Situation("cpu", installed="cu126", gpus=[Gpu()], answers={"switch_to": ["cu126"]}, numpy_error="Numpy is not available"),
        True, ["numpy 2.4.6 does not work"], ["uv sync --no-group cpu --group cu126"],
    ),
    "not hidden, torch fails": (
        Situation(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "0"}, said="CUDA initialization: CUDA unknown error"),
        True, ["though driver 580.65.06 runs NVIDIA A100 (CUDA initialization: CUDA unknown error): restart the machine"], [],
    ),
    "torch fails in WSL": (
        Situation(files=WSL | {"dev/dxg": "", "usr/lib/wsl/lib/nvidia-smi": f"#!/bin/sh\n{smi('580.65.06', A100)}"}),
        True, ["though driver 580.65.06 runs NVIDIA A100"], ["wsl --update", "wsl --shutdown"],
    ),
    "WSL without the device": (Situation(files=WSL), False, ["WSL has no GPU device"], ["wsl --update", "wsl --shutdown"]),
    "WSL without the driver": (Situation(files=WSL | {"dev/dxg": ""}), False, ["no NVIDIA driver reaches WSL", "install the driver in Windows"], []),
    "container without the device": (
        Situation(files=CONTAINER | NVIDIA), True, ["this container was started without one"], ["docker run --gpus all"],
    ),
    "container in Kubernetes": (
        Situation(environ={"KUBERNETES_SERVICE_HOST": "10.0.0.1"}),
        False, ["this container was started without one: add nvidia.com/gpu: 1 to resources.limits"], [],
    ),
    "container of Apptainer without --nv": (
        Situation(files={".singularity.d/runscript": "", "dev/nvidia0": "", "proc/driver/nvidia/version": "NVRM  580.65.06  Release"}),
        True, ["this container was started without one"], ["apptainer exec --nv"],
    ),
    "container of Apptainer with --nv": (
        Situation(files={".singularity.d/runscript": "", "dev/nvidia0": ""}, smi=smi("550.54.14", A100)),
        True, ["driver 550.54.14 is older than 580.65.06"], change_to("cu126"),
    ),
    "container with the fourth GPU only": (
        Situation(files=CONTAINER | {"dev/nvidia3": ""}, smi=smi("550.54.14", A100)),
        True, ["driver 550.54.14 is older than 580.65.06"], change_to("cu126"),
    ),
    "driver installed, no NVIDIA GPU": (
        Situation(files=INTEL, smi="echo 'No devices were found'; exit 6"), False, ["since this machine has none"], [],
    ),
    "container with a device and a lost driver": (
        Situation(files=CONTAINER | {"dev/nvidia0": ""}, smi="echo 'Failed to initialize NVML: Unknown Error'; exit 255"),
        True, ["its driver does not answer (Failed to initialize NVML: Unknown Error): restart the container"], [],
    ),
    "driver does not answer": (
        Situation(smi=f"echo '{NO_HELP}'; exit 18"),
        True, [f"its driver does not answer ({NO_HELP})", "restart the machine; if that fails, reinstall the driver"], [],
    ),
    "nvidia-smi says nothing": (Situation(smi="exit 1"), True, ["its driver does not answer (nvidia-smi fails)"], []),
    "nvidia-smi says nonsense": (Situation(smi=r"printf 'a, b\n\377\n, ,,\n'"), True, ["its driver does not answer (a, b)"], []),
    "nvidia-smi is a broken program": (
        Situation(smi="", files={}), True, ["its driver does not answer (nvidia-smi fails)"], [],
    ),
    "no driver": (
        Situation(files=NVIDIA),
        True, ["the driver of the one in this machine is missing", "install NVIDIA's driver, 580.65.06 or newer"], [],
    ),
    "no driver, server GPU": (Situation(files=pci("0x10de", "0x030200")), True, ["install NVIDIA's driver"], []),
    "no NVIDIA GPU but a network card": (Situation(files=pci("0x10de", "0x020000")), False, ["since this machine has none"], []),
    "no AMD GPU": (Situation("rocm7.2"), False, ["torch for rocm7.2 finds no AMD GPU, since this machine has none"], []),
    "AMD GPU without driver": (Situation("rocm7.2", files=AMD), True, ["no /dev/kfd", "install AMD's driver, amdgpu"], []),
    "kfd not in the container": (
        Situation("rocm7.2", files=CONTAINER | AMD),
        True, ["this container was started without /dev/kfd"], ["docker run --device /dev/kfd --device /dev/dri"],
    ),
    "kfd closed": (
        Situation("rocm7.2", files={"dev/kfd": ""}, closed=["dev/kfd"]),
        True, ["you may not open /dev/kfd", "log in again"], ["sudo usermod --append --groups render,video $USER"],
    ),
    "kfd open": (Situation("rocm7.2", files={"dev/kfd": ""}), True, ["though /dev/kfd is there"], []),
    "AMD GPU hidden": (
        Situation("rocm7.2", files={"dev/kfd": ""}, environ={"HIP_VISIBLE_DEVICES": "-1"}),
        True, ["HIP_VISIBLE_DEVICES='-1' hides it"], ["unset HIP_VISIBLE_DEVICES"],
    ),
    "no Intel GPU": (Situation("xpu"), False, ["torch for xpu finds no Intel GPU, since this machine has none"], []),
    "Intel GPU without driver": (Situation("xpu", files=INTEL), True, ["no /dev/dri", "compute runtime (Level Zero)"], []),
    "dri not in the container": (
        Situation("xpu", files=CONTAINER | INTEL), True, ["started without /dev/dri"], ["docker run --device /dev/dri"],
    ),
    "dri closed": (
        Situation("xpu", files=INTEL | {"dev/dri/renderD128": ""}, closed=["dev/dri/renderD128"]),
        True, ["you may not open /dev/dri/renderD128", "log in again"], ["sudo usermod --append --groups render $USER"],
    ),
    "dri open": (Situation("xpu", files=INTEL | {"dev/dri/renderD128": ""}), True, ["though one is there", "Level Zero"], []),
    "Intel GPU hidden": (
        Situation("xpu", files=INTEL, environ={"ZE_AFFINITY_MASK": "3"}),
        True, ["ZE_AFFINITY_MASK='3' may hide it"], ["unset ZE_AFFINITY_MASK"],
    ),
    "CPU project beside a GPU": (
        Situation("cpu", smi=smi("550.54.14", RTX4090)),
        False, ["RTX 4090, which is here, is not used by torch for cpu"], change_to("cu126"),
    ),
    "CPU project beside the newest GPU": (Situation("cpu", smi=smi("580.65.06", RTX5090)), False, ["RTX 5090"], change_to("cu129")),
    "CPU project beside a GPU with an old driver": (
        Situation("cpu", "2.3.1", answers={"python_version": "3.11"}, smi=smi("470.57.02", A100)), False, ["NVIDIA A100"], change_to("cu118"),
    ),
    "torchvision of another build": (
        Situation(gpus=[Gpu()], companions={"torchvision": "operator torchvision::nms does not exist", "torchaudio": ""}),
        True, ["torchvision 1.2.3 does not work with torch 2.13.0+cu130, since operator torchvision::nms does not exist"], ["uv sync"],
    ),
    "torchaudio of another build": (
        Situation(gpus=[Gpu()], companions={"torchaudio": "undefined symbol: _ZN3c104\nmore"}),
        True, ["torchaudio 1.2.3 does not work with torch 2.13.0+cu130, since undefined symbol: _ZN3c104: run"], ["uv sync"],
    ),
    "numpy 2 with an old torch": (
        Situation("cpu", "2.2.2", answers={"python_version": "3.11"}, numpy_error="Numpy is not available"),
        True, ["numpy 2.4.6 does not work with torch 2.2.2+cpu, since Numpy is not available"], ["uv sync"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("situation", "problem", "words", "commands"), RULES.values(), ids=RULES)
def test_speaks(
    diagnose: Diagnose, situation: Situation, problem: bool, words: list[str], commands: list[str]
) -> None:
    result = diagnose(situation)
    finding = result.finding
    assert finding["problem"] is problem
    assert result.status == problem
    assert finding["commands"] == commands
    for word in words:
        assert word in finding["text"]


REQUIRED = {
    "cuda, hidden": (
        Situation(smi=smi("580.65.06", A100), environ=HIDES), "cuda", "CUDA_VISIBLE_DEVICES='' hides it", ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "cuda, no GPU": (Situation(), "cuda", "since this machine has none, or not its driver", []),
    "cuda, fails": (Situation(gpus=[Gpu(error=NO_KERNEL)]), "cuda", "no kernel image is available", []),
    "cuda, CPU build by mistake": (Situation(installed="cpu"), "cuda", "but torch 2.13.0 for cu130 is pinned", ["uv sync"]),
    "cuda, CPU pinned": (
        Situation("cpu", smi=smi("550.54.14", A100)), "cuda", "cuda is required, but torch for cpu is pinned", change_to("cu126"),
    ),
    "cuda, old driver": (
        Situation("cpu", smi=smi("390.157", A100)), "cuda", "no cuda build of torch 2.13.0 fits this machine", [],
    ),
    "rocm, cuda pinned": (Situation(gpus=[Gpu()]), "rocm", "rocm is required, but torch for cu130 is pinned", change_to("rocm7.2")),
    "rocm, Arm": (Situation("cpu", machine="aarch64"), "rocm", "no rocm build of torch 2.13.0 fits this machine", []),
    "xpu, cpu pinned": (Situation("cpu"), "xpu", "xpu is required, but torch for cpu is pinned", change_to("xpu")),
    "mps, Linux": (Situation("cpu"), "mps", "but only macOS has it", []),
    "mps, none": (Situation("cpu", system="darwin", machine="arm64"), "mps", "but torch finds no Apple GPU, or macOS is too old", []),
    "cuda, macOS": (Situation("cpu", system="darwin", machine="arm64"), "cuda", "but macOS has no other GPUs than Apple's", []),
    "cpu, another release": (
        Situation(installed="cpu", installed_torch="2.12.1"), "cpu", "but torch 2.13.0 for cpu is pinned", ["uv sync"],
    ),
    "cpu, another CUDA": (Situation(installed="cu126"), "cpu", "but torch 2.13.0 for cu130 is pinned", ["uv sync"]),
}  # fmt: skip


@pytest.mark.parametrize(("situation", "device", "words", "commands"), REQUIRED.values(), ids=REQUIRED)
def test_required_device_that_does_not_compute_is_a_problem(
    diagnose: Diagnose, situation: Situation, device: str, words: str, commands: list[str]
) -> None:
    result = diagnose(situation, "--require", device)
    assert result.status == 1
    assert result.finding["problem"] is True
    assert words in result.finding["text"]
    assert result.finding["commands"] == commands


@pytest.mark.parametrize("device", [None, "cpu", "cuda"])
def test_cpu_that_computes_wrong_is_always_a_problem(diagnose: Diagnose, device: str | None) -> None:
    options = ["--require", device] if device else []
    result = diagnose(Situation(gpus=[Gpu()], cpu_wrong=True), *options)
    assert [finding["what"] for finding in result.report["findings"]] == [
        "torch's sine is wrong",
        "CPU (2 threads) does not compute",
    ]
    assert result.report["sin difference"] > 1e-12


def test_report_of_a_gpu(diagnose: Diagnose) -> None:
    result = diagnose(Situation(gpus=[Gpu(*A100), Gpu(*RTX4090)], smi=smi("580.65.06", A100, RTX4090)))
    lines = [line.split(":", 1) for line in result.out.splitlines()]
    assert [line[0] for line in lines[:5]] == [
        "matplotlib",
        "numpy",
        "torch",
        "torch cuda available",
        "python",
    ]
    values = dict(lines[:-1])
    assert values["torch cuda available"] == "True"
    assert values["cuda"] == "13.0"
    assert values["nvidia driver"] == "580.65.06"
    assert [values[f"device 1{of}"] for of in ("", " memory", " capability", " computes")] == [
        "RTX 4090",
        "80.0 GiB",
        "8.9",
        "True",
    ]
    assert values["device 2"] == "CPU (2 threads)"
    assert result.out.endswith("dtype=torch.float64)\n")


def test_quiet_prints_problems_only(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    for situation, status, lines in ((Situation(), 0, 0), (TOO_OLD, 1, 1)):
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert machines.load(situation, monkeypatch).main(["--quiet"]) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == lines


@pytest.mark.parametrize("place", [0, 50])
def test_sine_of_nan_is_wrong_and_json_stays_json(
    machines: Machines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: int,
) -> None:
    module = machines.load(Situation("cpu"), monkeypatch)
    right = module.torch.sin

    def sine(tensor: Tensor) -> Tensor:
        values = list(right(tensor).values)
        values[place] = float("nan")
        return Tensor(values)

    monkeypatch.setattr(module.torch, "sin", sine)
    assert module.main(["--json"]) == 1
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["sin"][place] is report["sin difference"] is None
    assert [finding["what"] for finding in report["findings"]] == [
        "torch's sine is wrong",
        "CPU (2 threads) does not compute",
    ]


def test_torch_whose_questions_fail_finds_no_gpu(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Situation(smi=smi("580.65.06", A100)), monkeypatch)

    def fail() -> None:
        raise RuntimeError("driver shutting down")

    module.torch.cuda.is_available = module.torch.cuda.get_arch_list = module.torch.xpu.is_available = fail
    _, (finding,) = module.collect(None)
    assert "though driver 580.65.06 runs NVIDIA A100 (driver shutting down)" in finding.why


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_damaged_installation_is_installed_again(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    """Metadata is there and the files are not, of one of several builds: plain uv sync would do nothing."""
    situation = Situation("cpu", answers={"switch_to": ["cu126"]})
    machines.load(situation, monkeypatch)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.13.0+cu126")
    monkeypatch.setattr(sys, "argv", ["test-uv", *option])
    monkeypatch.setitem(sys.modules, "torch", None)  # import raises ModuleNotFoundError
    with pytest.raises(SystemExit) as caught:
        exec(compile(machines.source(situation), "test_uv.py", "exec"), {"__name__": "demo.test_uv"})
    assert "run `uv sync --no-group cpu --group cu126 --reinstall`" in str(caught.value)
    printed = capsys.readouterr().out
    findings = json.loads(printed)["findings"] if option else []
    assert bool(option) == bool(printed)
    assert [f"test-uv: {finding['text']}" for finding in findings] == [str(caught.value)] * len(option)


def test_nvidia_smi_that_hangs_is_left(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Situation(smi="exec /bin/sleep 60"), monkeypatch)
    module.SMI_SECONDS = 0.2
    _, (finding,) = module.collect(None)
    assert finding.why == "since its driver does not answer (no answer from nvidia-smi in 0.2 s)"


def test_nvidia_smi_that_cannot_be_started(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Situation(smi="exit"), monkeypatch)
    Path(module.shutil.which("nvidia-smi")).write_bytes(b"\x7fELF")
    _, (finding,) = module.collect(None)
    assert "Exec format error" in finding.why


def test_gpu_whose_properties_fail_is_said_in_a_line(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = machines.load(Situation(gpus=[Gpu(error="CUDA error: system not yet initialized")]), monkeypatch)

    def fail(index: int) -> None:
        raise RuntimeError("CUDA error: system not yet initialized")

    module.torch.cuda.get_device_properties = fail
    report, (finding,) = module.collect("cuda")
    assert report["device 0"] == "cuda:0"
    assert str(finding) == "cuda:0 does not compute, since CUDA error: system not yet initialized"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'torch'"), "is missing, since No module named 'torch': run `uv sync`"),
        (ImportError("libcudart.so.13: cannot open shared object file\nmore"), "does not load, since libcudart.so.13: cannot open shared object file: run `uv sync --reinstall`"),
        (OSError("[WinError 126] The specified module could not be found."), "[WinError 126]"),
        (AttributeError(), "does not load, since AttributeError: run `uv sync --reinstall`"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_torch_that_does_not_load_is_said_in_a_line(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    class Fails:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "torch":
                sys.stderr.write("A module that was compiled using NumPy 1.x cannot be run in NumPy 2\n" * 20)
                raise error

    machines.load(Situation(), monkeypatch)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "meta_path", [Fails(), *sys.meta_path])
    with pytest.raises(SystemExit) as caught:
        exec(compile(machines.source(Situation()), "test_uv.py", "exec"), {"__name__": "demo.test_uv"})
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_missing_matplotlib_is_said(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machines.load(Situation(), monkeypatch)

    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(SystemExit, match=r"matplotlib is missing, since .*: run `uv sync`"):
        exec(compile(machines.source(Situation()), "test_uv.py", "exec"), {"__name__": "demo.test_uv"})


# The choice of an accelerator


def runs(capability: tuple[int, int], archs: str) -> bool:
    """The rule once more: compiled code runs on the same major and the same or a later minor capability."""
    numbers = [int(arch.removeprefix("sm_")) for arch in archs.split()]
    return any(number // 10 == capability[0] and number % 10 <= capability[1] for number in numbers)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


PROJECTS = [("2.1.0", "3.11"), ("2.6.0", "3.12"), ("2.9.1", "3.12"), ("2.13.0", "3.12"), ("2.15.0", "3.12")]
CAPABILITIES = [(3, 7), (5, 2), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (10, 3), (11, 0), (12, 0), (12, 1)]  # fmt: skip
DRIVERS = ["", "390.157", "450.80.02", "452.39", "470.57.02", "525.60.12", "525.60.13", "528.33", "550.54.14", "579.99", "580.65.06", "580", "610.1"]  # fmt: skip


@pytest.fixture(scope="session")
def loaded(machines: Machines) -> Callable[..., types.ModuleType]:
    """Import the module of a project on a well machine and leave nothing patched."""

    def loaded(torch: str = "2.13.0", python: str = "3.12") -> types.ModuleType:
        with pytest.MonkeyPatch.context() as monkeypatch:
            return machines.load(Situation("cpu", torch, answers={"python_version": python}), monkeypatch)

    return loaded


@pytest.mark.parametrize(("torch", "python"), PROJECTS)
def test_choice_is_the_oldest_that_fits(
    loaded: Callable[..., types.ModuleType], torch: str, python: str
) -> None:
    module = loaded(torch, python)

    @given(
        st.sampled_from(sorted(module.BUILDS)),
        st.sampled_from(DRIVERS) | st.from_regex(r"\A[3-7][0-9]{2}\.[0-9]{2}\.[0-9]{2}\Z"),
        st.lists(st.sampled_from(CAPABILITIES), max_size=2),
    )
    @settings(deadline=None)
    def check(platform: str, driver: str, capabilities: list[tuple[int, int]]) -> None:
        module.other_builds = lambda: module.BUILDS[platform]
        fitting = [
            name
            for name, (floor, archs) in module.BUILDS[platform].items()
            if name.startswith("cu")
            and (not driver or numbers(driver) >= numbers(floor))
            and all(runs(capability, archs) for capability in capabilities)
        ]
        fitting.sort(key=lambda name: int(name[2:]))
        assert module.choose(driver, capabilities) == (fitting[0] if fitting else None)

    check()


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("win32", "AMD64", "windows-x86_64"),
        ("darwin", "arm64", None),
    ],
)
def test_builds_are_those_of_this_machine(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, platform: str | None
) -> None:
    module = machines.load(Situation("cpu", system=system, machine=machine), monkeypatch)
    assert module.other_builds() == (module.BUILDS[platform] if platform else {})


def test_driver_below_the_floor_of_windows(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Situation(system="win32", machine="AMD64"), monkeypatch)
    for driver, proposed in (("560.94", ["cu126"]), ("581.15", []), ("527.41", [])):
        module.nvidia = lambda driver=driver: module.Nvidia(driver, ("NVIDIA A100",), ((8, 0),))
        why, mend, here = module.why_no_cuda()
        assert here
        assert (f"driver {driver} is older than 580, which cu130 needs" in why) == (driver < "580")
        assert re.findall("accelerator=(\\w+)", mend) == proposed


@given(
    st.tuples(st.integers(3, 12), st.integers(0, 9)),
    st.lists(st.tuples(st.sampled_from(["sm", "compute"]), st.integers(3, 12), st.integers(0, 9), st.sampled_from(["", "a", "f"]))),
)  # fmt: skip
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_runs_on_a_gpu(
    module: types.ModuleType, capability: tuple[int, int], archs: list[tuple[str, int, int, str]]
) -> None:
    major, minor = capability
    expected = False
    for kind, *made_for, suffix in archs:
        exact = made_for == [major, minor]
        same_major = made_for[0] == major and made_for[1] <= minor
        older = made_for <= [major, minor]
        expected |= exact if suffix == "a" else same_major or (kind == "compute" and not suffix and older)
    names = [f"{kind}_{major}{minor}{suffix}" for kind, major, minor, suffix in archs]
    assert module.runs_on(capability, names) == expected


@pytest.fixture(scope="module")
def module(loaded: Callable[..., types.ModuleType]) -> types.ModuleType:
    return loaded()


# Every proposed update is one that the template accepts


def builds(text: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Read BUILDS off the text of the module."""
    (value,) = (
        node.value
        for node in ast.parse(text).body
        for target in getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(target, ast.Name) and target.id == "BUILDS"
    )
    return ast.literal_eval(value)


PROPOSALS = [
    {"torch_version": "2.1.0", "python_version": "3.11", "companions": ["torchvision", "torchaudio"]},
    {"torch_version": "2.4.1", "companions": ["torchvision"]},  # lacks ROCm on 3.12
    {"torch_version": "2.5.1", "python_version": "3.13"},  # Linux on x86-64 only
    {"torch_version": "2.9.0", "companions": ["torchvision", "torchaudio"]},
    {"torch_version": "2.13.0", "companions": ["torchaudio"]},  # lacks cu129, cu132 and rocm7.1
    {"torch_version": "2.13.0", "platforms": ["linux-aarch64", "macos-arm64"]},
    {"torch_version": "2.14.1", "platforms": ["windows-x86_64"]},
    {"torch_version": "2.15.0"},
    {"torch_version": "2.14.1", "platforms": ["macos-arm64"]},
]


@pytest.mark.parametrize("answers", PROPOSALS, ids=str)
def test_every_proposal_is_accepted_and_gives_that_machine_a_build(
    machines: Machines, template: Path, tmp_path: Path, answers: dict
) -> None:
    text = machines.source(Situation("cpu", str(answers["torch_version"]), answers=answers))
    offered = builds(text)
    accepted: dict[str, set[str]] = {}
    for key in yaml.safe_load((template / "data/accelerators.yml").read_text())["accelerators"]["default"]:
        project = tmp_path / key
        data = {"project_name": "demo", **answers, "accelerator": key}
        try:
            run_copy(str(template), project, data=data, defaults=True, quiet=True)
        except ValueError:
            continue
        markers = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["uv"]["environments"]
        known = yaml.safe_load((template / "data/platforms.yml").read_text())["platforms_known"]["default"]
        accepted[key] = {name for name, marker in known.items() if marker in markers and "macos" not in name}
    accepted.pop("cpu", None)
    places = {key: {place for place in offered if key in offered[place]} for key in accepted}
    assert {key for rows in offered.values() for key in rows} <= set(accepted)
    assert places == accepted
    assert bool(offered) == any(accepted.values())


def test_proposed_commands_change_a_project(machines: Machines, template: Path, tmp_path: Path) -> None:
    """The command as it is printed, in a project from a template with a release."""
    released = tmp_path / "template"
    shutil.copytree(template, released)
    commit(released)
    run("git", "tag", "--annotate", "1.0.0", "--message=One", cwd=released)
    run_copy(f"git+file://{released}", tmp_path / "demo", data={"accelerator": "cu130", "torch_version": "2.13.0"}, defaults=True, quiet=True)  # fmt: skip
    commit(tmp_path / "demo")
    command, sync = machines.diagnose(TOO_OLD).finding["commands"]
    assert command.startswith("uvx copier update ")
    assert sync == "uv sync"
    run(sys.executable, "-m", *command.split()[1:], cwd=tmp_path / "demo")
    saved = yaml.safe_load((tmp_path / "demo/.copier-answers.yml").read_text())
    assert saved["accelerator"] == "cu126"
    assert 'ACCELERATOR = "cu126"' in (tmp_path / "demo/src/demo/test_uv.py").read_text()


def test_builds_hold_what_the_record_says(machines: Machines) -> None:
    """The table of a release, written down by hand from the record."""
    floors = FACTS["drivers"]["minor_version_compatibility"]
    older = [f"sm_{number}" for number in FACTS["gpu_archs"]["cu126 (2.7-2.14)"]["x86_64"]]
    newer = [f"sm_{number}" for number in FACTS["gpu_archs"]["cu130, cu132"]["x86_64"]]
    found = builds(machines.source(Situation("cpu", answers={"platforms": ["linux-x86_64"]})))
    cuda = {key: facts for key, facts in found["linux-x86_64"].items() if key.startswith("cu")}
    assert cuda == {
        "cu126": (floors["cuda12"]["linux"].removeprefix(">="), " ".join(older)),
        "cu129": (floors["cuda12"]["linux"].removeprefix(">="), " ".join(newer)),
        "cu130": (floors["cuda13"]["linux"].removeprefix(">="), " ".join(newer)),
        "cu132": (floors["cuda13"]["linux"].removeprefix(">="), " ".join(newer)),
    }
    assert list(found) == ["linux-x86_64"]
