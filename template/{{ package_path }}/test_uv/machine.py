"""What is in this machine: NVIDIA's driver, GPUs on the PCI bus, WSL, containers."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from .builds import version
from .findings import one_line, read

ROOT = Path("/")  # of the file system
SMI_SECONDS = 30  # limit for nvidia-smi: a driver can take long to wake up
VENDORS = {"NVIDIA": "0x10de", "AMD": "0x1002", "Intel": "0x8086"}


class Nvidia(NamedTuple):
    """What nvidia-smi says: the driver's version, or why it does not answer."""

    driver: str = ""
    gpus: tuple[str, ...] = ()
    capabilities: tuple[tuple[int, ...], ...] = ()  # of the GPUs, as far as known
    trouble: str = ""


def ask_nvidia() -> Nvidia:
    """Ask nvidia-smi for the driver and GPUs. To find none is normal."""
    in_wsl_only = str(ROOT / "usr/lib/wsl/lib")
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=in_wsl_only)
    if not program:
        return Nvidia()
    said = ""
    # Drivers before 510 do not know compute_cap.
    for fields in ("driver_version,compute_cap,name", "driver_version,name"):
        query = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
        try:
            done = subprocess.run(
                query, capture_output=True, check=False, timeout=SMI_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Nvidia(trouble=one_line(error))
        said = (done.stdout + done.stderr).decode(errors="replace")
        rows = re.findall(r"(?m)^(\d+\.[\d.]+), (?:([\d.]+|\[.*?\]), )?(.+)", said)
        if rows:
            known = tuple(version(row[1]) for row in rows if version(row[1]))
            return Nvidia(rows[0][0], tuple(row[2].strip() for row in rows), known)
        if "not a valid field" not in said:
            break
    return Nvidia(trouble=one_line(said) if said.strip() else "nvidia-smi fails")


def paths(pattern: str) -> list[Path]:
    """Return the files of this machine that match a pattern."""
    return list(ROOT.glob(pattern))


def lists_gpu(vendor: str) -> bool:
    """Whether Linux lists a GPU of a vendor; containers see those of the host."""
    return any(
        read(folder / "vendor").strip() == VENDORS[vendor]
        and read(folder / "class").startswith(("0x03", "0x12"))  # display, accelerator
        for folder in paths("sys/bus/pci/devices/*")
    )


def in_wsl() -> bool:
    """Whether this is Linux in Windows."""
    return "microsoft" in read(ROOT / "proc/version").lower()


def container() -> str:
    """Return the command that starts such containers; empty outside of one."""
    if paths(".singularity.d"):
        return "apptainer exec"
    return "docker run" if paths(".dockerenv") or paths("run/.containerenv") else ""
