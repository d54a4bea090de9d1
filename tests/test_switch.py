"""Projects with several builds (`switch_to`): one lock, and each group installs its own build.

`EXHAUSTIVE=1` takes every ordered pair of accelerators that share a release, otherwise a fixed part of them.
"""

import itertools
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from reading import assert_report
from replica import Replica
from support import ACCELERATORS, EXHAUSTIVE, PYTHON, REAL_TORCH, RELEASES, commit, copier, refusal, run, uv
from wheels import MACHINES, Wheel, published

Render = Callable[..., Path]

TARGETS = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "windows-x86_64": "x86_64-pc-windows-msvc",
    "macos-arm64": "aarch64-apple-darwin",
}


def groups(first: str, chosen: str) -> list[str]:
    """uv's options for a build of a project whose first accelerator is `first`."""
    return [] if chosen == first else ["--no-group", first, "--group", chosen]


def common_release(*accelerators: str) -> str | None:
    """The newest release with wheels of all accelerators for the Python on one platform."""
    for version, release in RELEASES.items():
        wheels = release["wheels"].get(PYTHON, {})
        if set.intersection(*(set(wheels.get(key, ())) for key in accelerators)):
            return version
    return None


def environments(project: Path) -> list[str]:
    """The platforms of a rendered project."""
    text = (project / "pyproject.toml").read_text()
    known = {
        f"sys_platform == '{system}' and platform_machine == '{machine}'": platform
        for platform, (system, machine) in MACHINES.items()
    }
    return [known[marker] for marker in tomllib.loads(text)["tool"]["uv"]["environments"]]


def locked(project: Path, first: str, chosen: str, platform: str) -> dict[str, str]:
    """What a build installs on a platform according to the lock: versions by package."""
    system, machine = MACHINES[platform]
    where = {"sys_platform": system, "platform_machine": machine, "python_version": PYTHON, "python_full_version": f"{PYTHON}.1"}  # fmt: skip
    options = ["--locked", "--no-hashes", "--no-header", "--no-annotate", "--no-emit-project"]
    lines = uv("export", *options, *groups(first, chosen), cwd=project).stdout.splitlines()
    wanted = [Requirement(line) for line in lines]
    return {
        line.name: str(line.specifier)[2:]
        for line in wanted
        if not line.marker or line.marker.evaluate(where)
    }


# Every pair --------------------------------------------------------------------------------------------------

PAIRS = [
    (one, other, torch)
    for one, other in itertools.permutations(ACCELERATORS, 2)
    if (torch := common_release(one, other))
    and (EXHAUSTIVE or other == "cpu" or {one, other} <= {"cpu", "cu126", "cu130", "rocm7.2", "xpu"})
]
ALL = ["torchvision", "torchaudio", "torchcodec"]
TRIPLES = {
    ("cu130", "cu126", "cpu"): ALL,
    ("rocm7.2", "rocm7.1", "cpu"): ["torchvision", "torchaudio"],
    ("cpu", "cu126", "xpu"): ALL,
    ("cu128", "cpu", "cu130"): ALL,
    ("xpu", "rocm6.4", "cu126"): ["torchvision"],
}


@pytest.mark.parametrize("first", ACCELERATORS)
def test_all_pairs_lock_and_install_on_every_platform_with_stubs(
    render: Render, replica: Replica, record_property: Callable[[str, object], None], first: str
) -> None:
    pairs = [(other, torch) for one, other, torch in PAIRS if one == first]
    for other, torch in pairs:
        check(render, replica, torch, [], first, other)
    record_property("pairs of builds", len(pairs))


@pytest.mark.parametrize("accelerators", TRIPLES, ids=str)
def test_triples_with_companions_lock_and_install_with_stubs(
    render: Render, replica: Replica, accelerators: tuple[str, ...]
) -> None:
    torch = common_release(*accelerators)
    assert torch
    check(render, replica, torch, TRIPLES[accelerators], *accelerators)


def check(
    render: Render, replica: Replica, torch: str, companions: list[str], first: str, *others: str
) -> None:
    project = render(
        "-".join([first, *others, torch]),
        project_name="project",
        python_version=PYTHON,
        accelerator=first,
        torch_version=torch,
        switch_to=list(others),
        companions=companions,
        mirror="custom",
        mirror_url=replica.url,
        pypi_mirror="custom",
        pypi_mirror_url=replica.pypi_url,
    )
    uv("lock", cwd=project)
    platforms = environments(project)
    assert platforms
    for chosen in (first, *others):
        files = published(replica, chosen)
        for platform in platforms:
            found = locked(project, first, chosen, platform)
            for name in ("torch", *companions):
                expected = files[Wheel(name, {"torch": torch, **row(torch)}[name], PYTHON, platform)]
                assert found[name] == expected, (chosen, platform)
            local = found["torch"].partition("+")[2]
            assert local == ("" if platform.startswith("macos") else chosen) or platform == "linux-aarch64"
            # Every locked package has a file for the platform.
            options = ["--dry-run", "--locked", f"--python-platform={TARGETS[platform]}"]
            uv("sync", *options, *groups(first, chosen), cwd=project, MACOSX_DEPLOYMENT_TARGET="14.0")


def row(torch: str) -> dict[str, str]:
    return {name: companion["version"] for name, companion in RELEASES[torch]["companions"].items()}


# Switching ---------------------------------------------------------------------------------------------------


def test_switching_there_and_back_changes_no_file_with_stubs(render: Render, replica: Replica) -> None:
    place = {
        "mirror": "custom",
        "mirror_url": replica.url,
        "pypi_mirror": "custom",
        "pypi_mirror_url": replica.pypi_url,
    }
    project = render(
        python_version="3.11",
        accelerator="cu130",
        torch_version="2.14.1",
        switch_to=["cpu", "rocm7.2"],
        **place,
    )
    uv("sync", cwd=project)
    before = {name: (project / name).read_bytes() for name in ("pyproject.toml", "uv.lock")}

    def torch(*command: str) -> str:
        code = "import torch; print(torch.__version__)"
        return uv("run", *command, "python", "-c", code, cwd=project).stdout.strip()

    assert torch() == "2.14.1+cu130"
    for chosen in ("cpu", "rocm7.2", "cu130", "rocm7.2", "cpu"):
        uv("sync", "--locked", *groups("cu130", chosen), cwd=project)
        assert torch("--no-sync") == f"2.14.1+{chosen}"
        uv("sync", "--locked", "--check", *groups("cu130", chosen), cwd=project)
    # For one command; then a plain one goes back to the first build.
    assert torch(*groups("cu130", "cpu")) == "2.14.1+cpu"
    assert torch() == "2.14.1+cu130"
    assert {name: (project / name).read_bytes() for name in before} == before


def test_cpu_build_of_a_gpu_project(
    render: Render, real_wheel: Path, real_answers: dict[str, object]
) -> None:
    """The real wheel for the CPU; for CUDA the stubs, which are locked and not installed."""
    with Replica(extra={"cpu": [real_wheel]}) as replica:
        own = {"accelerator": "cu130", "switch_to": ["cpu"], "platforms": ["linux-x86_64"]}
        project = render(**real_answers | own | {"mirror_url": replica.url, "mirror_format": "simple"})
        environment = {"UV_INDEX": replica.runtimes_url}
        uv("lock", cwd=project, **environment)
        uv("sync", "--locked", *groups("cu130", "cpu"), cwd=project, **environment)
    done = uv("run", "--no-sync", "test-uv", cwd=project)
    assert_report(done.stdout)
    assert done.stderr == ""
    uv("run", "--no-sync", "pytest", "-W", "error", cwd=project)
    assert f"torch=={REAL_TORCH}+cpu" in uv("pip", "freeze", cwd=project).stdout.splitlines()


def test_dependency_brings_pypis_torch_where_no_group_is_chosen_with_stubs(
    render: Render, replica: Replica
) -> None:
    """As docs/several-builds.md and the READMEs of projects say."""
    project = render(
        python_version="3.11",
        accelerator="cu126",
        switch_to=["cpu"],
        platforms=["linux-x86_64"],
        mirror="custom",
        mirror_url=replica.url,
        pypi_mirror="custom",
        pypi_mirror_url=replica.pypi_url,
    )

    def installed() -> dict[str, str]:
        uv("sync", "--no-default-groups", cwd=project)
        freeze = uv("pip", "freeze", "--exclude-editable", cwd=project).stdout.splitlines()
        return dict(line.split("==") for line in freeze if "==" in line)

    assert "torch" not in installed()
    uv("init", "--quiet", "--lib", "--no-workspace", "--python=3.11", "needs", cwd=project)
    file = project / "needs/pyproject.toml"
    file.write_text(file.read_text().replace("dependencies = []", 'dependencies = ["torch"]'))
    uv("add", "--no-sync", "./needs", cwd=project)
    found = installed()
    assert "+" not in found["torch"]
    assert any(name.startswith("nvidia-") for name in found)


def test_message_names_the_commands(template: Path, tmp_path: Path) -> None:
    data = ["--data=accelerator=cu130", '--data=switch_to=["cpu"]', "--data=ci=none"]
    message = copier("copy", "--defaults", *data, template, tmp_path / "p", cwd=tmp_path).stderr
    assert "    uv sync --no-group cu130 --group cpu" in message.splitlines()


def test_installed_from_git_it_says_that_it_has_no_torch(render: Render, tmp_path: Path) -> None:
    project = render(python_version="3.11", accelerator="cu130", switch_to=["cpu"])
    commit(project)
    uv("venv", "--python", "3.11", tmp_path / "venv", cwd=tmp_path)
    uv("pip", "install", "--python", tmp_path / "venv", f"git+file://{project}", cwd=tmp_path)
    done = run(tmp_path / "venv/bin/test-uv", cwd=tmp_path, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "test-uv: torch, numpy or matplotlib cannot be imported, since No module named 'torch'"
    )
    assert "in the project's folder: its builds of torch are dependency groups" in line


# What cannot be chosen ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"switch_to": ["cpu"]}, "cpu is the project's accelerator: leave it out of switch_to"),
        ({"accelerator": "cu130", "torch_version": "2.14.1", "switch_to": ["cu118"]}, "torch 2.14.1 has no cu118 wheels for Python 3.12: leave it out of switch_to or use switch_to=[\"cu126\"]"),
        ({"accelerator": "cu130", "switch_to": ["cu999"]}, "'cu999' is not in"),
        ({"accelerator": "rocm7.2", "switch_to": ["cpu"], "platforms": ["windows-x86_64"]}, "add linux-x86_64"),
        ({"accelerator": "cu130", "torch_version": "2.14.1", "switch_to": ["cu132"], "companions": ["torchaudio"]}, "torchaudio 2.11.0 has no cu132 wheels: leave it out of companions or leave cu132 out of switch_to"),
        ({"accelerator": "cu130", "switch_to": ["cpu"], "mirror": "custom", "mirror_url": "https://example.com/cu130"}, "use switch_to=[] or a mirror_url with {accelerator}"),
    ],
    ids=str,
)  # fmt: skip
def test_refusals(render: Render, given: dict[str, object], says: str) -> None:
    assert says in refusal(render, **given)


def test_nothing_to_switch_to_renders_what_is_rendered_without(render: Render) -> None:
    one, other = render("one", project_name="p", switch_to=[]), render("other", project_name="p")
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert all((one / path).read_bytes() == (other / path).read_bytes() for path in files)
    table = tomllib.loads((one / "pyproject.toml").read_text())
    assert list(table["dependency-groups"]) == table["tool"]["uv"]["default-groups"] == ["dev"]
    assert table["tool"]["uv"]["conflicts"] == []


def test_ci_takes_the_cpu_group(render: Render) -> None:
    for ci, file in (("github", ".github/workflows/ci.yml"), ("gitlab", ".gitlab-ci.yml")):
        text = (render(ci, accelerator="cu130", switch_to=["cu126", "cpu"], ci=ci) / file).read_text()
        assert text.count("uv sync --locked --no-group cu130 --group cpu") == 1
        assert text.count("uv export") == 0
