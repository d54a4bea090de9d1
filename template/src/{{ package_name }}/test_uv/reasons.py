"""Why torch finds no GPU, and what fixes it."""

import os
import re
import sys

from .builds import Build, builds_here, choose, family, version
from .constants import TORCH_VERSION
from .findings import Finding, change_to, set_variable
from .machine import Nvidia, container, in_wsl, lists_gpu, paths

Reason = tuple[str, str]  # why, and the fix
VENDORS = {"cuda": "NVIDIA", "rocm": "AMD", "xpu": "Intel"}
VARIABLES = {
    "cuda": ["CUDA_VISIBLE_DEVICES"],
    "rocm": ["ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"],
    "xpu": ["ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR"],
}
CONTAINERS = {  # options of docker run and of apptainer exec, and Kubernetes' resource
    "cuda": ("--gpus all", "--nv", "nvidia.com/gpu"),
    "rocm": ("--device /dev/kfd --device /dev/dri", "--rocm", "amd.com/gpu"),
    "xpu": ("--device /dev/dri", "--bind /dev/dri", "gpu.intel.com/xe"),
}
NONE = "since this machine has none, or not its driver", ""


def hidden(kind: str, *, sure: bool) -> Reason | None:
    """Blame a variable that hides all GPUs, or one that may, as it names some."""
    for name in VARIABLES[kind]:
        value = os.environ.get(name, "0")
        some = kind == "xpu" or re.match(r"\+?[0-9]|GPU-|MIG-", value)
        if sure and not some:
            return f"since {name}='{value}' hides it", set_variable(name)
        if not sure and value != "0":
            return f"and {name}='{value}' may hide it", set_variable(name)
    return None


def not_in_container(kind: str) -> Reason:
    """Say how to start this container with a GPU."""
    docker, apptainer, resource = CONTAINERS[kind]
    fixes = {
        "docker": f"start it with `docker run {docker}`",
        "apptainer": f"start it with `apptainer exec {apptainer}`",
        "kubernetes": f"add {resource}: 1 to resources.limits of its container",
    }
    return "since this container was started without one", fixes[container()]


def why_no_nvidia(kind: str, build: Build, nvidia: Nvidia) -> Reason:
    """Go through what can be wrong, what is sure before what may be."""
    device = paths("dev/nvidia[0-9]*") or paths("dev/dxg")
    driver, trouble = nvidia.driver, nvidia.trouble
    if reason := hidden(kind, sure=True):
        return reason
    # Apptainer brings the host's devices, but the driver's libraries only with --nv.
    half = container() == "apptainer" and not trouble
    if container() and not nvidia.gpus and (half or not device):
        return not_in_container(kind)
    needed = builds_here().get(build.accelerator, ("", ""))[0]
    if driver and version(driver) < version(needed):
        other, lacking = choose(driver, nvidia.capabilities)
        instead = "" if lacking or not other else f", or {change_to(other)}"
        needs = f"is older than {needed}, which {build.accelerator} needs"
        fix = f"update the driver to {needed} or newer{instead}"
        return f"since driver {driver} {needs}", fix
    restart = f"restart the {'container' if container() else 'machine'}"
    if trouble and is_here(kind, nvidia):
        why = f"since its driver does not answer ({trouble})"
        return why, f"{restart}; if that fails, reinstall the driver"
    if in_wsl():
        restart = "run `wsl --update` and `wsl --shutdown` in Windows"
    if driver:
        names = " and ".join(dict.fromkeys(nvidia.gpus)) or "one"
        why = f"though driver {driver} runs {names}{build.said}"
        return hidden(kind, sure=False) or (why, restart)
    if in_wsl():
        fix = f"install the driver in Windows and none in WSL, then {restart}"
        return "since no NVIDIA driver reaches WSL", fix
    fix = f"install NVIDIA's driver, {needed or 'one for this GPU'} or newer"
    missing = "since the driver of the one in this machine is missing"
    return (missing, fix) if is_here(kind, nvidia) else NONE


def why_no_other(kind: str, build: Build, nvidia: Nvidia) -> Reason:
    """Look for the device of AMD's or Intel's driver, and whether it may be opened."""
    amd = kind == "rocm"
    nodes = paths("dev/kfd" if amd else "dev/dri/renderD*")
    if reason := hidden(kind, sure=True):
        return reason
    if not nodes and container():
        return not_in_container(kind)
    if not is_here(kind, nvidia):
        return NONE
    driver = "install Intel's GPU driver with its compute runtime (Level Zero)"
    driver = "install AMD's driver, amdgpu" if amd else driver
    if not nodes:
        return "since the driver of the one in this machine is not loaded", driver
    if not any(os.access(node, os.R_OK | os.W_OK) for node in nodes):
        groups = "render,video" if amd else "render"
        command = f"sudo usermod --append --groups {groups} $USER"
        device = "kfd" if amd else f"dri/{nodes[0].name}"
        fix = f"run `{command}` and log in again"
        return f"since you may not open /dev/{device}", fix
    last = "look for the GPU among those that this ROCm supports" if amd else driver
    return hidden(kind, sure=False) or (f"though its driver runs{build.said}", last)


def is_here(kind: str, nvidia: Nvidia) -> bool:
    """Whether the machine has such a GPU, used or not."""
    nodes = {"cuda": "dev/nvidia[0-9]*", "rocm": "dev/kfd"}.get(kind)
    # A driver that fails counts where nothing tells that there is no GPU for it.
    unlisted = in_wsl() or not paths("sys/bus/pci/devices/*")
    driven = kind == "cuda" and (nvidia.driver or (nvidia.trouble and unlisted))
    return bool(driven or lists_gpu(VENDORS[kind]) or (nodes and paths(nodes)))


def why_no(kind: str, build: Build, nvidia: Nvidia) -> Finding | None:
    """Say why there is no device of a family; None if another finding says it."""
    if kind == family(build.accelerator):
        other = why_no_nvidia if kind == "cuda" else why_no_other
        reason = other(kind, build, nvidia)
        what = f"torch for {build.accelerator} finds no {VENDORS[kind]} GPU"
        return Finding(what, *reason, problem=is_here(kind, nvidia))
    what, why = f"{kind} is required", f"but torch for {build.pinned} is pinned"
    if kind == family(build.pinned):
        return None
    if sys.platform == "darwin":
        return Finding(what, "but torch finds none on this Mac, whose GPUs are mps")
    if kind == "mps":
        return Finding(what, "but only macOS has it")
    none = f"no {kind} build of torch {TORCH_VERSION} fits this machine"
    return Finding(what, why, use(kind, nvidia) or none)


def use(kind: str, nvidia: Nvidia) -> str:
    """Say how to use the GPU that is here, nothing if no build has code for it."""
    if kind == "cuda":
        return change_to(*choose(nvidia.driver, nvidia.capabilities))
    builds = [key for key in builds_here() if family(key) == kind]
    return change_to(builds[-1]) if builds else ""


def idle_gpu(build: Build, nvidia: Nvidia) -> Finding | None:
    """Say how a CPU project could use the GPU that is here, if it could."""
    if not nvidia.gpus or (build.accelerator, build.pinned) != ("cpu", "cpu"):
        return None
    why, fix = "which is here, is not used by torch for cpu", use("cuda", nvidia)
    return Finding(nvidia.gpus[0], why, fix, problem=False) if fix else None
