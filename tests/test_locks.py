"""Rendered projects, resolved by uv against stubs: a replica of PyTorch's index, built from the record."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from replica import Replica
from support import uv

Render = Callable[..., Path]


def packages(project: Path, name: str) -> dict[str, dict]:
    """The entries of a package in the lock, by version."""
    lock = tomllib.loads((project / "uv.lock").read_text())
    return {package["version"]: package for package in lock["package"] if package["name"] == name}


def on(package: dict, sys_platform: str, machine: str) -> bool:
    """Whether a locked package is the one for this machine."""
    machine = {"platform_machine": machine, "sys_platform": sys_platform, "python_full_version": "3.12.1"}
    return any(
        Marker(marker).evaluate(machine)
        for marker in package.get("resolution-markers", ["python_version >= '3'"])
    )


@pytest.fixture(params=["url", "relative_url", "flat_url"])
def mirror(request: pytest.FixtureRequest, replica: Replica) -> dict[str, str]:
    """Answers that put the replica in PyTorch's place, in each of its page formats."""
    flat = request.param == "flat_url"
    return {
        "mirror": "custom",
        "mirror_url": getattr(replica, request.param),
        "mirror_format": "flat" if flat else "simple",
    }


def test_the_four_default_platforms_lock_with_stubs(
    render: Render, replica: Replica, mirror: dict[str, str]
) -> None:
    project = render(torch_version="2.14.1", **mirror)
    uv("lock", "--default-index", replica.pypi_url, cwd=project)
    torch = packages(project, "torch")
    assert set(torch) == {"2.14.1", "2.14.1+cpu"}
    for machine in [("linux", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64")]:
        assert on(torch["2.14.1+cpu"], *machine)
        assert not on(torch["2.14.1"], *machine)
    assert on(torch["2.14.1"], "darwin", "arm64")
    for planted in ("jinja2", "numpy"):
        assert "99.0" not in packages(project, planted)


def test_seed_case_with_stubs_of_torch_and_the_real_numpy(render: Render, replica: Replica) -> None:
    answers = {"python_version": "3.11", "torch_version": "2.1.0", "accelerator": "cpu"}
    project = render(**answers, mirror="custom", mirror_url=replica.url)
    uv("lock", cwd=project)
    (numpy,) = packages(project, "numpy")
    assert numpy == "1.26.4"
    assert "2.1.0+cpu" in packages(project, "torch")
    bounds = SpecifierSet(
        tomllib.loads((project / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    assert "3.11.9" in bounds
    assert not list(bounds.filter(["3.10.0", "3.12.0", "3.13.0", "3.15.0"]))


@pytest.mark.parametrize(("torch", "locked"), [("2.12.1", "81.0.0"), ("2.13.0", "82.0.0")])
def test_setuptools_follows_what_torch_declares(
    render: Render, replica: Replica, torch: str, locked: str
) -> None:
    project = render(torch_version=torch, mirror="custom", mirror_url=replica.url)
    uv("lock", "--default-index", replica.pypi_url, cwd=project)
    assert set(packages(project, "setuptools")) == {locked}


def test_stub_build_is_installed_and_said_not_to_compute(render: Render, replica: Replica) -> None:
    """test-uv on a torch that cannot compute ends with one line, not with success."""
    project = render(
        python_version="3.11",
        accelerator="cu130",
        torch_version="2.14.1",
        mirror="custom",
        mirror_url=replica.url,
    )
    uv("sync", "--default-index", replica.pypi_url, cwd=project)
    done = uv("run", "--no-sync", "python", "-c", "import torch; print(torch.__version__)", cwd=project)
    assert done.stdout.strip() == "2.14.1+cu130"
    assert uv("run", "--no-sync", "test-uv", cwd=project, check=False).returncode == 1
