"""Every build that PyTorch publishes can be chosen and resolves to the right wheels; nothing else can be chosen.

What is published is read off the file names of the replica, which is built from the record and knows nothing of
data/. A run in CI resolves a covering subset: each accelerator with each release of torch, for the oldest and the
newest Python that it has, with all companions. `EXHAUSTIVE=1 python -m uv run pytest tests/test_matrix.py` renders and
resolves every combination, and tries every other one to see it refused.
"""

import functools
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from printed import menu, printed
from replica import FACTS, PLANTED, Replica
from support import ACCELERATORS, EXHAUSTIVE, PYTHONS, ROOT, TABLE, refusal, uv
from wheels import MACHINES, Wheel, published

Render = Callable[..., Path]

RELEASES = {release["version"]: release for release in FACTS["torch"]}
RUNNERS = {
    "linux-x86_64": "ubuntu-latest",
    "linux-aarch64": "ubuntu-26.04-arm",
    "windows-x86_64": "windows-latest",
    "macos-arm64": "macos-latest",
    "macos-x86_64": "macos-26-intel",
}
ON_THE_INDEX = list(MACHINES)[:3]
BY_DEFAULT = list(MACHINES)[:4]
COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
FROM_PYTORCH = {"torch", *COMPANIONS, "pytorch-triton-rocm", "pytorch-triton-xpu", "triton-rocm", "triton-xpu"}  # fmt: skip


def releases_for(replica: Replica, accelerator: str, python: str) -> set[str]:
    """The releases of torch that can be chosen: those with a wheel on PyTorch's index."""
    return {
        wheel.version
        for wheel in published(replica, accelerator)
        if wheel.project == "torch" and wheel.python == python and not wheel.platform.startswith("macos")
    }


def companions_for(replica: Replica, accelerator: str, python: str, torch: str) -> list[str]:
    """The companions of a release that have a wheel on PyTorch's index."""
    versions = {name: RELEASES[torch][name] for name in COMPANIONS if name in RELEASES[torch]}
    return [
        name
        for name, version in versions.items()
        if any(
            Wheel(name, version, python, where) in published(replica, accelerator) for where in ON_THE_INDEX
        )
    ]


class Package(NamedTuple):
    """A resolved package; `markers` say on which machines it is this version, an empty list means all."""

    name: str
    version: str
    from_pypi: bool
    markers: list[str]

    def on(self, platform: str, python: str) -> bool:
        sys_platform, machine = MACHINES[platform]
        environment = {
            "sys_platform": sys_platform,
            "platform_machine": machine,
            "python_version": python,
            "python_full_version": f"{python}.2",
            "platform_system": {"linux": "Linux", "win32": "Windows", "darwin": "Darwin"}[sys_platform],
        }
        return not self.markers or any(Marker(marker).evaluate(environment) for marker in self.markers)


@functools.cache
def interpreter(python: str) -> bool:
    """Whether this machine has a Python; uv lock needs it."""
    return uv("python", "find", "--no-project", python, cwd=ROOT, check=False).returncode == 0


def resolve(project: Path, python: str, replica: Replica) -> Iterator[Package]:
    """Lock a project, or resolve it for a Python that is not here, and yield the packages."""
    if interpreter(python):
        uv("lock", "--python", python, "--default-index", replica.pypi_url, cwd=project)
        for package in tomllib.loads((project / "uv.lock").read_text())["package"]:
            if index := package["source"].get("registry"):
                markers = package.get("resolution-markers", [])
                yield Package(package["name"], package["version"], index == replica.pypi_url, markers)
    else:
        options = ["--universal", "--python-version", python, "--default-index", replica.pypi_url]
        output = ["--format", "pylock.toml", "--output-file", "pylock.toml"]
        uv("pip", "compile", *options, *output, "pyproject.toml", cwd=project)
        for package in tomllib.loads((project / "pylock.toml").read_text())["packages"]:
            from_pypi = package["wheels"][0]["url"].startswith(replica.pypi_url.removesuffix("/simple"))
            markers = [package["marker"]] if "marker" in package else []
            yield Package(package["name"], package["version"], from_pypi, markers)


def check(
    project: Path, python: str, accelerator: str, torch: str, companions: list[str], replica: Replica
) -> None:
    """Resolve a rendered project and compare with what is published."""
    table = tomllib.loads((project / "pyproject.toml").read_text())
    markers = [Marker(marker) for marker in table["tool"]["uv"]["environments"]]
    environments = [
        platform
        for platform, (sys_platform, machine) in MACHINES.items()
        if any(m.evaluate({"sys_platform": sys_platform, "platform_machine": machine}) for m in markers)
    ]
    assert len(environments) == len(markers) > 0
    files = published(replica, accelerator)
    versions = {"torch": torch} | {name: RELEASES[torch][name] for name in companions}
    unusable = TABLE["releases"][torch]["left_out"].get(accelerator, {})  # test_wheels_seen.py has the reason
    assert environments == [
        platform
        for platform in BY_DEFAULT
        if platform not in unusable
        and all(Wheel(name, version, python, platform) in files for name, version in versions.items())
    ]

    # Python: every one within the bounds has all wheels, the next one has not.
    bounds = SpecifierSet(table["project"]["requires-python"])
    complete = [
        other
        for other in PYTHONS
        if Version(other) >= Version(python)
        and all(
            Wheel(name, version, other, platform) in files
            for name, version in versions.items()
            for platform in environments
        )
    ]
    assert [other for other in PYTHONS if bounds.contains(f"{other}.2")] == complete

    # CI has the same machines and Pythons.
    workflow = yaml.safe_load((project / ".github/workflows/ci.yml").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix == {"os": [RUNNERS[platform] for platform in environments], "python": complete}
    assert (project / ".python-version").read_text() == f"{complete[0]}\n"

    packages = list(resolve(project, python, replica))
    for name, version in versions.items():
        for platform in environments:
            expected = files[Wheel(name, version, python, platform)]
            (found,) = (p for p in packages if p.name == name and p.on(platform, python))
            assert found.version == expected, (platform, found)
            assert found.from_pypi == platform.startswith("macos"), (platform, found)
            local = found.version.partition("+")[2]
            # The index for XPU has the CPU's builds of torchcodec.
            assert local in {"", "cpu" if (name, accelerator) == ("torchcodec", "xpu") else accelerator}
            if name != "torchcodec" and accelerator != "cpu" and platform == "linux-x86_64":
                assert local == accelerator
    assert {p.name for p in packages if not p.from_pypi} <= FROM_PYTORCH
    assert not [p for p in packages if PLANTED.get(p.name) == p.version]


def mirror(replica: Replica) -> dict[str, str]:
    return {"mirror": "custom", "mirror_url": replica.url, "mirror_format": "simple"}


CI = "{% if ci == 'github' %}.github{% endif %}/workflows/ci.yml"
FILES = {
    "pyproject.toml": "pyproject.toml",
    ".python-version": ".python-version",
    ".github/workflows/ci.yml": CI,
}
"""Files of a project that say what it is locked to -> their paths in template/."""


def write(project: Path, **answers: object) -> Path:
    """Make the part of a project that is resolved here."""
    for name, file in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(printed(file, **answers))
    return project


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_what_is_printed_here_is_what_copier_writes(
    render: Render, replica: Replica, tmp_path: Path, accelerator: str
) -> None:
    python = next(python for python in PYTHONS if accelerator in TABLE["defaults"][python])
    torch = TABLE["defaults"][python][accelerator]
    companions = companions_for(replica, accelerator, python, torch)
    answers = {
        "python_version": python,
        "accelerator": accelerator,
        "companions": companions,
        **mirror(replica),
    }
    project, here = render(project_name="project", **answers), write(tmp_path / "here", **answers)
    for name in FILES:
        assert (here / name).read_text() == (project / name).read_text()


@pytest.mark.parametrize("accelerator", ACCELERATORS)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_offered_is_what_is_published(
    render: Render, replica: Replica, python: str, accelerator: str
) -> None:
    possible = releases_for(replica, accelerator, python)
    message = refusal(render, python_version=python, accelerator=accelerator, torch_version="none")
    if possible:
        assert set(re.findall(r"'(\d[\d.]+)'", message.partition(" is not in ")[2])) == possible
        return
    # The way out that the refusal names must be one.
    other, newest = re.search(r"use accelerator=(\S+) or python_version=(\S+)", message).groups()
    assert releases_for(replica, other, python)
    assert releases_for(replica, accelerator, newest)


@pytest.mark.parametrize("accelerator", ACCELERATORS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_choice_resolves(
    tmp_path: Path, replica: Replica, record_property, python: str, accelerator: str
) -> None:
    count = 0
    for torch in sorted(releases_for(replica, accelerator, python), key=Version):
        pythons = [other for other in PYTHONS if torch in releases_for(replica, accelerator, other)]
        if not EXHAUSTIVE and python not in (pythons[0], pythons[-1]):
            continue
        answers = {
            "python_version": python,
            "accelerator": accelerator,
            "torch_version": torch,
            **mirror(replica),
        }
        companions = companions_for(replica, accelerator, python, torch)
        for chosen in [[], companions] if EXHAUSTIVE and companions else [companions]:
            project = write(tmp_path / f"{torch}-{len(chosen)}", companions=chosen, **answers)
            check(project, python, accelerator, torch, chosen, replica)
            count += 1
        reasons = menu("companions", **answers) if len(companions) < len(COMPANIONS) else {}
        for name in set(COMPANIONS) - set(companions):
            _, message = reasons[name]
            version = RELEASES[torch].get(name)
            lacks = (
                f"{name} {version} has no {accelerator} wheels"
                if version
                else f"no {name} is known to fit torch {torch}"
            )
            assert lacks in message
    record_property("combinations resolved", count)


@pytest.mark.exhaustive
@pytest.mark.parametrize("accelerator", ACCELERATORS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_other_combination_is_refused(
    render: Render, replica: Replica, record_property, python: str, accelerator: str
) -> None:
    refused = set(RELEASES) - releases_for(replica, accelerator, python)
    for torch in refused:
        message = refusal(render, python_version=python, accelerator=accelerator, torch_version=torch)
        assert re.search(
            r": .+: use (accelerator|torch_version)=\S+( or (accelerator|python_version)=\S+)?$", message
        )
    record_property("combinations refused", len(refused))
