"""Builds of PyTorch: the one that is installed, and those that would fit."""

import os
import platform
import re
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib import import_module, metadata
from importlib.machinery import PathFinder
from io import StringIO
from types import ModuleType
from typing import NamedTuple

from .constants import ACCELERATOR, BUILDS, SWITCH_TO
from .findings import Finding, one_line, sync


class Build(NamedTuple):
    """The build that is installed; accelerators are such as cpu or cu126."""

    torch: ModuleType
    numpy: ModuleType
    accelerator: str
    pinned: str  # the accelerator that should be installed
    cuda_available: bool


def load() -> Build | Finding:
    """Import torch and numpy, or say why they cannot be imported."""
    try:
        # With a torch that needs numpy 1, importing both writes pages to stderr.
        with redirect_stderr(StringIO()):
            numpy, torch = import_module("numpy"), import_module("torch")
        found = found_accelerator(torch)
        metadata.version("matplotlib")
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever the files raise)
        return why_not_loaded(error)
    pinned = found if found in SWITCH_TO else ACCELERATOR
    pinned = "cpu" if sys.platform == "darwin" else pinned  # PyPI's build, for MPS
    return Build(torch, numpy, found, pinned, bool(torch.cuda.is_available()))


def why_not_loaded(error: BaseException) -> Finding:
    """Tell a file that hides a package apart from a broken installation."""
    places = sysconfig.get_path("purelib"), sysconfig.get_path("platlib")
    for package in ("torch", "numpy"):
        spec = PathFinder.find_spec(package)
        if spec and spec.origin and not spec.origin.startswith(places):
            return Finding(f"{spec.origin} is imported", f"not {package}", "rename it")
    # uv looks at what is recorded, not at the files.
    fix = f"run `{sync(recorded('torch').partition('+')[2])} --reinstall`"
    if os.name == "nt" and isinstance(error, OSError):
        fix = f"install Microsoft's Visual C++ Redistributable or {fix}"
    if "LD_LIBRARY_PATH" in os.environ:  # other libraries than those of the wheels
        fix = f"run `unset LD_LIBRARY_PATH` or {fix}"
    if SWITCH_TO and not recorded("torch"):  # such as when installed from git
        builds = "its builds of torch are dependency groups"
        fix = f"run `{sync('')}` in the project's folder: {builds}"
    what = "torch, numpy or matplotlib cannot be imported"
    return Finding(what, f"since {one_line(error.__cause__ or error)}", fix)


def recorded(package: str) -> str:
    """Return the recorded version of a package; empty if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def found_accelerator(torch: ModuleType) -> str:
    """Return the accelerator of the installed torch, such as "cpu" or "cu126"."""
    local_version = str(torch.__version__).partition("+")[2]  # macOS and Arm lack it
    if re.fullmatch(r"cpu|cu\d+|rocm[\d.]+|xpu", local_version):
        return local_version
    if torch.version.cuda:
        return "cu" + str(torch.version.cuda).replace(".", "")
    if torch.version.hip:
        return "rocm" + ".".join(str(torch.version.hip).split(".")[:2])
    return "xpu" if getattr(torch.version, "xpu", None) else "cpu"


def family(accelerator: str) -> str:
    """Return cpu, cuda, rocm or xpu."""
    return re.sub(r"^cu\d+$", "cuda", accelerator).rstrip("0123456789.")


def version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version or of a compute capability, for comparisons."""
    return tuple(map(int, re.findall(r"\d+", text)))


def builds_here() -> dict[str, tuple[str, str]]:
    """Return the rows of BUILDS for this machine."""
    return BUILDS.get(f"{sys.platform}-{platform.machine()}", {})


def runs_on(capability: tuple[int, ...], archs: str) -> bool:
    """Whether code for these architectures runs on a GPU of a compute capability."""
    # Compiled code (sm_86) runs on the same major and the same or a later minor one,
    # PTX (compute_90) on any later one: NVIDIA's CUDA C++ Programming Guide.
    return any(
        (int(major), int(minor)) <= capability
        and (kind == "compute" or int(major) == capability[0])
        for kind, major, minor in re.findall(r"\b(sm|compute)_(\d+)(\d)a?\b", archs)
    )


def choose(driver: str, gpus: Sequence[tuple[int, ...]]) -> tuple[str, str]:
    """Return the oldest CUDA for a driver, if known, and GPUs; and a driver to get."""
    needs = {
        accelerator: needed
        for accelerator, (needed, archs) in builds_here().items()
        if family(accelerator) == "cuda" and all(runs_on(gpu, archs) for gpu in gpus)
    }
    groups = (ACCELERATOR, *SWITCH_TO) if SWITCH_TO else ()
    for accelerator in sorted(needs, key=lambda key: key not in groups):
        if not driver or version(driver) >= version(needs[accelerator]):
            return accelerator, ""
    return min(needs.items(), key=lambda need: version(need[1]), default=("", ""))
