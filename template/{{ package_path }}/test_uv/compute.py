"""Checks that compute: on each device, and across processes."""

import math
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import compress
from typing import NamedTuple

from .builds import Build, choose, runs_on, version
from .constants import TORCH_VERSION
from .findings import Finding, change_to, one_line, set_variable
from .machine import Nvidia

POINTS = [2 * math.pi * step / 99 for step in range(100)]
SECONDS = 60  # limit for processes that wait for each other
Report = dict[str, object]


class Device(NamedTuple):
    """A device that torch offers; `family` is its name for --require."""

    name: str  # for torch, such as cuda:0
    family: str
    label: str
    capability: str = ""  # of NVIDIA, such as 8.6


def devices(build: Build) -> Iterator[Device]:
    """Yield each device that torch offers, the CPU last."""
    torch = build.torch
    for name in ("cuda", "xpu"):  # ROCm's GPUs are cuda to torch
        if not hasattr(torch, name):  # as in old releases
            continue
        backend = getattr(torch, name)
        count = backend.device_count() if backend.is_available() else 0
        kind = "rocm" if name == "cuda" and torch.version.hip else name
        for index in range(count):
            label, capability = f"{name}:{index}", ""
            with suppress(Exception):  # error_on() reports it
                gpu = backend.get_device_properties(index)
                label = gpu.name
                if kind == "cuda":
                    capability = f"{gpu.major}.{gpu.minor}"
            yield Device(f"{name}:{index}", kind, label, capability)
    if torch.backends.mps.is_available():
        yield Device("mps", "mps", "Apple GPU (MPS)")
    yield Device("cpu", "cpu", f"CPU ({torch.get_num_threads()} threads)")


def error_on(device: str, build: Build) -> str:
    """Say what is wrong with a matrix product and a sine on a device, if anything."""
    torch, array = build.torch, build.numpy.array
    # GPUs multiply small whole numbers exactly, in any precision they use.
    rows = [[float(row * column % 7 - 3) for column in range(32)] for row in range(32)]
    try:
        matrix = torch.tensor(rows).to(device)
        if (matrix @ matrix).tolist() != (array(rows) @ array(rows)).tolist():
            return "its matrix product is wrong"
        sine = torch.sin(torch.tensor(POINTS).to(device)).tolist()
    except Exception as error:  # noqa: BLE001 (RuntimeError and more)
        return one_line(error)
    gaps = [abs(y - math.sin(x)) for x, y in zip(POINTS, sine, strict=True)]
    return "" if all(gap < 1e-5 for gap in gaps) else "its sine is wrong"


def why_not(
    device: Device, errors: Mapping[Device, str], build: Build, nvidia: Nvidia
) -> Finding:
    """Explain why a device fails; others may work."""
    what, why = f"{device.label} does not work", f"since {errors[device]}"
    capability = version(device.capability)
    archs = " ".join(build.torch.cuda.get_arch_list()) if device.capability else ""
    if device.family != "cuda" or not archs or runs_on(capability, archs):
        return Finding(what, why)
    lacks = f"has no code for compute capability {device.capability}"
    why = f"since torch for {build.accelerator} {lacks}"
    other, driver = choose(nvidia.driver, nvidia.capabilities or [capability])
    if other not in ("", build.accelerator):
        return Finding(what, why, change_to(other, driver))
    fix = f"no build of torch {TORCH_VERSION} has code for all GPUs here"
    cuda = [not error for each, error in errors.items() if each.family == "cuda"]
    chosen = filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","))
    works = ",".join(compress([*chosen] or map(str, range(len(cuda))), cuda))
    if works:
        fix += f"; to use the others, {set_variable('CUDA_VISIBLE_DEVICES', works)}"
    return Finding(what, why, fix)


def plot(values: Sequence[float], file: str) -> list[Finding]:
    """Draw a sine into a file, in the format of its suffix, or say why not."""
    try:
        figure = import_module("matplotlib.figure").Figure(layout="constrained")
        axes = figure.subplots()
        axes.plot(POINTS, values)
        axes.set(title="sin with torch", xlabel="x", ylabel="sin(x)")
        figure.savefig(file)
    except Exception as error:  # noqa: BLE001 (of fonts, of image libraries)
        return [Finding(f"--plot {file} fails", f"since {one_line(error)}")]
    return []


def add_up(build: Build, require: str | None) -> tuple[Report, list[Finding]]:
    """Add up one number from each process of torchrun, by nccl on GPUs or by gloo."""
    try:
        names = "RANK", "WORLD_SIZE", "LOCAL_RANK"
        rank, size, local_rank = (int(os.environ[name]) for name in names)
    except (KeyError, ValueError):
        what, why = "--distributed is for torchrun", "which did not start this"
        command = f"uv run torchrun --nproc-per-node 2 -m {__package__} --distributed"
        return {}, [Finding(what, why, f"run `{command}`")]
    what = f"process {rank} of {size} does not reach the others"

    def give_up() -> None:  # torch can wait longer than its own timeout
        finding = Finding(what, f"since no answer came within {SECONDS} s")
        print(f"test-uv: {finding}", file=sys.stderr, flush=True)
        os._exit(1)

    timer = threading.Timer(SECONDS, give_up)
    timer.start()
    try:
        torch, dist = build.torch, import_module("torch.distributed")
        gpus = torch.cuda.device_count() if dist.is_nccl_available() else 0
        backend = "nccl" if gpus and require != "cpu" else "gloo"
        if require not in (None, "cpu") and not gpus:
            return {}, [Finding(f"{require} is required", f"but {backend} is for CPUs")]
        if backend == "nccl":
            torch.cuda.set_device(local_rank)
        dist.init_process_group(backend)
        number = torch.tensor([rank + 1.0]).to("cuda" if backend == "nccl" else "cpu")
        dist.all_reduce(number)
        found, expected = number.tolist()[0], size * (size + 1) / 2
        dist.destroy_process_group()
    except Exception as error:  # noqa: BLE001 (of stores, sockets and backends)
        return {}, [Finding(what, f"since {one_line(error)}")]
    finally:
        timer.cancel()
    if found != expected:
        return {}, [Finding(f"{backend} is wrong", f"since it adds up to {found}")]
    report = {"processes": size, "backend": backend, "all_reduce": found}
    verdict = f"ok: {size} processes add up by {backend}"
    return {**report, "verdict": verdict} if rank == 0 else {}, []
