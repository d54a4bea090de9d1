"""A replica, on loopback, of what PyTorch publishes, for tests that run uv on rendered projects.

It is built from evidence, never from the template's data/: a wrong cell in data/ meets an index that does not
have it. Evidence is the record in facts/torch-matrix.yml and what scripts/refresh.py has read since, a file for
each release in facts/releases/.

A release that data/ has and the evidence has not is served as rules/builds.json says, so that its projects can be
locked. Nothing checks such a release independently; WITH_EVIDENCE names the others.

Wheels are tiny stubs with the real names, tags, local versions and requirements; versions of other projects are
stand-ins where the evidence has none.

The file reads from top to bottom: evidence, tables, stub wheels, what PyTorch's index has, what the default index
has, and the servers with their page formats.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

import yaml
from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

TESTS = Path(__file__).parent.parent

FACTS: dict[str, Any] = yaml.load((TESTS / "facts/torch-matrix.yml").read_text("utf-8"), yaml.CSafeLoader)
"""The record of PyTorch's builds; torch-matrix.yml says what its keys mean. Its `torch` gets the releases below that
are not recorded, so that it has all that are served, the oldest first."""

OLDEST_PYTHON = Version("3.10")


# Evidence beside the record ---------------------------------------------------------------------------------


def _read_by_refresh() -> dict[str, dict[str, Any]]:
    """What scripts/refresh.py has read of releases: file names of wheels by accelerator, `pypi` for PyPI's."""
    files = sorted((TESTS / "facts/releases").glob("*.yml"))
    return {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in files}


def _claimed(version: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """What refresh would have read if the template's table were right about a release."""
    release = table["releases"][version]
    tags = {
        "linux-x86_64": "manylinux_2_28_x86_64",
        "linux-aarch64": "manylinux_2_28_aarch64",
        "windows-x86_64": "win_amd64",
        "macos-arm64": f"macosx_{release['macos_oldest']}_0_arm64",
        "macos-x86_64": f"macosx_{release['macos_oldest']}_0_x86_64",
    }
    projects = {"torch": {"version": version, "without": {}}, **release["companions"]}
    wheels: dict[str, list[str]] = {}
    for (python, builds), (project, companion) in product(release["wheels"].items(), projects.items()):
        without = companion["without"].get(python, {})
        # On PyPI is what any accelerator has, and macOS.
        there = {**builds, "pypi": [*release["macos"].get(python, ()), *chain(*builds.values())]}
        gaps = {**without, "pypi": [*chain(*without.values())]}
        for place, platforms in there.items():
            local = "" if place == "pypi" else f"+{place}"
            interpreter = f"cp{python.replace('.', '')}"
            name = f"{project}-{companion['version']}{local}-{interpreter}-{interpreter}"
            having = [
                platform for platform in tags if platform in platforms and platform not in gaps.get(place, ())
            ]
            wheels.setdefault(place, []).extend(f"{name}-{tags[platform]}.whl" for platform in having)
    return {
        **{project: companion["version"] for project, companion in release["companions"].items()},
        "requires_python": f">={min(release['wheels'], key=Version)}",
        "requires": {
            place: [
                f"{package}=={version}; sys_platform != 'darwin'"
                for family, package in release["triton"].items()
                if table["accelerators"][place]["family"] == family
            ]
            for place in wheels.keys() - {"pypi"}
        },
        "wheels": wheels,
    }


def _take_in() -> tuple[str, ...]:
    """Add releases and wheels to the record's; return the releases that there is evidence of."""
    recorded = {release["version"]: release for release in FACTS["torch"]}
    read = _read_by_refresh()
    table = json.loads((TESTS.parent / "rules/builds.json").read_text("utf-8"))
    claimed = {
        version: _claimed(version, table)
        for version in table["releases"].keys() - recorded.keys() - read.keys()
    }
    newest = FACTS["torch"][-1]
    nothing = {"cpu": [], "cuda": {}, "rocm_linux_x86_64_only": [], "xpu": False}
    for version, release in {**read, **claimed}.items():
        if version in recorded:
            recorded[version] |= {key: release.get(key, {}) for key in ("requires", "wheels")}
        else:  # what file names do not tell is taken to be as in the newest release of the record
            new = {"version": version, "pythons": {}, "accelerators": nothing}
            FACTS["torch"].append(newest | release | new)
    FACTS["torch"].sort(key=lambda release: Version(release["version"]))
    return tuple(release["version"] for release in FACTS["torch"] if release["version"] not in claimed)


WITH_EVIDENCE: tuple[str, ...] = _take_in()
"""The releases that somebody has seen, the oldest first; others are served because data/ has them."""


# Tables -----------------------------------------------------------------------------------------------------

# Real packages of other projects stand on PyTorch's index too. These are newer there than anywhere, so that a
# lock that has one of them shows that the index was used for more than PyTorch's packages.
PLANTED = {"jinja2": "99.0", "numpy": "99.0"}

# Releases whose wheels for Python 3.10 have no hash on PyTorch's pages, as happens to some of the real ones.
UNHASHED = {("torch", "2.7.1"), ("torchvision", "0.22.1")}

# Releases whose CUDA wheels for Linux require triton without a marker, and so for Windows too (pytorch#114042).
UNMARKED_TRITON = {"2.1.0", "2.1.1"}

# What torch needs beside its accelerator's packages; bounds of sympy and setuptools depend on the release.
TORCH_REQUIRES = ("filelock", "typing-extensions>=4.10.0", "networkx", "jinja2", "fsspec>=0.8.5")
XPU_RUNTIME = ("intel-cmplr-lib-rt==2025.3.2", "tbb==2022.3.1")
RUNTIME = re.compile("nvidia_|triton-|intel_|tbb-")
"""How files of packages begin that GPU builds take from the default index."""

# ROCm 7.14 takes its runtime from packages beside torch on the same index (some of them, one GPU for all).
ROCM_SDK = {
    "rocm": (
        "rocm-sdk-core==7.14.0",
        'rocm-sdk-libraries==7.14.0; extra == "libraries"',
        'rocm-sdk-device-gfx942==7.14.0; extra == "device-all"',
    ),
    "rocm-sdk-core": (),
    "rocm-sdk-libraries": (),
    "rocm-sdk-device-gfx942": (),
}

# The default index: versions, then requirements. All are py3-none-any.
PYPI: dict[str, tuple[str, ...]] = {
    "colorama": ("0.4.6",),
    "contourpy": ("1.3.2 1.3.3", "numpy>=1.23"),
    "cycler": ("0.12.1",),
    "exceptiongroup": ("1.3.1", 'typing-extensions>=4.6.0; python_version < "3.13"'),
    "filelock": ("3.19.1 3.20.3",),
    "fonttools": ("4.60.1 4.61.1",),
    "fsspec": ("2025.10.0 2026.2.0",),
    "iniconfig": ("2.3.0",),
    "jinja2": ("3.1.5 3.1.6", "markupsafe>=2.0"),
    "kiwisolver": ("1.4.9",),
    "markupsafe": ("3.0.2 3.0.3",),
    "matplotlib": (
        "3.9.4 3.10.8",
        "contourpy>=1.0.1",
        "cycler>=0.10",
        "fonttools>=4.22.0",
        "kiwisolver>=1.3.1",
        "numpy>=1.23",
        "packaging>=20.0",
        "pillow>=8",
        "pyparsing>=3",
        "python-dateutil>=2.7",
    ),
    "mpmath": ("1.3.0",),
    "networkx": ("3.4.2 3.5",),
    "packaging": ("25.0 26.0",),
    "pillow": ("11.3.0 12.1.0",),
    "pluggy": ("1.6.0",),
    "pygments": ("2.19.2",),
    "pyparsing": ("3.2.5 3.3.1",),
    "pytest": (
        "8.4.2 9.0.2",
        'colorama>=0.4; sys_platform == "win32"',
        'exceptiongroup>=1; python_version < "3.11"',
        "iniconfig>=1.0.1",
        "packaging>=22",
        "pluggy>=1.5,<2",
        "pygments>=2.7.2",
        'tomli>=1; python_version < "3.11"',
    ),
    "python-dateutil": ("2.9.0.post0", "six>=1.5"),
    "setuptools": ("81.0.0 82.0.0",),
    "six": ("1.17.0",),
    "sympy": ("1.13.1 1.13.3 1.14.0", "mpmath>=1.1.0,<1.4"),
    "tomli": ("2.3.0",),
    "typing-extensions": ("4.14.1 4.15.0",),
    # Names that PyTorch's index uses and that belong to something else here.
    "pytorch-triton-rocm": ("2.1.0",),
    "rocm": ("0.1.0",),
    "rocm-sdk-core": ("0.1.0",),
    "triton-rocm": ("3.0.0rc1",),
    "triton-xpu": ("3.3.0b1",),
}
IMPORT_NAMES = {"pillow": "PIL", "python-dateutil": "dateutil"}

# triton is for Linux alone; all others of the default index run anywhere.
TRITON_TAG = "py3-none-manylinux_2_17_x86_64.manylinux_2_17_aarch64"

# How the record names the platform of a wheel, and what is in the wheel's tag.
PLATFORM_TAGS = {
    "linux_x86_64": "linux.*x86_64",
    "linux_aarch64": "linux.*aarch64",
    "windows_amd64": "win_amd64",
    "windows_arm64": "win_arm64",
    "macos_arm64": "macosx.*arm64",
    "macos_x86_64": "macosx.*x86_64",
}

# numpy has compiled wheels: its version, the oldest Python, the newest. The last has those of Pythons to come.
NUMPY = (("1.26.4", 10, 12), ("2.2.6", 10, 13), ("2.3.5", 11, 14), ("2.5.0", 12, 19))
NUMPY_PLATFORMS = (
    "manylinux_2_27_x86_64.manylinux_2_28_x86_64",
    "manylinux_2_27_aarch64.manylinux_2_28_aarch64",
    "win_amd64",
    "macosx_11_0_arm64",
    "macosx_10_13_x86_64",
)


# Stub wheels ------------------------------------------------------------------------------------------------


class Stub(NamedTuple):
    """A wheel to be made: what `stub_wheel` takes, hashable."""

    name: str
    version: str
    tag: str
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    build: str = ""

    @property
    def filename(self) -> str:
        build = f"{self.build}-" if self.build else ""
        return f"{_escaped(self.name)}-{self.version}-{build}{self.tag}.whl"


Wheel = Stub | Path
"""A wheel that is served: a stub or a real one on disk."""


def stub_wheel(
    name: str,
    version: str,
    tag: str,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    files: Mapping[str, str] | None = None,
) -> tuple[str, bytes]:
    """Make a tiny valid wheel.

    Args:
        name: The project's name in any spelling.
        version: A normalized version; a local version stays as it is in the file name.
        tag: Python, ABI and platform, such as `cp311-cp311-win_amd64`.
        requires: Requirements (PEP 508), written to the metadata as they are.
        requires_python: A version specifier, or None for none.
        files: Text by path in the wheel. Without any, a package of the project's import name that has
            `__version__`.

    Returns:
        The file name and the content. Equal arguments give equal bytes.
    """
    stub = Stub(name, version, tag, tuple(requires), requires_python, tuple((files or {}).items()))
    return stub.filename, _zipped(stub)


def _escaped(name: str) -> str:
    return canonicalize_name(name).replace("-", "_")


def _zipped(stub: Stub) -> bytes:
    module = IMPORT_NAMES.get(canonicalize_name(stub.name), _escaped(stub.name))
    info = f"{_escaped(stub.name)}-{stub.version}.dist-info"
    extras = sorted({extra for line in stub.requires for extra in re.findall(r'extra == "([^"]+)"', line)})
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {stub.name}",
        f"Version: {stub.version}",
        *([f"Requires-Python: {stub.requires_python}"] if stub.requires_python else []),
        *(f"Provides-Extra: {extra}" for extra in extras),
        *(f"Requires-Dist: {line}" for line in stub.requires),
    ]
    tags = sorted(f"Tag: {tag}" for tag in parse_tag(stub.tag))
    wheel = ["Wheel-Version: 1.0", "Generator: replica", "Root-Is-Purelib: false", *tags]
    files = dict(stub.files) or {f"{module}/__init__.py": f"__version__ = {stub.version!r}\n"}
    files |= {f"{info}/METADATA": "\n".join(metadata) + "\n", f"{info}/WHEEL": "\n".join(wheel) + "\n"}
    record = [f"{path},{_record_hash(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(
                zipfile.ZipInfo(path), text
            )  # ZipInfo's default time is fixed, so the bytes are too
    return buffer.getvalue()


def _record_hash(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


_stub_bytes = cache(_zipped)


def _content(wheel: Wheel) -> bytes:
    return wheel.read_bytes() if isinstance(wheel, Path) else _stub_bytes(wheel)


@cache
def _metadata(wheel: Wheel) -> bytes:
    with zipfile.ZipFile(wheel if isinstance(wheel, Path) else io.BytesIO(_stub_bytes(wheel))) as archive:
        return archive.read(next(path for path in archive.namelist() if path.endswith(".dist-info/METADATA")))


@cache
def _sha256(wheel: Wheel) -> str:
    return hashlib.sha256(_content(wheel)).hexdigest()


def _project(filename: str) -> str:
    return canonicalize_name(filename.partition("-")[0])


# What PyTorch's index has -----------------------------------------------------------------------------------


def _from(release: Mapping[str, Any], version: str) -> bool:
    return Version(release["version"]) >= Version(version)


def _accelerators() -> Iterator[str]:
    yield "cpu"
    for release in FACTS["torch"]:
        for names in release["accelerators"]["cuda"].values():
            yield from names
        yield from release["accelerators"]["rocm_linux_x86_64_only"]
        yield from release.get("wheels", {}).keys() - {"pypi"}
    yield "xpu"


ACCELERATORS: tuple[str, ...] = tuple(dict.fromkeys(_accelerators()))
"""Every accelerator that the evidence knows: the directories of the index."""


def _platforms(release: Mapping[str, Any], accelerator: str) -> list[str]:
    """Platforms, named as in the record, that it lists for torch's build."""
    cells = release["accelerators"]
    if accelerator == "cpu":
        return list(cells["cpu"])
    if accelerator == "xpu":
        xpu = cells["xpu"]
        if not isinstance(xpu, dict) or xpu["index"] != "whl/xpu":  # 2.5 is on whl/test/xpu only
            return []
        return [platform for platform in ("linux_x86_64", "windows_amd64") if xpu[platform]]
    if accelerator.startswith("rocm"):
        return ["linux_x86_64"] if accelerator in cells["rocm_linux_x86_64_only"] else []
    return [platform for platform, names in cells["cuda"].items() if accelerator in names]


def _pythons(release: Mapping[str, Any], project: str, platform: str, *, pypi: bool = False) -> list[str]:
    """Python versions, with a final "t" for free-threaded ones, that torch or a companion has a wheel for."""
    if platform == "windows_arm64":
        return release["windows_arm64"]["pythons"] if project == "torch" else []
    pythons = list(release["pythons"][platform])
    if project != "torch":
        # The record has the companions' Pythons for Linux x86_64; elsewhere, those that torch has too.
        companion = release[f"{project}_pythons_linux_x86_64"]
        pythons = [python for python in pythons if python in companion or companion == ["any (py3-none)"]]
    extra = {} if pypi else release.get("extra_pythons_on_download_pytorch_org", {})
    if project == "torch":
        pythons += extra.get(platform, ())
    if project != "torchaudio" and not platform.startswith("macos"):
        pythons += extra.get("all", ())
    return [python for python in pythons if Version(python.rstrip("t")) >= OLDEST_PYTHON]


def _local(release: Mapping[str, Any], project: str, accelerator: str, platform: str) -> str:
    """The local version of a wheel on PyTorch's index, with its "+", or an empty string."""
    # On Linux aarch64 each project began to write it with another release of torch.
    if platform == "linux_aarch64":
        torchaudio = "2.11.0" if accelerator == "cpu" else "2.10.0"
        first = {"torch": "2.6.0", "torchvision": "2.10.0", "torchaudio": torchaudio}[project]
        return f"+{accelerator}" if _from(release, first) else ""
    return "" if platform.startswith("macos") else f"+{accelerator}"


def _platform_tag(
    release: Mapping[str, Any], project: str, accelerator: str, platform: str, python: str
) -> str:
    """The platform tag of a wheel on PyTorch's index."""
    if platform == "linux_aarch64" and project == "torch" and accelerator == "cpu":
        if not _from(release, "2.6.0"):
            return "manylinux_2_17_aarch64.manylinux2014_aarch64"
        return "manylinux_2_28_aarch64"
    if platform.startswith("linux"):
        machine = platform.removeprefix("linux_")
        first = "2.7.0"
        if project == "torch" and machine == "x86_64":
            first = {"cu126": "2.6.0", "xpu": "2.13.0"}.get(accelerator, first)
        return f"manylinux_2_28_{machine}" if _from(release, first) else f"linux_{machine}"
    return _pypi_platform_tag(release, project, platform, python)


def _pypi_platform_tag(release: Mapping[str, Any], project: str, platform: str, python: str) -> str:
    if platform == "windows_arm64":
        return "win_arm64"
    if platform == "macos_arm64":
        newer = FACTS[platform]["newer_macos_by_python"][project]
        version = release["version" if project == "torch" else project]
        if macos := newer.get(version, {}).get(python):
            return f"macosx_{macos}_0_arm64"
    # Where macOS has two tags, the newer one is that of torch for free-threaded Pythons.
    tags = sorted(
        release["platform_tags"][platform], key=lambda tag: [int(n) for n in re.findall(r"\d+", tag)]
    )
    return tags[-1 if project == "torch" and python.endswith("t") else 0]


def _tag(release: Mapping[str, Any], project: str, python: str, platform_tag: str) -> str:
    number = python.replace(".", "").rstrip("t")
    if project == "torchvision" and release["torchvision_pythons_linux_x86_64"] == ["any (py3-none)"]:
        return f"py3-none-{platform_tag}"
    if python.endswith("t"):
        return f"cp{number}-cp{number}t-{platform_tag}"
    without_abi = project == "torch" and platform_tag.startswith("macosx") and not _from(release, "2.11.0")
    abi = "none" if without_abi and Version(python) < Version("3.14") else f"cp{number}"
    return f"cp{number}-{abi}-{platform_tag}"


def _default_accelerator(release: Mapping[str, Any]) -> str:
    """The CUDA version of the release's Linux wheels on the default index."""
    major, minor, *_ = release["pypi_linux_default"]["cuda"].split(".")
    return f"cu{major}{minor}"


def _triton_version(release: Mapping[str, Any]) -> str:
    """The version of triton, and of its builds for ROCm and XPU, which have the same number."""
    return release["pypi_linux_default"]["triton"].lstrip("=~")


def _torch_requires(
    release: Mapping[str, Any], accelerator: str, platform: str, *, pypi: bool = False
) -> tuple[str, ...]:
    requires = [*TORCH_REQUIRES]
    if _from(release, "2.7.0"):
        requires.append("sympy>=1.13.3")
    else:
        requires.append("sympy==1.13.1" if _from(release, "2.5.0") else "sympy")
    if bound := release["setuptools_requirement"]:
        requires.append(f'setuptools{bound.replace("any", "")}; python_version >= "3.12"')
    if accelerator.startswith("cu") and platform.startswith("linux"):
        unmarked = release["version"] in UNMARKED_TRITON and not pypi
        requires += _cuda_requires(release, accelerator, triton_marker=not unmarked)
    requires += _requires_from_the_index(release, accelerator)
    if accelerator == "rocm7.14":
        requires.append("rocm[device-all,libraries]==7.14.*; sys_platform == 'linux'")
    if accelerator == "xpu":
        requires += [f"{line}; {FACTS['extra_packages']['xpu']['marker']}" for line in XPU_RUNTIME]
    return tuple(requires)


def _requires_from_the_index(release: Mapping[str, Any], accelerator: str) -> list[str]:
    """The triton that stands beside a build of torch on PyTorch's index, and what else refresh has read."""
    if accelerator in release.get("requires", {}):
        return release["requires"][accelerator]
    markers = {
        "rocm": 'platform_system == "Linux" and platform_machine == "x86_64"',
        "xpu": FACTS["extra_packages"]["xpu"]["marker"],
    }
    family = "rocm" if accelerator.startswith("rocm") else accelerator
    if family not in markers:
        return []
    return [f"{release['triton_packages'][family]}=={_triton_version(release)}; {markers[family]}"]


def _pinned(requirements: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The project and version of each requirement, whatever its operator."""
    for requirement in map(Requirement, requirements):
        for specifier in requirement.specifier:
            yield requirement.name, specifier.version.removesuffix(".*")


def _cuda_requires(release: Mapping[str, Any], accelerator: str, *, triton_marker: bool) -> list[str]:
    """A few of the packages that CUDA wheels for Linux need; cuDNN's and triton's versions are recorded."""
    default = release["pypi_linux_default"]
    major, minor = accelerator[2:4], accelerator[4:]
    suffix = "" if int(major) >= 13 else f"-cu{major}"
    cuda = default["cuda"] if accelerator == _default_accelerator(release) else f"{major}.{minor}.0"
    marker = 'platform_system == "Linux"'
    if default["aarch64"] == "cpu":
        marker += ' and platform_machine == "x86_64"'
    requires = (
        f"nvidia-cublas{suffix}=={cuda}",
        f"nvidia-cuda-runtime{suffix}=={cuda}",
        f"nvidia-cudnn-cu{major}=={default['cudnn']}",
    )
    triton = f"triton{default['triton']}"
    return [*(f"{line}; {marker}" for line in requires), f"{triton}; {marker}" if triton_marker else triton]


def _companion_requires(release: Mapping[str, Any], project: str) -> tuple[str, ...]:
    if project == "torchcodec":
        return ()
    pin = f"torch=={release['version']}"
    if project == "torchaudio":
        return (pin,) if release["torchaudio_note"].startswith("== torch version pin") else ()
    recorded = FACTS["torchvision"].get(release["torchvision"], pin)  # such as "torch>=2.14.0, py3-none, …"
    return ("numpy", recorded.split(",")[0], "pillow!=8.3.*,>=5.3.0")


def _requires_python(release: Mapping[str, Any], project: str) -> str:
    excluded, first = FACTS["torchvision"]["excludes_python"].split(" from ")
    if project == "torchvision" and Version(release["torchvision"]) >= Version(first):
        return f"{excluded},{release['requires_python']}"
    return release["requires_python"]


def _torch_files(version: str, accelerator: str) -> tuple[tuple[str, str], ...]:
    """A torch that can be imported and says which build it is, in `torch.__version__` and `torch.version`."""
    number = re.sub(r"^cu(\d\d)", r"\1.", accelerator).removeprefix("rocm")
    built = {
        "__version__": version,
        "cuda": number if accelerator.startswith("cu") else None,
        "hip": number if accelerator.startswith("rocm") else None,
        "xpu": "20250302" if accelerator == "xpu" else None,
    }
    lines = "".join(f"{name} = {value!r}\n" for name, value in built.items())
    return (
        ("torch/__init__.py", "from torch import version\n\n__version__ = version.__version__\n"),
        ("torch/version.py", lines),
    )


def _index(accelerator: str) -> Iterator[Stub]:
    """Everything in one directory of PyTorch's index."""
    for project, version in PLANTED.items():
        yield Stub(project, version, "py3-none-any")
    if accelerator == "rocm7.14":
        for project, requires in ROCM_SDK.items():
            yield Stub(project, "7.14.0", "py3-none-manylinux_2_28_x86_64", requires)
    for release in FACTS["torch"]:
        for platform in _platforms(release, accelerator):
            yield from _index_torch(release, accelerator, platform)
            yield from _index_companions(release, accelerator, platform)
        for filename in release.get("wheels", {}).get(accelerator, ()):
            yield from _named(release, filename, accelerator)
    for version, codec in FACTS["torchcodec"]["releases"].items():
        for platform, accelerators in codec["index"].items():
            if accelerator in accelerators:
                local = codec.get("local", {}).get(accelerator, accelerator)
                yield from _torchcodec(codec, f"{version}+{local}", platform)


def _index_torch(release: Mapping[str, Any], accelerator: str, platform: str) -> Iterator[Stub]:
    version = release["version"] + _local(release, "torch", accelerator, platform)
    requires = _torch_requires(release, accelerator, platform)
    for python in _pythons(release, "torch", platform):
        tag = _tag(release, "torch", python, _platform_tag(release, "torch", accelerator, platform, python))
        files = _torch_files(version, accelerator)
        yield Stub("torch", version, tag, requires, release["requires_python"], files)
        for name, pinned in _pinned(_requires_from_the_index(release, accelerator)):
            yield Stub(name, pinned, tag)


def _index_companions(release: Mapping[str, Any], accelerator: str, platform: str) -> Iterator[Stub]:
    for project in _companions(release):
        if project == "torchaudio" and release[project] == FACTS["torchaudio"]["last_on_pypi"]:
            seen = FACTS["torchaudio"]["local_versions_seen_2_11_0"]
        else:
            seen = [accelerator]
        if accelerator not in seen:
            continue
        version = release[project] + _local(release, project, accelerator, platform)
        for python in _pythons(release, project, platform):
            if accelerator.startswith("rocm") and release["version"].startswith("2.4.") and python == "3.12":
                continue  # pytorch#131793
            tag = _tag(
                release, project, python, _platform_tag(release, project, accelerator, platform, python)
            )
            requires = _companion_requires(release, project)
            yield Stub(project, version, tag, requires, _requires_python(release, project))


def _named(release: Mapping[str, Any], filename: str, accelerator: str | None) -> Iterator[Stub]:
    """A wheel of a release that is known by its name, and what stands beside it; without accelerator PyPI's."""
    project, version, build, _ = parse_wheel_filename(filename)
    *_, python, abi, platform_tag = filename.removesuffix(".whl").split("-")
    tag = f"{python}-{abi}-{platform_tag}"
    platform = next(
        (name for name, part in PLATFORM_TAGS.items() if re.search(part, platform_tag)), "another"
    )
    number = "".join(map(str, build))
    if project != "torch":
        requires = _companion_requires(release, project)
        yield Stub(project, str(version), tag, requires, _requires_python(release, project), build=number)
        return
    if accelerator is None:
        requires, files = _pypi_torch(release, platform)
    else:
        requires = _torch_requires(release, accelerator, platform)
        files = _torch_files(str(version), accelerator)
        for name, pinned in _pinned(_requires_from_the_index(release, accelerator)):
            yield Stub(name, pinned, tag)
    yield Stub(project, str(version), tag, requires, release["requires_python"], files, number)


def _torchcodec(codec: Mapping[str, Any], version: str, platform: str) -> Iterator[Stub]:
    """A release of torchcodec, which has numbers and platforms of its own."""
    machine = platform.removeprefix("linux_")
    tags = {
        "windows_amd64": "win_amd64",
        "macos_arm64": "macosx_14_0_arm64" if "linux_tags" in codec else "macosx_11_0_arm64",
    }
    linux = ".".join(f"{tag}_{machine}" for tag in codec.get("linux_tags", ["manylinux_2_28"]))
    for python in codec["pythons"]:
        number = python.replace(".", "")
        yield Stub("torchcodec", version, f"cp{number}-cp{number}-{tags.get(platform, linux)}")


def _companions(release: Mapping[str, Any]) -> list[str]:
    """The companions published with a release: after 2.11.0 torchaudio is no longer one."""
    return ["torchvision", *(["torchaudio"] if release["torchaudio"] == release["version"] else [])]


# What the default index has ---------------------------------------------------------------------------------


def _pypi() -> Iterator[Stub]:
    for project, (versions, *requires) in PYPI.items():
        for version in versions.split():
            yield Stub(project, version, "py3-none-any", tuple(requires))
    for version, oldest, newest in NUMPY:
        for python in range(oldest, newest + 1):
            for platform in NUMPY_PLATFORMS:
                yield Stub("numpy", version, f"cp3{python}-cp3{python}-{platform}", (), f">=3.{oldest}")
    for release in FACTS["torch"]:
        yield from _pypi_release(release)
    for version, codec in FACTS["torchcodec"]["releases"].items():
        for platform in codec["pypi"]:
            yield from _torchcodec(codec, version, platform)
    # Whatever a build of torch pins and the tables above do not have: nvidia-*, triton, Intel's runtime.
    lines = {
        line.partition(";")[0]
        for release in FACTS["torch"]
        for accelerator in (*ACCELERATORS, _default_accelerator(release))
        if accelerator == _default_accelerator(release)
        or _platforms(release, accelerator)
        or accelerator in release.get("wheels", {})
        for line in _torch_requires(release, accelerator, "linux_x86_64")
        if line.startswith(("nvidia-", "intel-", "tbb=", "triton=", "triton~"))
    }
    for name, version in _pinned(sorted(lines)):
        yield Stub(name, version, TRITON_TAG if name == "triton" else "py3-none-any")


def _pypi_torch(
    release: Mapping[str, Any], platform: str
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What torch's wheels for a platform require and have in them: CUDA on Linux, as recorded for aarch64, else CPU."""
    accelerator = _default_accelerator(release)
    cuda = {"linux_x86_64": "cuda", "linux_aarch64": release["pypi_linux_default"]["aarch64"]}
    built_for = accelerator if cuda.get(platform) == "cuda" else "cpu"
    # torch.__version__ names the build although the wheel's version does not.
    own_version = release["version"] + ("" if platform.startswith("macos") else f"+{built_for}")
    # Wheels for every platform declare what Linux needs, behind markers.
    requires = _torch_requires(release, accelerator, "linux_x86_64", pypi=True)
    return requires, _torch_files(own_version, built_for)


def _pypi_release(release: Mapping[str, Any]) -> Iterator[Stub]:
    """torch and its companions without local version."""
    for filename in release.get("wheels", {}).get("pypi", ()):
        yield from _named(release, filename, None)
    for platform in release["pythons"]:
        requires, files = _pypi_torch(release, platform)
        for project in ("torch", *_companions(release)):
            for python in _pythons(release, project, platform, pypi=True):
                tag = _tag(release, project, python, _pypi_platform_tag(release, project, platform, python))
                if project == "torch":
                    yield Stub(project, release["version"], tag, requires, release["requires_python"], files)
                else:
                    companion_requires = _companion_requires(release, project)
                    yield Stub(
                        project, release[project], tag, companion_requires, _requires_python(release, project)
                    )


@cache
def _catalogue(accelerator: str | None) -> dict[str, Stub]:
    """Wheels by file name: a directory of PyTorch's index, or the default index for None."""
    catalogue: dict[str, Stub] = {}
    for stub in _pypi() if accelerator is None else _index(accelerator):
        catalogue.setdefault(stub.filename, stub)  # a later release may list a wheel of an earlier one again
    return catalogue


# Servers ----------------------------------------------------------------------------------------------------


class Request(NamedTuple):
    """A request that was received: GET or HEAD, whatever the answer."""

    server: str
    """"index" (pages; files too in the relative and flat formats), "files" (official format), or "pypi"."""
    path: str
    """The path, decoded: a file name has its "+"."""


class _Answer(NamedTuple):
    status: HTTPStatus
    kind: str = "text/plain"
    body: bytes = b""


_NOT_FOUND = _Answer(HTTPStatus.NOT_FOUND)
_SLASH_MISSING = _Answer(HTTPStatus.MOVED_PERMANENTLY)


class Replica:
    """PyTorch's index in three formats, and a default index, served on loopback inside a `with` block.

    The URLs stand for what users write into projects: `{accelerator}` is to be replaced by one of
    `ACCELERATORS`. The real host answers 403 to a missing file, and so does the replica's. A missing page is
    404: uv takes 403 for "not here" from the real host alone, and from any other for refused access.

    Args:
        extra: Paths of real wheels by accelerator. A wheel replaces the stub of the same file name there.

    Raises:
        packaging.utils.InvalidWheelFilename: A path in `extra` is not named like a wheel.
    """

    url: str
    """The official format: PEP 503 pages with absolute links to another host, metadata files (PEP 658), "%2B"
    in links, and a hash for nearly every file."""
    relative_url: str
    """A mirror's PEP 503 pages: relative links, a hash for every file, no metadata files."""
    flat_url: str
    """A directory listing of all files of an accelerator: no project pages or hashes, "+" written "&#43;"."""
    pypi_url: str
    """The default index: PEP 503 pages with relative links, hashes and metadata files; enough to lock
    a project with torch, numpy, matplotlib and pytest."""
    runtimes_url: str
    """Of the default index only what GPU builds of torch need (nvidia-*, triton, Intel's runtime), to be asked
    before a real default index that has all else."""
    requests: list[Request]
    """Every request so far, in order of arrival; may be cleared."""
    answers: dict[str, int | bytes | Callable[[BaseHTTPRequestHandler], None]]
    """Answers to give instead, by decoded path: a status, the bytes of a page or file, or a function that does the
    answering. For tests of broken, shortened or missing pages and of connections that hang."""

    def __init__(self, *, extra: Mapping[str, Sequence[Path]] | None = None) -> None:
        self.requests = []
        self.answers = {}
        self._extra = {
            accelerator: {path.name: path for path in paths} for accelerator, paths in (extra or {}).items()
        }
        for paths in self._extra.values():
            for filename in paths:
                parse_wheel_filename(filename)
        self._running = ExitStack()
        self._lock = threading.Lock()  # one answer at a time, so that nothing is made twice

    def __enter__(self) -> Self:
        index = self._start("index", self._answer_index)
        self._files_url = self._start("files", self._answer_files)
        self.url = f"{index}/whl/{{accelerator}}"
        self.relative_url = f"{index}/relative/{{accelerator}}"
        self.flat_url = f"{index}/flat/{{accelerator}}"
        pypi = self._start("pypi", self._answer_pypi)
        self.pypi_url = f"{pypi}/simple"
        self.runtimes_url = f"{pypi}/runtimes"
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def wheels(self, accelerator: str | None) -> frozenset[str]:
        """File names in a directory of PyTorch's index, or on the default index for None.

        Raises:
            KeyError: No such accelerator in the record.
        """
        return frozenset(self._wheels(accelerator))

    def _wheels(self, accelerator: str | None) -> dict[str, Wheel]:
        if accelerator is None:
            return dict(_catalogue(None))
        if accelerator not in ACCELERATORS:
            raise KeyError(accelerator)
        return {**_catalogue(accelerator), **self._extra.get(accelerator, {})}

    def _start(self, name: str, answer: Callable[[list[str]], _Answer]) -> str:
        replica = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # keeps connections open
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path)
                replica.requests.append(Request(name, path))
                planned = replica.answers.get(path)
                if callable(planned):
                    return planned(self)
                if isinstance(planned, int):
                    status, kind, body = _Answer(HTTPStatus(planned))
                elif planned is not None:
                    status, kind, body = _Answer(HTTPStatus.OK, "text/html", planned)
                else:
                    with replica._lock:
                        status, kind, body = answer(path.split("/")[1:])
                self.send_response(status)
                if status is HTTPStatus.MOVED_PERMANENTLY:
                    self.send_header("Location", self.path + "/")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # uv opens dozens of connections at once

            def handle_error(self, *arguments: Any) -> None:
                if not isinstance(sys.exception(), ConnectionError):  # uv may hang up when it has read enough
                    super().handle_error(*arguments)

        server = Server(("127.0.0.1", 0), Handler)
        self._running.callback(server.server_close)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self._running.callback(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def _answer_index(self, path: list[str]) -> _Answer:
        match path:
            case ["whl" | "relative" | "flat", ""]:
                return _page(f'<a href="{name}/">{name}</a>' for name in ACCELERATORS)
            case ["whl" | "relative" | "flat" as layout, accelerator, *rest] if accelerator in ACCELERATORS:
                wheels = self._wheels(accelerator)
            case _:
                return _NOT_FOUND
        match layout, rest:
            case "relative" | "flat", [filename] if filename in wheels:
                return _file(_content(wheels[filename]))
            case "whl", _:
                prefix = f"{self._files_url}/whl/{accelerator}/"
                return _simple(
                    wheels, rest, lambda wheel, name: _link(wheel, name, prefix, metadata=True, gaps=True)
                )
            case "relative", _:
                return _simple(wheels, rest, lambda wheel, name: _link(wheel, name, "../"))
            case "flat", []:
                return _SLASH_MISSING
            case "flat", [""]:
                return _page(_flat_link(filename) for filename in sorted(wheels))
        return _NOT_FOUND

    def _answer_files(self, path: list[str]) -> _Answer:
        match path:
            case ["whl", accelerator, filename] if accelerator in ACCELERATORS:
                answer = _wheel_or_metadata(self._wheels(accelerator), filename)
                return _Answer(HTTPStatus.FORBIDDEN) if answer is _NOT_FOUND else answer
        return _Answer(HTTPStatus.FORBIDDEN)

    def _answer_pypi(self, path: list[str]) -> _Answer:
        match path:
            case ["simple", *rest]:
                prefix = "../../packages/"
                return _simple(
                    self._wheels(None), rest, lambda wheel, name: _link(wheel, name, prefix, metadata=True)
                )
            case ["runtimes", *rest]:
                wheels = {name: wheel for name, wheel in self._wheels(None).items() if RUNTIME.match(name)}
                prefix = "../../packages/"
                return _simple(wheels, rest, lambda wheel, name: _link(wheel, name, prefix, metadata=True))
            case ["packages", filename]:
                return _wheel_or_metadata(self._wheels(None), filename)
        return _NOT_FOUND


def _simple(wheels: Mapping[str, Wheel], path: list[str], link: Callable[[Wheel, str], str]) -> _Answer:
    """A page of a PEP 503 index: the root for [""], a project for [name, ""]."""
    match path:
        case [""]:
            return _page(
                f'<a href="{name}/">{name}</a>' for name in sorted({_project(file) for file in wheels})
            )
        case [] | [_]:
            return _SLASH_MISSING if not path or not path[0].endswith(".whl") else _NOT_FOUND
        case [project, ""]:
            files = sorted(filename for filename in wheels if _project(filename) == project)
            return _page(link(wheels[filename], filename) for filename in files) if files else _NOT_FOUND
    return _NOT_FOUND


def _link(wheel: Wheel, filename: str, prefix: str, *, metadata: bool = False, gaps: bool = False) -> str:
    name, version, _, tags = parse_wheel_filename(filename)
    python = next(iter(tags)).interpreter
    hashed = not (gaps and python == "cp310" and (name, version.public) in UNHASHED)
    attributes = {"href": prefix + quote(filename) + (f"#sha256={_sha256(wheel)}" if hashed else "")}
    if metadata:
        digest = f"sha256={hashlib.sha256(_metadata(wheel)).hexdigest()}"
        attributes |= {"data-dist-info-metadata": digest, "data-core-metadata": digest}
    if requires_python := re.search(rb"^Requires-Python: (.+)$", _metadata(wheel), re.MULTILINE):
        attributes["data-requires-python"] = requires_python[1].decode().strip()
    written = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<a {written}>{html.escape(filename)}</a>"


def _flat_link(filename: str) -> str:
    written = html.escape(filename).replace("+", "&#43;")
    return f'<a href="{written}">{written}</a>'


def _page(links: Iterable[str]) -> _Answer:
    lines = "".join(f"{link}<br>\n" for link in links)
    return _Answer(
        HTTPStatus.OK, "text/html", f"<!DOCTYPE html>\n<html>\n<body>\n{lines}</body>\n</html>\n".encode()
    )


def _file(content: bytes) -> _Answer:
    return _Answer(HTTPStatus.OK, "application/octet-stream", content)


def _wheel_or_metadata(wheels: Mapping[str, Wheel], filename: str) -> _Answer:
    wheel = wheels.get(filename.removesuffix(".metadata"))
    if wheel is None:
        return _NOT_FOUND
    return _file(_metadata(wheel) if filename.endswith(".metadata") else _content(wheel))
