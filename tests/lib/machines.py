"""Machines made of stubs for test-uv: torch, numpy, nvidia-smi, environment variables and the files of Linux.

The modules of test-uv run as they stand in template/, with a constants module that is written here.
"""

import compileall
import contextlib
import functools
import importlib
import importlib.metadata
import io
import itertools
import json
import math
import os
import platform
import shutil
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import validate
from support import ROOT

MODULES = ROOT / "template/{{ package_path }}/test_uv"
OLD_ARCHS = "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"
NEW_ARCHS = "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"


def rows(keys: str, cuda12: str, cuda13: str, archs: str = "") -> dict[str, tuple[str, str]]:
    """Builds of one platform, with their oldest drivers and GPU architectures."""
    drivers = {"cu118": "450.80.02"} | dict.fromkeys(("cu121", "cu126", "cu128", "cu129"), cuda12)
    return {
        key: (drivers.get(key, cuda13), archs or (OLD_ARCHS if key < "cu128" else NEW_ARCHS))
        if key.startswith("cu")
        else ("", "")
        for key in keys.split()
    }


BUILDS = {
    "linux-x86_64": rows("cu126 cu129 cu130 cu132 rocm7.1 rocm7.2 xpu", "525.60.13", "580.65.06"),
    "win32-AMD64": rows("cu126 cu130 cu132 xpu", "528.33", "580"),
    "linux-aarch64": rows("cu129 cu130", "525.60.13", "580.65.06", "sm_80 sm_90 sm_100 sm_110 sm_120"),
}

# What `test-uv --json` prints.
REPORT_SCHEMA = {
    "type": "object",
    "required": [
        "matplotlib",
        "numpy",
        "torch",
        "torch cuda available",
        "python",
        "platform",
        "accelerator pinned",
        "accelerator found",
        "device 0",
        "device 0 computes",
        "sin",
        "findings",
        "verdict",
    ],
    "properties": {
        "torch cuda available": {"type": "boolean"},
        "accelerator pinned": {"$ref": "#/$defs/accelerator"},
        "accelerator found": {"$ref": "#/$defs/accelerator"},
        "nvidia driver": {"type": "string", "pattern": r"^\d+(\.\d+)+$"},
        "verdict": {"type": "string", "pattern": r"^(ok: .+ on .+|not ok: (1 problem|\d+ problems))$"},
        "sin": {
            "type": "array",
            "minItems": 100,
            "maxItems": 100,
            "items": {"type": "number", "minimum": -1, "maximum": 1},
        },
        "findings": {"type": "array", "items": {"$ref": "#/$defs/finding"}},
    },
    "patternProperties": {
        r"^(matplotlib|numpy|torch|torchvision|torchaudio|torchcodec|python|platform)$": {"type": "string"},
        r"^(flash-attn|xformers|torchao|bitsandbytes|torch-scatter|pyg-lib)$": {"type": "string"},
        r"^device \d+$": {"type": "string", "minLength": 1},
        r"^device \d+ capability$": {"type": "string", "pattern": r"^\d+\.\d$"},
        r"^device \d+ computes$": {"type": "boolean"},
    },
    "additionalProperties": False,
    "$defs": {
        "accelerator": {"type": "string", "pattern": r"^(cpu|cu\d+|rocm[\d.]+|xpu)$"},
        "finding": {
            "type": "object",
            "required": ["what", "why", "fix", "problem", "commands", "text"],
            "properties": {
                "what": {"type": "string", "minLength": 1},
                "why": {"type": "string", "minLength": 1},
                "fix": {"type": "string"},
                "problem": {"type": "boolean"},
                "commands": {"type": "array", "items": {"type": "string", "minLength": 1}},
                "text": {"type": "string", "minLength": 1},
            },
            "additionalProperties": False,
        },
    },
}


class Gpu(NamedTuple):
    """A GPU that torch offers; `error` is what any computation on it raises."""

    name: str = "NVIDIA A100"
    capability: str = "8.0"  # or gfx90a
    error: str = ""
    wrong: bool = False


@dataclass
class Machine:
    """A machine and the build on it. By default nothing is wrong: a build for GPUs, and no GPU."""

    pinned: str = "cu130"
    torch: str = "2.13.0"
    installed: str = ""  # the accelerator, by default the pinned one
    installed_torch: str = ""
    gpus: Sequence[Gpu] = ()
    archs: Sequence[str] = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
    mps: bool = False
    smi: str | None = None  # what nvidia-smi prints, or a script
    files: Mapping[str, str] = field(default_factory=dict)
    closed: Sequence[str] = ()  # files that may not be opened
    environ: Mapping[str, str] = field(default_factory=dict)
    system: str = "linux"
    processor: str = "x86_64"
    companions: Mapping[str, str | BaseException] = field(
        default_factory=dict
    )  # name -> the error of its call
    versions: Mapping[str, str] = field(default_factory=dict)  # of companions
    programs: Sequence[str] = ()  # beside nvidia-smi
    numpy_error: str = ""
    cpu_wrong: bool = False
    switch_to: Sequence[str] = ()
    one_build: bool = False  # at the project's mirror
    builds: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=lambda: BUILDS)
    project: Mapping[str, str] = field(default_factory=dict)  # files

    @property
    def constants(self) -> str:
        """The module that the template renders."""
        return (
            f"TORCH_VERSION = {self.torch!r}\nACCELERATOR = {self.pinned!r}\n"
            f"SWITCH_TO = {tuple(self.switch_to)!r}\nONE_BUILD = {self.one_build}\nBUILDS = {self.builds!r}\n"
        )


class Result(NamedTuple):
    status: int
    report: dict[str, Any]
    out: str
    err: list[str]

    @property
    def finding(self) -> dict[str, Any]:
        """The only finding."""
        (found,) = self.report["findings"]
        return found


def smi(driver: str, *gpus: tuple[str, str]) -> str:
    """A script that answers as nvidia-smi of this driver does; those before 510 do not know compute_cap."""
    known = "\n".join(f"echo '{driver}, {capability}, {name}'" for name, capability in gpus)
    plain = "\n".join(f"echo '{driver}, {name}'" for name, _ in gpus)
    if int(driver.split(".")[0]) < 510:
        known = """echo 'Field "compute_cap" is not a valid field to query.'; exit 2"""
    return f'case "$1" in\n*compute_cap*)\n{known}\n;;\n*)\n{plain}\n;;\nesac'


class Tensor:
    """Just enough of a tensor or an array."""

    def __init__(self, values: list, device: str = "cpu", machine: Machine | None = None) -> None:
        self.values, self.device, self.machine = values, device, machine

    def to(self, device: str) -> "Tensor":
        return Tensor(self.values, device, self.machine)

    def computed(self, values: list) -> "Tensor":
        wrong = self.machine and self.machine.cpu_wrong
        if self.device != "cpu":
            gpu = self.machine.gpus[int(self.device.rpartition(":")[2])] if self.device != "mps" else Gpu()
            if gpu.error:
                raise RuntimeError(gpu.error)
            wrong = gpu.wrong
        return Tensor([values[1], *values[1:]] if wrong else values, self.device, self.machine)

    def __matmul__(self, other: "Tensor") -> "Tensor":
        columns = list(zip(*other.values, strict=True))
        dot = [
            [sum(a * b for a, b in zip(row, column, strict=True)) for column in columns]
            for row in self.values
        ]
        return self.computed(dot)

    def sin(self) -> "Tensor":
        return self.computed([math.sin(value) for value in self.values])

    def numpy(self) -> "Tensor":
        if self.machine and self.machine.numpy_error:
            raise RuntimeError(self.machine.numpy_error)
        return self

    def tolist(self) -> list:
        return self.values

    def __repr__(self) -> str:
        return f"tensor({self.values}, dtype=torch.float64)"


def _module(name: str, **attributes: object) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(attributes)
    return module


def _torch(machine: Machine) -> types.ModuleType:
    installed = machine.installed or machine.pinned
    kind = installed.rstrip("0123456789.")

    def is_available() -> bool:
        return kind in ("cu", "rocm") and bool(machine.gpus)

    def properties(index: int) -> types.SimpleNamespace:
        gpu = machine.gpus[index]
        major, _, minor = gpu.capability.partition(".")
        numbers = {"major": int(major), "minor": int(minor)} if minor else {"gcnArchName": f"{major}:xnack-"}
        return types.SimpleNamespace(name=gpu.name, total_memory=80 * 2**30, **numbers)

    common = {"device_count": lambda: len(machine.gpus), "get_device_properties": properties}
    return _module(
        "torch",
        __version__=f"{machine.installed_torch or machine.torch}+{installed}",
        version=types.SimpleNamespace(
            cuda=f"{installed[2:-1]}.{installed[-1]}" if kind == "cu" else None,
            hip=installed[4:] if kind == "rocm" else None,
        ),
        cuda=types.SimpleNamespace(
            is_available=is_available, get_arch_list=lambda: list(machine.archs), **common
        ),
        xpu=types.SimpleNamespace(is_available=lambda: kind == "xpu" and bool(machine.gpus), **common),
        backends=types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: machine.mps)),
        float64="float64",
        get_num_threads=lambda: 2,
        tensor=lambda values, dtype=None: Tensor(values, machine=machine),
        sin=Tensor.sin,
        from_numpy=lambda array: Tensor(array.values, machine=machine),
    )


def _version(machine: Machine, name: str) -> str:
    versions = {"matplotlib": "1.2.3", "numpy": "2.4.6", **dict.fromkeys(machine.companions, "1.2.3")}
    versions |= machine.versions
    if name not in versions:
        raise importlib.metadata.PackageNotFoundError(name)
    return versions[name]


def _companion(name: str, error: str | BaseException) -> dict[str, types.ModuleType]:
    """A package whose call fails with an error, or works if there is none."""

    def call(first: Tensor | bytes, *others: object) -> Any:
        if error:
            raise error if isinstance(error, BaseException) else RuntimeError(error)
        devices = {tensor.device for tensor in (first, *others) if isinstance(tensor, Tensor)}
        assert len(devices) <= 1, "expected all tensors to be on the same device"
        return Tensor([1]) if name == "torchvision" else first

    def decoder(source: bytes) -> types.SimpleNamespace:
        assert source.startswith(b"RIFF")
        return types.SimpleNamespace(get_all_samples=functools.partial(call, source))

    module = name.replace("-", "_")
    inner = _module(f"{module}.functional", lfilter=call)
    decoders = _module(f"{module}.decoders", AudioDecoder=decoder)
    outer = _module(module, ops=types.SimpleNamespace(nms=call), functional=inner, decoders=decoders)
    return {part.__name__: part for part in (outer, inner, decoders)}


class _Broken(NamedTuple):
    """Makes the import of a package fail."""

    package: str
    error: str

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.package.replace("-", "_"):
            raise ImportError(self.error)


class Machines:
    """Runs test-uv in machines."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.numbers = itertools.count()
        self.modules = scratch / "modules"  # compiled once
        ignored = shutil.ignore_patterns("*.jinja", "__pycache__")
        shutil.copytree(MODULES, self.modules, ignore=ignored)
        compileall.compile_dir(self.modules, quiet=1)

    def load(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
        """Import test-uv as a project's package on a machine."""
        folder = self.scratch / f"project-{next(self.numbers)}"
        package = folder / "src/demo/test_uv"
        shutil.copytree(self.modules, package)
        (package / "constants.py").write_text(machine.constants)
        (package.parent / "__init__.py").write_text("")
        for path, text in machine.project.items():
            (folder / path).write_text(text)
        root, programs = folder / "root", folder / "bin"
        programs.mkdir(parents=True)
        for path, text in {"proc/version": "Linux version 6.1", **machine.files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o755)
        if machine.smi is not None:
            (programs / "nvidia-smi").write_text(f"#!/bin/sh\n{machine.smi}\n")
            (programs / "nvidia-smi").chmod(0o755)
        for program in machine.programs:
            (programs / program).write_text("#!/bin/sh\n")
            (programs / program).chmod(0o755)
        for variable in list(os.environ):
            if "VISIBLE_DEVICES" in variable or variable.startswith(("KUBERNETES", "LD_LIBRARY")):
                monkeypatch.delenv(variable)
        monkeypatch.setenv("PATH", str(programs))
        for variable, value in machine.environ.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(sys, "platform", machine.system)
        monkeypatch.setattr(platform, "machine", lambda: machine.processor)
        monkeypatch.setattr(platform, "platform", lambda: "a machine of stubs")
        monkeypatch.setattr(importlib.metadata, "version", functools.partial(_version, machine))
        may_open, closed = os.access, {str(root / path) for path in machine.closed}
        monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in closed and may_open(path, mode))
        numpy = _module("numpy", __version__="2.4.6", array=Tensor, sin=Tensor.sin)
        stubs = {"torch": _torch(machine), "numpy": numpy}
        for companion, error in machine.companions.items():
            stubs |= _companion(companion, error)
            if error and not companion.startswith("torch"):  # these are only imported
                monkeypatch.setattr(sys, "meta_path", [_Broken(companion, str(error)), *sys.meta_path])
                del stubs[companion.replace("-", "_")]
        for stub in stubs:
            monkeypatch.setitem(sys.modules, stub, stubs[stub])
        for module in [name for name in sys.modules if name.partition(".")[0] == "demo"]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.syspath_prepend(folder / "src")
        module = importlib.import_module("demo.test_uv")
        monkeypatch.setattr(module.machine, "ROOT", root)
        return module

    def diagnose(self, machine: Machine, *options: str) -> Result:
        """Run the command on a machine, for people and as JSON, which must agree."""
        printed = []
        for form in ([], ["--json"]):
            with pytest.MonkeyPatch.context() as monkeypatch:
                module = self.load(machine, monkeypatch)
                out, err = io.StringIO(), io.StringIO()
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    status = module.main([*options, *form])
            printed.append((status, out.getvalue(), err.getvalue().splitlines()))
        (status, out, err), (again, text, err_again) = printed
        assert (status, err) == (again, err_again)
        report = json.loads(text)
        validate(report, REPORT_SCHEMA)
        texts: dict[bool, list[str]] = {True: [], False: []}
        for finding in report["findings"]:
            texts[finding["problem"]].append(finding["text"])
            assert len(finding["text"].splitlines()) == 1
        assert err == [f"test-uv: {line}" for line in texts[True]]
        notes = [line for line in out.splitlines() if line.startswith("note:")]
        assert notes == [f"note:{line}" for line in texts[False]]
        assert status == bool(texts[True])
        assert out.splitlines()[-1] == report["verdict"]
        assert report["verdict"].startswith("not ok: " if status else "ok: ")
        return Result(status, report, out, err)
