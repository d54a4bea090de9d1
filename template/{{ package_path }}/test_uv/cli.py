"""The command: its options, its checks and its output."""

import argparse
import json
import math
import os
import platform
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata

from . import compute, packages
from .builds import Build, family, load, recorded
from .constants import TORCH_VERSION
from .findings import Finding, edited_by_hand, restore
from .machine import Nvidia, ask_nvidia
from .reasons import idle_gpu, why_no


def look(build: Build, require: str | None) -> tuple[compute.Report, list[Finding]]:
    """Return the report, in the order of printing, and the findings."""
    torch, found, pinned = build.torch, build.accelerator, build.pinned
    nvidia = Nvidia() if require == "cpu" else ask_nvidia()
    report: compute.Report = {
        "matplotlib": metadata.version("matplotlib"),
        "numpy": build.numpy.__version__,
        "torch": torch.__version__,
        "torch cuda available": build.cuda_available,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "accelerator pinned": pinned,
        "accelerator found": found,
        "nvidia driver": nvidia.driver,
    }
    findings = list(edited_by_hand())
    release = str(torch.__version__).partition("+")[0]
    wanted = "cpu" if require == found == "cpu" else pinned
    fix = restore(release, pinned)
    if (release, found) != (TORCH_VERSION, wanted):
        what = f"torch {release} for {found} is installed"
        why = f"but torch {TORCH_VERSION} for {wanted} is pinned"
        findings.append(Finding(what, why, fix))

    kind, devices = require or family(found), list(compute.devices(build))
    errors = {device: compute.error_on(device.name, build) for device in devices}
    for index, (device, error) in enumerate(errors.items()):
        report[f"device {index}"] = device.label
        report[f"device {index} capability"] = device.capability
        report[f"device {index} computes"] = not error
        if error and (device.family == "cpu" or require in (None, device.family)):
            findings.append(compute.why_not(device, errors, build, nvidia))
    absent = kind not in {device.family for device in devices}
    reason = why_no(kind, build, nvidia) if absent else idle_gpu(build, nvidia)
    if reason:
        findings.append(reason._replace(problem=reason.problem or bool(require)))
    computing = [device for device in devices if not errors[device]]
    place = next((device.name for device in computing if device.family == kind), "cpu")
    others = () if require == "cpu" else packages.OTHERS
    for package in filter(recorded, (*packages.OURS, *others)):
        report[package] = recorded(package)
        finding = packages.check(package, build, place, fix)
        findings += [finding] if finding else []
    gpus = [each.label for each in computing if "cpu" not in (each.family, require)]
    names = " and ".join(dict.fromkeys(gpus)) or "the CPU"
    report["verdict"] = f"ok: torch for {found} runs on {names}"
    return {name: fact for name, fact in report.items() if fact != ""}, findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        options = parse(arguments)
    except SystemExit as end:  # after --help or a wrong option
        return int(end.code or 0)
    if options.distributed:
        # Each failing connection prints a stack of C++; the finding is one line.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    report: compute.Report = {}
    tensor: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the findings say it shorter
        build = load()
        if isinstance(build, Finding):
            findings = [build]
        elif options.distributed:
            report, findings = compute.add_up(build, options.require)
        else:
            report, findings = look(build, options.require)
            torch = build.torch
            sine = torch.sin(torch.tensor(compute.POINTS, dtype=torch.float64))
            tensor, values = [str(sine)], sine.tolist()
            report["sin"] = [y if math.isfinite(y) else None for y in values]
            if options.plot is not None:
                findings += compute.plot(values, options.plot)

    problems = [finding for finding in findings if finding.problem]
    verdict = str(report.pop("verdict", ""))
    if problems:
        verdict = f"not ok: {len(problems)} problem{'s' * (len(problems) > 1)}"
    silent = options.distributed and os.environ.get("RANK", "0") != "0"
    if options.json and not silent:
        known = [finding.as_json() for finding in findings]
        print(json.dumps({**report, "findings": known, "verdict": verdict}, indent=2))
    elif report and not options.quiet:
        lines = [f"{name}:{fact}" for name, fact in report.items() if name != "sin"]
        notes = [f"note:{finding}" for finding in findings if not finding.problem]
        print("\n".join([*lines, *tensor, *notes]), flush=True)
    for finding in problems:
        print(f"test-uv: {finding}", file=sys.stderr)
    if not (options.json or options.quiet or silent):
        print(verdict)
    return 1 if problems else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command's options."""
    about = "Say which build of PyTorch runs here, and what is wrong with it."
    parser = argparse.ArgumentParser(prog="test-uv", description=about)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON object")
    output.add_argument("--quiet", action="store_true", help="print problems only")
    parser.add_argument("--plot", metavar="FILE", help="draw the sine into FILE")
    devices = "cpu", "cuda", "rocm", "xpu", "mps"
    text = "fail unless this device works; cpu ignores GPUs"
    parser.add_argument("--require", choices=devices, help=text)
    text = "only add up one number from each process of torchrun"
    parser.add_argument("--distributed", action="store_true", help=text)
    return parser.parse_args(arguments)
