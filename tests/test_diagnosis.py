"""What test-uv says on machines made of stubs: each rule speaks when it should and is silent when all is well."""

import importlib
import importlib.metadata
import json
import os
import re
import shutil
import sys
import tempfile
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machines import BUILDS, Gpu, Machine, Machines, Tensor, rows, smi
from support import REPORT_STARTS

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
def machines(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    return Machines(tmp_path_factory.mktemp("machines"))


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
with tempfile.TemporaryFile() as new:
    GROUP = os.fstat(new.fileno()).st_gid  # of every new file, those that stand for devices too

OTHERS = ("flash-attn", "xformers", "torchao", "bitsandbytes", "torch-scatter", "pyg-lib")
NO_LIBRARY = "{}: cannot open shared object file: No such file or directory"


def no_codec(*tries: str) -> RuntimeError:
    """What torchcodec raises after it has tried its libraries for each FFmpeg."""
    lines = [f"FFmpeg version {9 - i}:\nTraceback:\nOSError: {why}\n\nOSError: Could not load this library: /x/libtorchcodec_core{9 - i}.so" for i, why in enumerate(tries)]  # fmt: skip
    return RuntimeError("Could not load libtorchcodec. Likely causes:\n1. FFmpeg is not properly installed\n" + "\n".join(lines))  # fmt: skip


def no_image_library(library: str) -> OSError:
    """What newer ones raise first, if they are for CUDA."""
    error = OSError("Could not load this library: /x/libtorchcodec_image.so")
    error.__cause__ = OSError(NO_LIBRARY.format(library))
    return error


NO_FFMPEG = no_codec(*(NO_LIBRARY.format(f"libavutil.so.{number}") for number in (61, 60, 59)))
BROKEN_MACOS = no_codec("dlopen(/x/libtorchcodec_core8.dylib, 0x0006): Library not loaded: @rpath/libavutil.60.dylib")  # fmt: skip
BROKEN_WINDOWS = no_codec(
    "Could not find module 'C:\\x\\libtorchcodec_core8.dll' (or one of its dependencies)."
)

# All is well: nothing is found.
WELL = {
    "cpu, no GPU": (Machine("cpu"), []),
    "cuda": (Machine(gpus=[Gpu()], smi=smi("580.65.06", A100)), []),
    "cuda, no nvidia-smi": (Machine(gpus=[Gpu()]), []),
    "cuda required": (Machine(gpus=[Gpu()], smi=smi("580.65.06", A100)), ["--require=cuda"]),
    "later minor capability": (Machine("cu126", archs=CU126, gpus=[Gpu("RTX 4090", "8.9")]), []),
    "old driver with forward compatibility": (Machine(gpus=[Gpu()], smi=smi("535.54.03", A100)), []),
    "rocm": (Machine("rocm7.2", gpus=[Gpu("MI210", "gfx90a")], archs=["gfx90a"]), []),
    "rocm required": (Machine("rocm7.2", gpus=[Gpu("MI210", "gfx90a")]), ["--require=rocm"]),
    "xpu": (Machine("xpu", gpus=[Gpu("Arc B580")]), ["--require=xpu"]),
    "mps": (Machine("cu130", installed="cpu", mps=True, system="darwin", processor="arm64"), ["--require=mps"]),
    "GPU build in CI": (Machine(), ["--require=cpu"]),
    "CPU build of a GPU project in CI": (Machine(installed="cpu"), ["--require=cpu"]),
    "GPU broken, CPU required": (Machine(gpus=[Gpu(error=NO_KERNEL)]), ["--require=cpu"]),
    "CPU project beside a GPU, CPU required": (Machine("cpu", smi=smi("580.65.06", A100)), ["--require=cpu"]),
    "CPU project beside a broken driver": (Machine("cpu", smi="exit 9"), []),
    "CPU project beside a GPU that nothing fits": (Machine("cpu", smi=smi("550.54.14", ("GTX 580", "2.0"))), []),
    "one of two GPUs chosen": (Machine(gpus=[Gpu()], environ={"CUDA_VISIBLE_DEVICES": "1"}), []),
    "companions": (Machine(gpus=[Gpu()], companions={"torchvision": "", "torchaudio": "", "torchcodec": ""}), []),
    "the CPU's torchcodec for XPU": (Machine("xpu", gpus=[Gpu("Arc B580")], companions={"torchcodec": ""}, versions={"torchcodec": "0.16.0+cpu"}), []),
    "others, for this CUDA and torch": (
        Machine("cu128", gpus=[Gpu()], companions=dict.fromkeys(OTHERS, ""), versions={
            "flash-attn": "2.8.3+cu.12.8.torch.2.13", "torch-scatter": "2.1.2+pt213cu128", "torchao": "0.18.0+cu128", "pyg-lib": "0.9.0+cu12torch2.13cxx11abiTRUE",
        }), [],
    ),
    "others for CUDA in CI": (
        Machine(installed="cpu", companions={"flash-attn": NO_LIBRARY.format("libcudart.so.13")}, versions={"flash-attn": "2.8.3+cu.13.0.torch.2.13"}), ["--require=cpu"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("machine", "options"), WELL.values(), ids=WELL)
def test_silent_when_all_is_well(diagnose: Diagnose, machine: Machine, options: list[str]) -> None:
    result = diagnose(machine, *options)
    assert result.report["findings"] == []
    assert result.status == 0
    assert result.err == []


HIDES = {"CUDA_VISIBLE_DEVICES": ""}
TOO_OLD = Machine(smi=smi("550.54.14", A100))
NO_HELP = "Failed to initialize NVML: Driver/library version mismatch"

# Problem or note; words of what, why and fix; the commands proposed.
RULES = {
    "another build": (
        Machine(installed="cpu"),
        True, ["torch 2.13.0 for cpu is installed", "but torch 2.13.0 for cu130 is pinned"], ["uv sync"],
    ),
    "another release": (
        Machine(installed_torch="2.12.1", gpus=[Gpu()]),
        True, ["torch 2.12.1 for cu130 is installed", "torch 2.13.0 for cu130 is pinned"], ["uv sync"],
    ),
    "no GPU, no driver": (Machine(), False, ["torch for cu130 finds no NVIDIA GPU, since this machine has none"], []),
    "driver below the floor": (
        TOO_OLD,
        True, ["driver 550.54.14 is older than 580.65.06, which cu130 needs", "update the driver to 580.65.06 or newer, or"],
        change_to("cu126"),
    ),
    "driver below the floor, newest GPU": (
        replace(TOO_OLD, smi=smi("572.61", RTX5090)), True, ["driver 572.61 is older"], change_to("cu129"),
    ),
    "driver below the floor, Arm": (
        replace(TOO_OLD, processor="aarch64"),
        True, ["driver 550.54.14 is older"], change_to("cu129"),
    ),
    "driver below every floor": (
        replace(TOO_OLD, smi=smi("470.57.02", A100)), True, ["update the driver to 580.65.06 or newer"], [],
    ),
    "driver below the floor, companion without a build": (
        replace(TOO_OLD, smi=smi("572.61", RTX5090), builds={"linux-x86_64": rows("cu126 cu130", "525.60.13", "580.65.06")}),
        True, ["driver 572.61 is older", "update the driver to 580.65.06 or newer"], [],
    ),
    "GPU newer than the build": (
        Machine("cu126", archs=CU126, gpus=[Gpu(*RTX5090, NO_KERNEL)], smi=smi("580.65.06", RTX5090)),
        True, ["RTX 5090 does not work", "torch for cu126 has no code for compute capability 12.0"], change_to("cu129"),
    ),
    "GPU older than the build": (
        Machine(gpus=[Gpu(*GTX1080, NO_KERNEL)], smi=smi("580.65.06", GTX1080)),
        True, ["GTX 1080 does not work", "torch for cu130 has no code for compute capability 6.1"], change_to("cu126"),
    ),
    "GPU older than every build": (
        Machine("cu132", gpus=[Gpu(*GTX1080, NO_KERNEL)], smi=smi("580.65.06", GTX1080), builds={"linux-x86_64": rows("cu132", "", "580.65.06")}),
        True, ["no build of torch 2.13.0 has code for all GPUs here"], [],
    ),
    "two GPUs that no build has together": (
        Machine(gpus=[Gpu(*GTX1080, NO_KERNEL), Gpu(*RTX5090)], smi=smi("580.65.06", GTX1080, RTX5090)),
        True, ["GTX 1080 does not work", "no build of torch 2.13.0 has code for all GPUs here; to use the others"],
        ["export CUDA_VISIBLE_DEVICES=1"],
    ),
    "two GPUs that no build has together, chosen by name": (
        Machine(gpus=[Gpu(*RTX5090), Gpu(*GTX1080, NO_KERNEL)], smi=smi("580.65.06", GTX1080, RTX5090), environ={"CUDA_VISIBLE_DEVICES": "GPU-5090,GPU-1080"}),
        True, ["GTX 1080 does not work", "to use the others"], ["export CUDA_VISIBLE_DEVICES=GPU-5090"],
    ),
    "GPU newer than the build, driver too old for a newer build": (
        Machine("cu126", archs=CU126, gpus=[Gpu(*RTX5090, NO_KERNEL)], smi=smi("570.0", RTX5090), builds={"linux-x86_64": rows("cu126 cu130", "525.60.13", "580.65.06")}),
        True, ["update the driver to 580.65.06 or newer, then run"], change_to("cu130"),
    ),
    "GPU fails": (
        Machine(gpus=[Gpu(error="CUDA out of memory. Tried to allocate 20.00 MiB\nmore")]),
        True, ["NVIDIA A100 does not work, since CUDA out of memory. Tried to allocate 20.00 MiB"], [],
    ),
    "GPU computes wrong": (Machine(gpus=[Gpu(wrong=True)]), True, ["does not work, since its matrix product is wrong"], []),
    "hidden": (
        Machine(smi=smi("580.65.06", A100), environ=HIDES),
        True, ["and CUDA_VISIBLE_DEVICES='' may hide it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "hidden by -1": (
        Machine(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "-1"}),
        True, ["CUDA_VISIBLE_DEVICES='-1' may hide it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "hidden by a number too high": (
        Machine(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "1"}),
        True, ["CUDA_VISIBLE_DEVICES='1' may hide it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "a choice among no GPUs": (
        Machine(environ={"CUDA_VISIBLE_DEVICES": "1"}), False, ["since this machine has none, or no driver for it"], [],
    ),
    "the first AMD GPU chosen": (
        Machine("rocm7.2", files={"dev/kfd": ""}, environ={"HIP_VISIBLE_DEVICES": "0"}), True, ["though its driver runs"], [],
    ),
    "perhaps hidden": (
        Machine(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "GPU-1234"}),
        True, ["and CUDA_VISIBLE_DEVICES='GPU-1234' may hide it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "perhaps hidden by a repetition": (
        Machine(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "0,0"}),
        True, ["and CUDA_VISIBLE_DEVICES='0,0' may hide it"], ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "AMD GPU perhaps hidden": (
        Machine("rocm7.2", files={"dev/kfd": ""}, environ={"HIP_VISIBLE_DEVICES": "7"}),
        True, ["HIP_VISIBLE_DEVICES='7' may hide it"], ["unset HIP_VISIBLE_DEVICES"],
    ),
    "mirror of one build": (
        replace(TOO_OLD, one_build=True),
        True, ["update the driver to 580.65.06 or newer, or use another mirror, since this one has a single build"],
        [f"{CHANGE.format('cu126')} --data mirror=official", "uv sync"],
    ),
    "another of several builds, numpy broken": (
        Machine("cpu", installed="cu126", gpus=[Gpu()], switch_to=["cu126"], numpy_error="Numpy is not available"),
        True, ["numpy 2.4.6 does not work"], ["uv sync --no-group cpu --group cu126"],
    ),
    "not hidden, torch fails": (
        Machine(smi=smi("580.65.06", A100), environ={"CUDA_VISIBLE_DEVICES": "0"}),
        True, ["though driver 580.65.06 finds NVIDIA A100: restart the machine"], [],
    ),
    "torch fails in WSL": (
        Machine(files=WSL | {"dev/dxg": "", "usr/lib/wsl/lib/nvidia-smi": f"#!/bin/sh\n{smi('580.65.06', A100)}"}),
        True, ["though driver 580.65.06 finds NVIDIA A100"], ["wsl --update", "wsl --shutdown"],
    ),
        "WSL without the driver": (
        Machine(files=WSL | {"dev/dxg": ""}),
        False, ["WSL finds no NVIDIA driver", "install the driver in Windows"], ["wsl --update", "wsl --shutdown"],
    ),
    "driver does not answer in WSL, which lists no GPU of NVIDIA": (
        Machine(files=WSL | {"dev/dxg": ""} | pci("0x1414"), smi="exit 9"), True, ["its driver does not answer (nvidia-smi fails)"], ["wsl --update", "wsl --shutdown"],
    ),
    "container without the device": (
        Machine(files=CONTAINER | NVIDIA), True, ["this container was started without one"], ["docker run --gpus all"],
    ),
    "container of Podman": (
        Machine(files={"run/.containerenv": ""} | NVIDIA), True, ["this container was started without one"], ["docker run --gpus all"],
    ),
    "container of Apptainer without --nv": (
        Machine(files={".singularity.d/runscript": "", "dev/nvidia0": "", "proc/driver/nvidia/version": "NVRM  580.65.06  Release"}),
        True, ["this container was started without one"], ["apptainer exec --nv"],
    ),
    "container of Apptainer with --nv": (
        Machine(files={".singularity.d/runscript": "", "dev/nvidia0": ""}, smi=smi("550.54.14", A100)),
        True, ["driver 550.54.14 is older than 580.65.06"], change_to("cu126"),
    ),
    "container with the fourth GPU only": (
        Machine(files=CONTAINER | {"dev/nvidia3": ""}, smi=smi("550.54.14", A100)),
        True, ["driver 550.54.14 is older than 580.65.06"], change_to("cu126"),
    ),
    "driver installed, no NVIDIA GPU": (
        Machine(files=INTEL, smi="echo 'No devices were found'; exit 6"), False, ["since this machine has none"], [],
    ),
    "container with a device and a lost driver": (
        Machine(files=CONTAINER | {"dev/nvidia0": ""}, smi="echo 'Failed to initialize NVML: Unknown Error'; exit 255"),
        True, ["its driver does not answer (Failed to initialize NVML: Unknown Error): restart the container"], [],
    ),
    "driver does not answer": (
        Machine(smi=f"echo '{NO_HELP}'; exit 18"),
        True, [f"its driver does not answer ({NO_HELP})", "restart the machine; if that fails, reinstall the driver"], [],
    ),
    "driver does not answer and says so as an error": (
        Machine(smi=f"echo '{NO_HELP}' >&2; exit 18"), True, [f"its driver does not answer ({NO_HELP})"], [],
    ),
    "nvidia-smi says nothing": (Machine(smi="exit 1"), True, ["its driver does not answer (nvidia-smi fails)"], []),
    "nvidia-smi says nonsense": (Machine(smi=r"printf 'a, b\n\377\n, ,,\n'"), True, ["its driver does not answer (a, b)"], []),
    "nvidia-smi is a broken program": (
        Machine(smi="", files={}), True, ["its driver does not answer (nvidia-smi fails)"], [],
    ),
    "no driver": (
        Machine(files=NVIDIA),
        True, ["its driver is missing", "install NVIDIA's driver, 580.65.06 or newer"], [],
    ),
    "no driver, server GPU": (Machine(files=pci("0x10de", "0x030200")), True, ["install NVIDIA's driver"], []),
    "no NVIDIA GPU but a network card": (Machine(files=pci("0x10de", "0x020000")), False, ["since this machine has none"], []),
    "no AMD GPU": (Machine("rocm7.2"), False, ["torch for rocm7.2 finds no AMD GPU, since this machine has none"], []),
    "AMD GPU without driver": (Machine("rocm7.2", files=AMD), True, ["its driver is missing", "install AMD's driver, amdgpu"], []),
    "AMD accelerator without driver": (Machine("rocm7.2", files=pci("0x1002", "0x120000")), True, ["install AMD's driver, amdgpu"], []),
    "kfd not in the container": (
        Machine("rocm7.2", files=CONTAINER | AMD),
        True, ["this container was started without one"], ["docker run --device /dev/kfd --device /dev/dri"],
    ),
    "kfd closed": (
        Machine("rocm7.2", files={"dev/kfd": ""}, closed=["dev/kfd"]),
        True, ["since you may not open /dev/kfd", "log in again"], ["sudo usermod --append --groups render,video $USER"],
    ),
    "kfd closed in a container": (
        Machine("rocm7.2", files=CONTAINER | {"dev/kfd": ""}, closed=["dev/kfd"]),
        True, ["since you may not open /dev/kfd", "start it with"], [f"docker run --group-add {GROUP}"],
    ),
    "kfd open": (Machine("rocm7.2", files={"dev/kfd": ""}), True, ["though its driver runs"], []),
    "AMD GPU hidden": (
        Machine("rocm7.2", files={"dev/kfd": ""}, environ={"HIP_VISIBLE_DEVICES": "-1"}),
        True, ["HIP_VISIBLE_DEVICES='-1' may hide it"], ["unset HIP_VISIBLE_DEVICES"],
    ),
    "no Intel GPU": (Machine("xpu"), False, ["torch for xpu finds no Intel GPU, since this machine has none"], []),
    "Intel GPU without driver": (Machine("xpu", files=INTEL), True, ["is missing", "compute runtime (Level Zero)"], []),
    "dri not in the container": (
        Machine("xpu", files=CONTAINER | INTEL), True, ["started without one"], ["docker run --device /dev/dri"],
    ),
    "dri closed": (
        Machine("xpu", files=INTEL | {"dev/dri/renderD128": ""}, closed=["dev/dri/renderD128"]),
        True, ["since you may not open /dev/dri/renderD*", "log in again"], ["sudo usermod --append --groups render,video $USER"],
    ),
    "dri open": (Machine("xpu", files=INTEL | {"dev/dri/renderD128": ""}), True, ["though its driver runs", "Level Zero"], []),
    "Intel GPU hidden": (
        Machine("xpu", files=INTEL | {"dev/dri/renderD128": ""}, environ={"ZE_AFFINITY_MASK": "3"}),
        True, ["ZE_AFFINITY_MASK='3' may hide it"], ["unset ZE_AFFINITY_MASK"],
    ),
    "Intel GPU not selected": (
        Machine("xpu", files=INTEL | {"dev/dri/renderD128": ""}, environ={"ONEAPI_DEVICE_SELECTOR": "opencl:cpu"}),
        True, ["ONEAPI_DEVICE_SELECTOR='opencl:cpu' may hide it"], ["unset ONEAPI_DEVICE_SELECTOR"],
    ),
    "CPU project beside a GPU": (
        Machine("cpu", smi=smi("550.54.14", RTX4090)),
        False, ["RTX 4090 is not used, since torch for cpu is pinned"], change_to("cu126"),
    ),
    "CPU project beside the newest GPU": (Machine("cpu", smi=smi("580.65.06", RTX5090)), False, ["RTX 5090"], change_to("cu129")),
    "CPU project beside a GPU with an old driver": (
        Machine("cpu", "2.3.1", builds={"linux-x86_64": rows("cu118 cu121", "525.60.13", "")}, smi=smi("470.57.02", A100)), False, ["NVIDIA A100"], change_to("cu118"),
    ),
    "CPU project beside a GPU whose driver is too old for every build": (
        Machine("cpu", smi=smi("390.157", A100)),
        False, ["NVIDIA A100 is not used", "update the driver to 525.60.13 or newer, then run"], change_to("cu126"),
    ),
    "CPU project beside a GPU, mirror of one build": (
        Machine("cpu", smi=smi("580.65.06", A100), one_build=True),
        False, ["use another mirror, since this one has a single build"],
        [f"{CHANGE.format('cu126')} --data mirror=official", "uv sync"],
    ),
    "torchvision of another build": (
        Machine(gpus=[Gpu()], companions={"torchvision": "operator torchvision::nms does not exist", "torchaudio": ""}),
        True, ["torchvision 1.2.3 does not work with torch 2.13.0+cu130, since operator torchvision::nms does not exist"], ["uv sync"],
    ),
    "torchaudio of another build": (
        Machine(gpus=[Gpu()], companions={"torchaudio": "undefined symbol: _ZN3c104\nmore"}),
        True, ["torchaudio 1.2.3 does not work with torch 2.13.0+cu130, since undefined symbol: _ZN3c104: run"], ["uv sync"],
    ),
    **{
        f"no FFmpeg, {program or 'nothing that installs it'}": (
            Machine("cpu", companions={"torchcodec": error}, programs=[program] if program else []),
            True, ["torchcodec 1.2.3 does not work with torch 2.13.0+cpu, since it finds no FFmpeg"], [command] if command else [],
        )
        for program, command, error in (
            ("apt", "sudo apt install ffmpeg", NO_FFMPEG),
            ("dnf", "sudo dnf install ffmpeg-free", NO_FFMPEG),
            ("brew", "brew install ffmpeg", BROKEN_MACOS),
            ("winget", "winget install Gyan.FFmpeg.Shared", BROKEN_WINDOWS),
            ("", "", NO_FFMPEG),
        )
    },
    "torchcodec from PyPI beside the CPU's torch": (
        Machine("cpu", companions={"torchcodec": no_image_library("libnvrtc.so.13")}, programs=["apt"]),
        True, ["torchcodec 1.2.3 does not work with torch 2.13.0+cpu, since it is built for another accelerator (libnvrtc.so.13: cannot open"], ["uv sync"],
    ),
    "an older torchcodec for CUDA, where FFmpeg 7 is": (
        Machine("cpu", companions={"torchcodec": no_codec(NO_LIBRARY.format("libavutil.so.60"), NO_LIBRARY.format("libc10_cuda.so"))}),
        True, ["since it is built for another accelerator (libc10_cuda.so: cannot open"], ["uv sync"],
    ),
    "torchcodec for CUDA without NPP": (
        Machine("cu126", gpus=[Gpu()], companions={"torchcodec": no_codec(NO_LIBRARY.format("libavutil.so.60"), NO_LIBRARY.format("libnppicc.so.12"))}),
        True, ["since libnppicc.so.12: cannot open", "install NPP, which is in NVIDIA's CUDA Toolkit"], [],
    ),
    "torchcodec of another CUDA by its version": (
        Machine(gpus=[Gpu()], companions={"torchcodec": BROKEN_WINDOWS}, versions={"torchcodec": "0.16.0+cpu"}),
        True, ["torchcodec 0.16.0+cpu does not work with torch 2.13.0+cu130, since it is for cpu"], ["uv sync"],
    ),
    "torchcodec for another torch": (
        Machine("cpu", companions={"torchcodec": no_codec(NO_LIBRARY.format("libavutil.so.60"), "/x/libtorchcodec_core7.so: undefined symbol: _ZN3c10")}),
        True, ["since /x/libtorchcodec_core7.so: undefined symbol: _ZN3c10"], ["uv sync"],
    ),
    "flash-attn for another CUDA and torch": (
        Machine("cu126", gpus=[Gpu()], companions={"flash-attn": "undefined symbol: _ZN3c10"}, versions={"flash-attn": "2.8.3+cu.13.0.torch.2.11"}),
        True, ["flash-attn 2.8.3+cu.13.0.torch.2.11 does not work with torch 2.13.0+cu126, since it is for cu130 and torch 2.11: see docs/compiled-packages.md"], [],
    ),
    "torch-scatter for the CPU, which can be imported": (
        Machine("cu126", gpus=[Gpu()], companions={"torch-scatter": ""}, versions={"torch-scatter": "2.1.2+pt213cpu"}),
        False, ["torch-scatter 2.1.2+pt213cpu does not work with torch 2.13.0+cu126, since it is for cpu"], [],
    ),
    "xformers that lacks a library": (
        Machine("cu126", gpus=[Gpu()], companions={"xformers": NO_LIBRARY.format("libcudart.so.13")}),
        True, ["xformers 1.2.3 does not work with torch 2.13.0+cu126, since it is built for another accelerator (libcudart.so.13"], [],
    ),
    "numpy 2 with an old torch": (
        Machine("cpu", "2.2.2", numpy_error="Numpy is not available"),
        True, ["numpy 2.4.6 does not work with torch 2.2.2+cpu, since Numpy is not available"], ["uv sync"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("machine", "problem", "words", "commands"), RULES.values(), ids=RULES)
def test_speaks(
    diagnose: Diagnose, machine: Machine, problem: bool, words: list[str], commands: list[str]
) -> None:
    result = diagnose(machine)
    finding = result.finding
    assert finding["problem"] is problem
    assert result.status == problem
    assert finding["commands"] == commands
    for word in words:
        assert word in finding["text"]


REQUIRED = {
    "cuda, hidden": (
        Machine(smi=smi("580.65.06", A100), environ=HIDES), "cuda", "CUDA_VISIBLE_DEVICES='' may hide it", ["unset CUDA_VISIBLE_DEVICES"],
    ),
    "cuda, no GPU": (Machine(), "cuda", "since this machine has none, or no driver for it", []),
    "cuda, fails": (Machine(gpus=[Gpu(error=NO_KERNEL)]), "cuda", "no kernel image is available", []),
    "cuda, CPU build by mistake": (Machine(installed="cpu"), "cuda", "but torch 2.13.0 for cu130 is pinned", ["uv sync"]),
    "cuda, CPU pinned": (
        Machine("cpu", smi=smi("550.54.14", A100)), "cuda", "cuda is required, but torch for cpu is pinned", change_to("cu126"),
    ),
    "cuda, old driver": (
        Machine("cpu", smi=smi("390.157", A100)), "cuda", "update the driver to 525.60.13 or newer, then run", change_to("cu126"),
    ),
    "cuda, old GPU": (
        Machine("cpu", smi=smi("550.54.14", ("GTX 580", "2.0"))), "cuda", "no cuda build of torch 2.13.0 fits this machine", [],
    ),
    "rocm, cuda pinned": (Machine(gpus=[Gpu()]), "rocm", "rocm is required, but torch for cu130 is pinned", change_to("rocm7.2")),
    "rocm, Arm": (Machine("cpu", processor="aarch64"), "rocm", "no rocm build of torch 2.13.0 fits this machine", []),
    "xpu, cpu pinned": (Machine("cpu"), "xpu", "xpu is required, but torch for cpu is pinned", change_to("xpu")),
    "mps, Linux": (Machine("cpu"), "mps", "but only macOS has it", []),
    "mps, none": (Machine("cpu", system="darwin", processor="arm64"), "mps", "but torch finds none on this Mac, whose GPUs are mps", []),
    "cuda, macOS": (Machine("cpu", system="darwin", processor="arm64"), "cuda", "but torch finds none on this Mac, whose GPUs are mps", []),
    "cpu, another release": (
        Machine(installed="cpu", installed_torch="2.12.1"), "cpu", "but torch 2.13.0 for cpu is pinned", ["uv sync"],
    ),
    "cpu, another CUDA": (Machine(installed="cu126"), "cpu", "but torch 2.13.0 for cu130 is pinned", ["uv sync"]),
}  # fmt: skip


@pytest.mark.parametrize(("machine", "device", "words", "commands"), REQUIRED.values(), ids=REQUIRED)
def test_required_device_that_does_not_compute_is_a_problem(
    diagnose: Diagnose, machine: Machine, device: str, words: str, commands: list[str]
) -> None:
    result = diagnose(machine, "--require", device)
    assert result.status == 1
    assert result.finding["problem"] is True
    assert words in result.finding["text"]
    assert result.finding["commands"] == commands


@pytest.mark.parametrize("device", [None, "cpu", "cuda"])
def test_cpu_that_computes_wrong_is_always_a_problem(diagnose: Diagnose, device: str | None) -> None:
    options = ["--require", device] if device else []
    result = diagnose(Machine(gpus=[Gpu()], cpu_wrong=True), *options)
    assert result.finding["what"] == "CPU (2 threads) does not work"


def test_report_of_a_gpu(diagnose: Diagnose) -> None:
    result = diagnose(Machine(gpus=[Gpu(*A100), Gpu(*RTX4090)], smi=smi("580.65.06", A100, RTX4090)))
    lines = [line.split(":", 1) for line in result.out.splitlines()]
    assert [line[0] for line in lines[:5]] == REPORT_STARTS
    values = {line[0]: line[-1] for line in lines}
    assert values["torch cuda available"] == "True"
    assert values["accelerator found"] == "cu130"
    assert values["nvidia driver"] == "580.65.06"
    assert [values[f"device 1{of}"] for of in ("", " capability", " computes")] == [
        "RTX 4090",
        "8.9",
        "True",
    ]
    assert values["device 2"] == "CPU (2 threads)"
    *_, tensor, verdict = result.out.splitlines()
    assert tensor.endswith("dtype=torch.float64)")
    assert verdict == "ok: torch for cu130 runs on NVIDIA A100 and RTX 4090"


def test_quiet_prints_problems_only(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    for machine, status, lines in ((Machine(), 0, 0), (TOO_OLD, 1, 1)):
        with pytest.MonkeyPatch.context() as monkeypatch:
            assert machines.load(machine, monkeypatch).main(["--quiet"]) == status
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
    module, torch = machines.load(Machine("cpu"), monkeypatch), sys.modules["torch"]
    right = torch.sin

    def sine(tensor: Tensor) -> Tensor:
        values = list(right(tensor).values)
        values[place] = float("nan")
        return Tensor(values)

    monkeypatch.setattr(torch, "sin", sine)
    assert module.main(["--json"]) == 1
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["sin"][place] is None
    assert [finding["what"] for finding in report["findings"]] == ["CPU (2 threads) does not work"]


def only_finding(module: types.ModuleType, require: str | None = None) -> tuple[dict, object]:
    """What the command would report and find."""
    report, (finding,) = module.cli.look(module.builds.load(), require)
    return report, finding


def test_nvidia_smi_that_hangs_is_left(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Machine(smi="exec /bin/sleep 60"), monkeypatch)
    monkeypatch.setattr(module.machine, "SMI_SECONDS", 0.2)
    _, finding = only_finding(module)
    assert "since its driver does not answer (Command" in finding.why
    assert "timed out after 0.2 seconds" in finding.why


def test_nvidia_smi_that_cannot_be_started(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Machine(smi="exit"), monkeypatch)
    Path(shutil.which("nvidia-smi")).write_bytes(b"\x7fELF")
    _, finding = only_finding(module)
    assert "Exec format error" in finding.why


def test_gpu_whose_properties_fail_is_said_in_a_line(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = machines.load(Machine(gpus=[Gpu(error="CUDA error: system not yet initialized")]), monkeypatch)

    def fail(index: int) -> None:
        raise RuntimeError("CUDA error: system not yet initialized")

    sys.modules["torch"].cuda.get_device_properties = fail
    report, finding = only_finding(module, "cuda")
    assert report["device 0"] == "cuda:0"
    assert str(finding) == "cuda:0 does not work, since CUDA error: system not yet initialized"


# What cannot be imported


class Fails:
    """An import of torch that raises an error, after pages on stderr."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def find_spec(self, name: str, *_: object) -> None:
        if name == "torch":
            sys.stderr.write("A module that was compiled using NumPy 1.x cannot be run in NumPy 2\n" * 20)
            raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'torch'"), "No module named 'torch'"),
        (ImportError("libcudart.so.13: cannot open shared object file\nmore"), "libcudart.so.13: cannot open shared object file"),
        (OSError("[WinError 126] The specified module could not be found."), "[WinError 126] The specified module could not be found."),
        (AttributeError(), "AttributeError"),
        (SystemExit(3), "3"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
@pytest.mark.parametrize("option", [[], ["--json"], ["--quiet"]], ids=str)
def test_torch_that_does_not_load_is_said_in_a_line(
    machines: Machines,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    words: str,
    option: list[str],
) -> None:
    module = machines.load(Machine(), monkeypatch)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "meta_path", [Fails(error), *sys.meta_path])
    assert module.main(option) == 1
    out, err = capsys.readouterr()
    text = f"torch, numpy or matplotlib cannot be imported, since {words}: run `uv sync --reinstall`"
    assert err == f"test-uv: {text}\n"
    if option == ["--json"]:
        report = json.loads(out)
        assert [finding["text"] for finding in report["findings"]] == [text]
        assert report["verdict"] == "not ok: 1 problem"
    else:
        assert out == ("" if option else "not ok: 1 problem\n")


@pytest.mark.parametrize(
    ("system", "environ", "error", "fix"),
    [
        ("nt", {}, OSError("[WinError 126]"), "install Microsoft's Visual C++ Redistributable or run `uv sync --reinstall`"),
        ("posix", {"LD_LIBRARY_PATH": "/opt/cuda"}, ImportError("libcudart"), "run `unset LD_LIBRARY_PATH` or run `uv sync --reinstall`"),
    ],
)  # fmt: skip
def test_libraries_of_the_system_are_to_blame(
    machines: Machines,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    environ: dict[str, str],
    error: Exception,
    fix: str,
) -> None:
    module = machines.load(Machine(environ=environ), monkeypatch)
    monkeypatch.setattr(module.builds, "os", types.SimpleNamespace(name=system, environ=os.environ))
    assert module.builds.why_not_loaded(error).fix == fix


def test_damaged_installation_of_a_group_is_installed_again(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metadata is there and the files are not, of one of several builds: plain uv sync would do nothing."""
    module = machines.load(Machine("cpu", switch_to=["cu126"]), monkeypatch)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.13.0+cu126")
    monkeypatch.setitem(sys.modules, "torch", None)  # import raises ModuleNotFoundError
    finding = module.builds.load()
    assert finding.fix == "run `uv sync --no-group cpu --group cu126 --reinstall`"


def test_missing_matplotlib_is_said(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Machine(), monkeypatch)

    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert "No package metadata was found for matplotlib" in module.builds.load().why


@pytest.mark.parametrize("name", ["torch.py", "torch/__init__.py", "numpy.py"])
def test_file_that_hides_a_package(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A script of a beginner who named it after what it tries; after the fix, the finding is gone."""
    module = machines.load(Machine(), monkeypatch)
    package = name.partition("/")[0].removesuffix(".py")
    well = sys.modules[package]
    monkeypatch.delitem(sys.modules, package)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(f"import {package}\n{package}.tensor([1.0])\n")
    monkeypatch.syspath_prepend(tmp_path)
    finding = module.builds.load()
    assert str(finding) == f"{tmp_path / name} is imported, not {package}: rename it"
    (tmp_path / name).rename(tmp_path / "example.py")
    monkeypatch.setitem(sys.modules, package, well)
    assert module.builds.load().accelerator == "cu130"


# Notebooks


def test_main_returns_where_a_shell_would_see_an_exit(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    module = machines.load(Machine("cpu"), monkeypatch)
    assert module.main([]) == 0
    assert module.main(["--help"]) == 0
    assert module.main(["--nonsense"]) == 2
    capsys.readouterr()


def test_importing_does_nothing(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """No module but the constants reads anything, and torch is imported when main runs."""
    module = machines.load(Machine(), monkeypatch)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(sys, "argv", ["x", "--nonsense"])
    names = sorted(path.stem for path in Path(module.__file__).parent.glob("*.py"))
    assert "cli" in names
    for name in names:
        monkeypatch.delitem(sys.modules, f"demo.test_uv.{name}", raising=False)
        importlib.import_module(f"demo.test_uv.{name}")


# Several builds in one project

A_DRIVER = smi("580.65.06", A100)
BACK_TO = "uv sync --no-group cu130 --group {}"


@pytest.mark.parametrize(
    ("machine", "commands"),
    [
        (Machine(gpus=[Gpu()], smi=A_DRIVER), None),
        (Machine(installed="cpu"), None),
        (Machine(installed="cu126", gpus=[Gpu()], smi=A_DRIVER), None),
        (Machine(installed="cu132", gpus=[Gpu()], smi=A_DRIVER), ["uv sync"]),
        (Machine(installed="cpu", smi=A_DRIVER), [BACK_TO.format("cu126"), "uv run --no-sync test-uv"]),
        (Machine(smi=smi("550.54.14", A100)), [BACK_TO.format("cu126"), "uv run --no-sync test-uv"]),
        (Machine(installed="cu126", smi=smi("470.57.02", A100)), []),
        (
            Machine(installed="cu126", archs=CU126, gpus=[Gpu(*RTX5090, NO_KERNEL)], smi=smi("580.65.06", RTX5090)),
            ["uv sync", "uv run --no-sync test-uv"],
        ),
    ],
)  # fmt: skip
def test_judges_by_the_group_that_is_installed(
    diagnose: Diagnose, machine: Machine, commands: list[str] | None
) -> None:
    result = diagnose(replace(machine, switch_to=["cu126", "cpu"]))
    if commands is None:
        assert result.report["findings"] == []
        assert result.report["accelerator pinned"] == result.report["accelerator found"]
    else:
        assert result.finding["commands"] == commands


# What was edited by hand

PYPROJECT = 'dependencies = [\n    "torch=={}",\n]\n'
ANSWERS = "accelerator: {}\nproject_name: {}\ntorch_version: {}\n"
RESTORED = {"torch_version": "2.12.1", "accelerator": "cu126"}


@pytest.mark.parametrize(
    ("pyproject", "data"),
    [
        ("2.12.1", "--data torch_version=2.12.1"),
        ("2.13.0.1", "--data torch_version=2.12.1"),  # another number that starts alike
        ("2.13.0", ""),
    ],
)
def test_build_pinned_by_hand(diagnose: Diagnose, pyproject: str, data: str) -> None:
    files = {"pyproject.toml": PYPROJECT.format(pyproject)}
    machine = Machine(installed="cu126", installed_torch="2.12.1", gpus=[Gpu()], project=files)
    finding = diagnose(machine).finding
    update = f"uvx copier update --defaults --vcs-ref=:current: {data}"
    assert finding["commands"] == ([update, "uv sync"] if data else ["uv sync"])
    assert finding["fix"].startswith("commit pyproject.toml and ") == bool(data)


@pytest.mark.parametrize(
    ("answers", "what", "fix"),
    [
        (("cu126", "demo", "2.13.0"), ".copier-answers.yml says cu126, but the project has cu130", "--data accelerator=cu126"),
        (("cu130", "demo", "2.12.1"), ".copier-answers.yml says 2.12.1, but the project has 2.13.0", "--data torch_version=2.12.1"),
        (("cu130", "other", "2.13.0"), "the package is called demo, but .copier-answers.yml says other", "--data project_name=demo"),
    ],
)  # fmt: skip
def test_answers_that_no_longer_fit(
    diagnose: Diagnose, answers: tuple[str, ...], what: str, fix: str
) -> None:
    files = {".copier-answers.yml": ANSWERS.format(*answers)}
    finding = diagnose(Machine(gpus=[Gpu()], project=files)).finding
    assert finding["text"].startswith(what)
    assert fix in finding["fix"]
    assert finding["problem"]


@pytest.mark.parametrize("name", ["demo", "Demo", "'demo'"])
def test_answers_that_fit(diagnose: Diagnose, name: str) -> None:
    files = {".copier-answers.yml": ANSWERS.format("cu130", name, "'2.13.0'")}
    assert diagnose(Machine(gpus=[Gpu()], project=files)).report["findings"] == []


# The choice of an accelerator


def runs(capability: tuple[int, int], archs: str) -> bool:
    """The rule once more: compiled code runs on the same major and the same or a later minor capability."""
    numbers = [int(arch.removeprefix("sm_")) for arch in archs.split()]
    return any(number // 10 == capability[0] and number % 10 <= capability[1] for number in numbers)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


CAPABILITIES = [(3, 7), (5, 2), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (10, 3), (11, 0), (12, 0), (12, 1)]  # fmt: skip
DRIVERS = ["", "390.157", "450.80.02", "452.39", "470.57.02", "525.60.12", "525.60.13", "528.33", "550.54.14", "579.99", "580.65.06", "580", "610.1"]  # fmt: skip


@pytest.fixture(scope="module")
def module(machines: Machines) -> types.ModuleType:
    """The package of a project on a well machine; nothing stays patched."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return machines.load(Machine("cpu"), monkeypatch)


TABLES = [BUILDS["linux-x86_64"], BUILDS["win32-AMD64"], BUILDS["linux-aarch64"], rows("cu118 cu121", "525.60.13", ""), rows("cu132 xpu", "", "580.65.06")]  # fmt: skip


@given(
    st.sampled_from(TABLES),
    st.sampled_from(DRIVERS) | st.from_regex(r"\A[3-7][0-9]{2}\.[0-9]{2}\.[0-9]{2}\Z"),
    st.lists(st.sampled_from(CAPABILITIES), max_size=2),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_choice_is_the_oldest_that_fits(
    module: types.ModuleType,
    table: dict[str, tuple[str, str]],
    driver: str,
    capabilities: list[tuple[int, int]],
) -> None:
    coded = {
        name: floor
        for name, (floor, archs) in table.items()
        if name.startswith("cu") and all(runs(capability, archs) for capability in capabilities)
    }
    fitting = [name for name, floor in coded.items() if not driver or numbers(driver) >= numbers(floor)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module.builds, "builds_here", lambda: table)
        accelerator, lacking = module.builds.choose(driver, capabilities)
    if fitting:
        assert (accelerator, lacking) == (min(fitting, key=lambda name: int(name[2:])), "")
    elif coded:
        assert lacking == coded[accelerator] == min(coded.values(), key=numbers)
    else:
        assert (accelerator, lacking) == ("", "")


@pytest.mark.parametrize(
    ("system", "processor", "platform"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("win32", "AMD64", "win32-AMD64"),
        ("darwin", "arm64", None),
    ],
)
def test_builds_are_those_of_this_machine(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, system: str, processor: str, platform: str | None
) -> None:
    module = machines.load(Machine("cpu", system=system, processor=processor), monkeypatch)
    assert module.builds.builds_here() == (BUILDS[platform] if platform else {})


def test_driver_below_the_floor_of_windows(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    module = machines.load(Machine(system="win32", processor="AMD64"), monkeypatch)
    build = module.builds.load()
    for driver, proposed in (("560.94", ["cu126"]), ("581.15", []), ("527.41", [])):
        nvidia = module.machine.Nvidia(driver, ("NVIDIA A100",), ((8, 0),))
        why, fix = module.reasons.why_no_nvidia(build, nvidia)
        assert (f"driver {driver} is older than 580, which cu130 needs" in why) == (driver < "580")
        assert re.findall("accelerator=(\\w+)", fix) == proposed


def test_variables_of_windows_are_set_in_its_shell(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.findings, "os", types.SimpleNamespace(name="nt"))
    assert module.findings.set_variable("X") == "run `Remove-Item Env:X`"
    assert module.findings.set_variable("X", "0,1") == "run `$env:X = '0,1'`"


@given(
    st.tuples(st.integers(3, 12), st.integers(0, 9)),
    st.lists(st.tuples(st.sampled_from(["sm", "compute"]), st.integers(3, 12), st.integers(0, 9))),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_runs_on_a_gpu(
    module: types.ModuleType, capability: tuple[int, int], archs: list[tuple[str, int, int]]
) -> None:
    major, minor = capability
    expected = any(
        (made_for[0] == major and made_for[1] <= minor) or (kind == "compute" and made_for <= [major, minor])
        for kind, *made_for in archs
    )
    names = " ".join(f"{kind}_{major}{minor}" for kind, major, minor in archs)
    assert module.builds.runs_on(capability, names) == expected


@pytest.mark.parametrize(
    ("torch", "cuda", "hip", "xpu", "accelerator"),
    [
        ("2.13.0+cu126", "12.6", None, None, "cu126"),
        ("2.13.0", "13.0", None, None, "cu130"),  # Linux on Arm
        ("2.13.0", None, None, None, "cpu"),  # macOS
        ("2.13.0+git123", None, "7.2.41134", None, "rocm7.2"),
        ("2.13.0", None, None, "20250302", "xpu"),
    ],
)
def test_accelerator_is_told_without_a_local_version(
    module: types.ModuleType, torch: str, cuda: str, hip: str, xpu: str, accelerator: str
) -> None:
    version = types.SimpleNamespace(cuda=cuda, hip=hip, xpu=xpu)
    stub = types.SimpleNamespace(__version__=torch, version=version)
    assert module.builds.found_accelerator(stub) == accelerator
