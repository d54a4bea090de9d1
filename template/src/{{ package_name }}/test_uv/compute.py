"""What computes: each device, and the packages that were compiled for torch."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from typing import NamedTuple

from .builds import Build, choose, runs_on, version
from .constants import TORCH_VERSION
from .findings import Finding, change_to, one_line, set_variable
from .machine import Nvidia

POINTS = [2 * math.pi * step / 99 for step in range(100)]


class Device(NamedTuple):
    """A device that torch offers; the family is what --require calls it."""

    name: str  # for torch, such as cuda:0
    family: str
    label: str
    capability: str = ""  # such as 8.6 of NVIDIA or gfx90a of AMD


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
            with suppress(Exception):  # error_on() meets it as well
                gpu = backend.get_device_properties(index)
                label = gpu.name
                if kind == "cuda":
                    capability = f"{gpu.major}.{gpu.minor}"
                if kind == "rocm":
                    capability = gpu.gcnArchName.partition(":")[0]
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
    """Explain why a device that torch offers fails, while others may compute."""
    what, why = f"{device.label} does not compute", f"since {errors[device]}"
    archs = " ".join(build.torch.cuda.get_arch_list()) if device.capability else ""
    capability, amd = version(device.capability), device.family == "rocm"
    runs = device.capability in archs if amd else runs_on(capability, archs)
    if runs or not archs:
        return Finding(what, why)
    code = f"{'' if amd else 'compute capability '}{device.capability}"
    why = f"since torch for {build.accelerator} has no code for {code}"
    if amd:
        return Finding(what, why, f"take a GPU of {archs}")
    other, driver = choose(nvidia.driver, nvidia.capabilities or [capability])
    if other not in ("", build.accelerator):
        return Finding(what, why, change_to(other, driver))
    none = f"no build of torch {TORCH_VERSION} has code for all GPUs here"
    works = [each.name for each, error in errors.items() if not error]
    cuda = [int(name[5:]) for name in works if name.startswith("cuda:")]
    if not cuda:
        return Finding(what, why, f"{none}, another torch_version may")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    chosen = ",".join(visible[i] if any(visible) else str(i) for i in cuda)
    fix = f"to use the others, {set_variable('CUDA_VISIBLE_DEVICES', chosen)}"
    return Finding(what, why, f"{none}; {fix}")


def package_error(build: Build, package: str, device: str) -> str:
    """Call what a package has compiled against some build; say what is wrong."""
    tensor = build.torch.tensor
    try:
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            if package == "numpy":
                build.torch.from_numpy(build.numpy.array([1.0])).numpy()
            elif package == "torchvision":
                boxes, scores = tensor([[0.0, 0.0, 2.0, 2.0]]), tensor([0.5])
                nms = import_module("torchvision").ops.nms
                nms(boxes.to(device), scores.to(device), 0.5)
            else:
                wave, keep = tensor([0.5, -0.5]), tensor([1.0, 0.0])
                import_module("torchaudio.functional").lfilter(wave, keep, keep)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it raises)
        return one_line(error)
    return ""


def sine(build: Build) -> tuple[list[float], str]:
    """Return the sine as torch computes it on the CPU, and as it prints it."""
    torch = build.torch
    tensor = torch.sin(torch.tensor(POINTS, dtype=torch.float64))
    return tensor.tolist(), str(tensor)


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
