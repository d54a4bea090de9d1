"""Why torch finds no GPU, and what fixes it."""

import os
import sys

from .builds import Build, builds_here, choose, family, version
from .constants import TORCH_VERSION
from .findings import Finding, change_to, set_variable
from .machine import Nvidia, container, in_wsl, lists_gpu, paths

Reason = tuple[str, str]  # why, and the fix
VENDORS = {"cuda": "NVIDIA", "rocm": "AMD", "xpu": "Intel"}
NODES = {"cuda": "dev/nvidia[0-9]*", "rocm": "dev/kfd", "xpu": "dev/dri/renderD*"}
VARIABLES = {
    "cuda": ["CUDA_VISIBLE_DEVICES"],
    "rocm": ["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"],
    "xpu": ["ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR"],
}
CONTAINERS = {  # what starts one -> options for a GPU
    "docker run": {
        "cuda": "--gpus all",
        "rocm": "--device /dev/kfd --device /dev/dri",
        "xpu": "--device /dev/dri",
    },
    "apptainer exec": {"cuda": "--nv", "rocm": "--rocm", "xpu": "--bind /dev/dri"},
}
DRIVERS = {
    "rocm": "install AMD's driver, amdgpu",
    "xpu": "install Intel's GPU driver with its compute runtime (Level Zero)",
}


def why_no(kind: str, build: Build, nvidia: Nvidia) -> Finding | None:
    """Say why there is no device of a family; None if another finding says it."""
    if kind == family(build.accelerator):
        what = f"torch for {build.accelerator} finds no {VENDORS[kind]} GPU"
        here, answers = is_here(kind, nvidia), nvidia.gpus or nvidia.trouble
        started = answers if kind == "cuda" else paths(NODES[kind])
        reason = "since this machine has none, or no driver for it", ""
        if (command := container()) and not started:
            fix = f"start it with `{command} {CONTAINERS[command][kind]}`"
            reason = "since this container was started without one", fix
        elif here or in_wsl():
            cuda = kind == "cuda"
            reason = why_no_nvidia(build, nvidia) if cuda else why_no_other(kind)
        return Finding(what, *reason, problem=here)
    what, why = f"{kind} is required", f"but torch for {build.pinned} is pinned"
    if kind == family(build.pinned):
        return None
    if sys.platform == "darwin":
        return Finding(what, "but torch finds none on this Mac, whose GPUs are mps")
    if kind == "mps":
        return Finding(what, "but only macOS has it")
    none = f"no {kind} build of torch {TORCH_VERSION} fits this machine"
    return Finding(what, why, use(kind, nvidia) or none)


def why_no_nvidia(build: Build, nvidia: Nvidia) -> Reason:
    """Go through what can be wrong with an NVIDIA GPU that is here, or may be."""
    driver, needed = nvidia.driver, builds_here().get(build.accelerator, ("", ""))[0]
    if driver and version(driver) < version(needed):
        other, lacking = choose(driver, nvidia.capabilities)
        instead = "" if lacking or not other else f", or {change_to(other)}"
        needs = f"is older than {needed}, which {build.accelerator} needs"
        fix = f"update the driver to {needed} or newer{instead}"
        return f"since driver {driver} {needs}", fix
    restart = f"restart the {'container' if container() else 'machine'}"
    if in_wsl():
        restart = "run `wsl --update` and `wsl --shutdown` in Windows"
    if nvidia.trouble:
        fix = f"{restart}; if that fails, reinstall the driver"
        return f"since its driver does not answer ({nvidia.trouble})", fix
    if driver:
        names = " and ".join(dict.fromkeys(nvidia.gpus))
        return hidden("cuda") or (f"though driver {driver} finds {names}", restart)
    if in_wsl():
        fix = f"install the driver in Windows and none in WSL, then {restart}"
        return "since WSL finds no NVIDIA driver", fix
    return "since its driver is missing", f"install NVIDIA's driver, {needed} or newer"


def why_no_other(kind: str) -> Reason:
    """Check that AMD's or Intel's driver has a device, and that it may be opened."""
    nodes = paths(NODES[kind])
    if not nodes:
        return "since its driver is missing", DRIVERS[kind]
    if not any(os.access(node, os.R_OK | os.W_OK) for node in nodes):
        fix = "run `sudo usermod --append --groups render,video $USER` and log in again"
        if container() == "docker run":
            fix = f"start it with `docker run --group-add {nodes[0].stat().st_gid}`"
        return f"since you may not open /{NODES[kind]}", fix
    supported = f"check whether it is supported, or {DRIVERS[kind]}"
    return hidden(kind) or ("though its driver runs", supported)


def hidden(kind: str) -> Reason | None:
    """Blame a variable that names the GPUs to use."""
    for name in VARIABLES[kind]:
        if (value := os.environ.get(name, "0")) != "0":
            return f"and {name}='{value}' may hide it", set_variable(name)
    return None


def is_here(kind: str, nvidia: Nvidia) -> bool:
    """Whether the machine has such a GPU, used or not."""
    # A failing driver counts as a GPU, unless Linux lists this machine's devices.
    unlisted = in_wsl() or not paths("sys/bus/pci/devices/*")
    driven = kind == "cuda" and (nvidia.driver or (nvidia.trouble and unlisted))
    nodes = kind != "xpu" and paths(NODES[kind])  # any Intel display has one
    return bool(driven or nodes or lists_gpu(VENDORS[kind]))


def use(kind: str, nvidia: Nvidia) -> str:
    """Say how to use the GPU that is here; empty if no build has code for it."""
    if kind == "cuda":
        return change_to(*choose(nvidia.driver, nvidia.capabilities))
    builds = [key for key in builds_here() if family(key) == kind]
    return change_to(builds[-1]) if builds else ""


def idle_gpu(build: Build, nvidia: Nvidia) -> Finding | None:
    """Say how a CPU project could use the GPU that is here, if it could."""
    if not nvidia.gpus or (build.accelerator, build.pinned) != ("cpu", "cpu"):
        return None
    what, why = f"{nvidia.gpus[0]} is not used", "since torch for cpu is pinned"
    fix = use("cuda", nvidia)
    return Finding(what, why, fix, problem=False) if fix else None
