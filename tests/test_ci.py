"""Rendered CI: valid, in step with the rest of the project, and its commands run as they stand."""

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy
from pytest_copier.plugin import CopierFixture
from replica import RUNTIME, Replica, stub_wheel
from support import COMPANIONS, REAL_TORCH, RELEASES, ROOT, TABLE, commit, run, uv
from uv import find_uv_bin

Render = Callable[..., Path]

MIRRORS = {
    "official": {},
    "simple": {"mirror": "custom", "mirror_url": "https://example.com/whl/{accelerator}"},
    "flat": {
        "mirror": "custom",
        "mirror_url": "https://example.com/{accelerator}/",
        "mirror_format": "flat",
    },
    "single": {"mirror": "custom", "mirror_url": "https://example.com/wheels"},
}
PROJECTS = {
    f"{accelerator}-{mirror}": {"accelerator": accelerator, **MIRRORS[mirror]}
    for accelerator, mirror in product(["cpu", "cu130", "rocm7.2", "xpu"], MIRRORS)
} | {
    "arm": {"platforms": ["linux-aarch64"]},
    "cpu and gpu": {"switch_to": ["cu130"], "platforms": ["linux-x86_64"]},
    "image": {"container": "docker"},
    "image for a gpu": {"container": "docker", "accelerator": "rocm7.2", "platforms": ["linux-x86_64"]},
    "image of two builds": {"container": "docker", "accelerator": "cu130", "switch_to": ["cpu"]},
    "intel mac": {"torch_version": "2.2.2", "platforms": ["linux-x86_64", "macos-x86_64"]},
}
BINARIES = Path(sys.executable).parent


def load(file: Path) -> Any:
    """A YAML file; BaseLoader leaves GitHub's `on` a word and "3.10" a text."""
    return yaml.load(file.read_text("utf-8"), yaml.BaseLoader)


@pytest.fixture(scope="module")
def projects(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Each of PROJECTS with each CI."""
    folder = tmp_path_factory.mktemp("ci")
    made = {}
    for (name, answers), ci in product(PROJECTS.items(), ["github", "gitlab"]):
        made[ci, name] = folder / ci / name.replace(" ", "-")
        run_copy(str(template), made[ci, name], data=answers | {"ci": ci}, defaults=True, quiet=True)
    return made


def of(projects: Mapping[tuple[str, str], Path], ci: str, *places: str) -> list[Path]:
    """The files of all projects with a CI; every one of them has each of the places."""
    folders = [folder for (kind, _), folder in projects.items() if kind == ci]
    found = [file for place, folder in product(places, folders) for file in folder.glob(place)]
    assert len(found) >= len(places) * len(folders)
    return found


# Valid files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ci", "schema", "place"),
    [
        ("github", "github-workflows", ".github/workflows/*.yml"),
        ("github", "dependabot", ".github/dependabot.yml"),
        ("gitlab", "gitlab-ci", ".gitlab-ci.yml"),
        ("gitlab", "renovate", "renovate.json"),
    ],
)
def test_schemas_are_met(projects: dict[tuple[str, str], Path], ci: str, schema: str, place: str) -> None:
    transform = ["--data-transform=gitlab-ci"] if schema == "gitlab-ci" else []
    files = of(projects, ci, place)
    run(
        BINARIES / "check-jsonschema", f"--builtin-schema=vendor.{schema}", *transform, *files, cwd=files[0].parent
    )  # fmt: skip


def test_zizmor_finds_nothing(projects: dict[tuple[str, str], Path]) -> None:
    files = of(projects, "github", ".github/workflows/*.yml", ".github/dependabot.yml")
    options = ["--offline", "--persona=pedantic", "--strict-collection", "--format=json", "--no-progress"]
    done = run(BINARIES / "zizmor", *options, *files, cwd=files[0].parent)
    assert json.loads(done.stdout) == []
    assert done.stderr.count("completed") == len(files)


def test_actions_are_pinned_once(projects: dict[tuple[str, str], Path]) -> None:
    """data/ci.yml, the rendered workflows and this repository's own name the same commits."""
    pins = yaml.safe_load((ROOT / "data/ci.yml").read_text())["actions"]
    known = {f"{name}@{pin['sha']}  # {pin['tag']}" for name, pin in pins.items()}
    for file in of(projects, "github", ".github/workflows/*.yml"):
        used = set(re.findall(r"uses: (.*)", file.read_text()))
        assert used <= known if file.name == "image.yml" else used == known, file
    own = "".join(file.read_text() for file in (ROOT / ".github/workflows").glob("*.yml"))
    assert known <= set(re.findall(r"uses: (.*)", own))
    for use in re.findall(r"uses: (.*)", own):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v[\d.]+", use)
        assert use in known or use.partition("@")[0] not in pins


def test_nothing_is_rendered_without_ci(render: Render) -> None:
    left = {path.name for path in render(ci="none").iterdir() if path.name.startswith((".git", "renovate"))}
    assert left == {".gitattributes", ".gitignore"}


def test_gitlab_without_linux_is_refused(render: Render) -> None:
    with pytest.raises(
        ValueError, match=r"use ci=github or add linux-x86_64 to platforms: .* is for macos-arm64$"
    ):
        render(ci="gitlab", platforms=["macos-arm64"])


# In step with the project -----------------------------------------------------------------------------------


def test_pythons_agree(projects: dict[tuple[str, str], Path]) -> None:
    """test_matrix.py has the same for every build, on GitHub."""
    for (ci, _), folder in projects.items():
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        oldest, newest = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()
        pythons = [f"3.{minor}" for minor in range(int(oldest), int(newest))]
        if ci == "github":
            listed = load(folder / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
        else:
            ((row),) = load(folder / ".gitlab-ci.yml")["test"]["parallel"]["matrix"]
            listed = row["PYTHON"]
        assert listed == pythons
        assert (folder / ".python-version").read_text().strip() == pythons[0]


def test_machines_are_those_of_the_project(projects: dict[tuple[str, str], Path]) -> None:
    def machines(name: str) -> list[str]:
        return load(projects["github", name] / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"][
            "matrix"
        ]["os"]

    assert machines("cpu-official") == ["ubuntu-latest", "ubuntu-26.04-arm", "windows-latest", "macos-latest"]
    assert machines("rocm7.2-official") == ["ubuntu-latest", "macos-latest"]
    assert machines("arm") == ["ubuntu-26.04-arm"]
    assert machines("intel mac") == ["ubuntu-latest", "macos-26-intel"]


@pytest.mark.parametrize(
    ("mirror", "index"),
    [
        ("official", {"url": "https://download.pytorch.org/whl/cpu"}),
        ("simple", {"url": "https://example.com/whl/cpu"}),
        ("flat", {"url": "https://example.com/cpu/", "format": "flat"}),
        ("single", {"url": "https://download.pytorch.org/whl/cpu"}),
    ],
)
def test_cpu_build_comes_from_the_same_mirror(
    projects: dict[tuple[str, str], Path], tmp_path: Path, mirror: str, index: dict[str, str]
) -> None:
    """The command that changes the index, run on the project; nothing else changes."""
    steps = load(projects["github", f"cu130-{mirror}"] / ".github/workflows/ci.yml")["jobs"]["test"]["steps"]
    (step,) = (step for step in steps if "sed" in step.get("run", ""))
    script = load(projects["gitlab", f"cu130-{mirror}"] / ".gitlab-ci.yml")["test"]["before_script"][0]
    assert script == step["run"]
    (edit,) = re.findall(r"^sed .*", step["run"], re.MULTILINE)
    before = (projects["github", f"cu130-{mirror}"] / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(before)
    run("bash", "-c", edit, cwd=tmp_path)
    table, expected = (tomllib.loads(text) for text in ((tmp_path / "pyproject.toml").read_text(), before))
    expected["tool"]["uv"]["index"][-1] = {"name": "pytorch", **index, "explicit": True}
    assert table == expected


def test_gpu_job_insists_on_the_gpu(projects: dict[tuple[str, str], Path]) -> None:
    for accelerator, kind in {"cu130": "cuda", "rocm7.2": "rocm", "xpu": "xpu"}.items():
        job = load(projects["github", f"{accelerator}-official"] / ".github/workflows/gpu.yml")["jobs"][
            "test"
        ]
        assert job["if"] == "vars.GPU_RUNNER != ''"
        assert f"uv run --locked test-uv --require {kind}" in [step.get("run") for step in job["steps"]]
        gitlab = load(projects["gitlab", f"{accelerator}-official"] / ".gitlab-ci.yml")["gpu"]
        assert f"uv run --locked test-uv --require {kind}" in gitlab["script"]
    second = "uv run --locked --no-group cpu --group cu130 test-uv --require cuda"
    job = load(projects["github", "cpu and gpu"] / ".github/workflows/gpu.yml")["jobs"]["test"]
    assert second in [step.get("run") for step in job["steps"]]
    assert second in load(projects["gitlab", "cpu and gpu"] / ".gitlab-ci.yml")["gpu"]["script"]
    assert not (projects["github", "cpu-official"] / ".github/workflows/gpu.yml").exists()
    assert "gpu" not in load(projects["gitlab", "cpu-official"] / ".gitlab-ci.yml")


# Updates ----------------------------------------------------------------------------------------------------

STEP = """\
      - name: Check the types
        run: uv run mypy
"""
JOB = """
  docs:
    runs-on: ubuntu-latest
    steps: []
"""
COMMAND = "    - uv run mypy\n"


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_what_users_add_survives_updates(copier: CopierFixture, tmp_path: Path, ci: str) -> None:
    """Steps and jobs at the ends, and actions that Dependabot has updated."""
    project = copier.copy(tmp_path / "project", project_name="project", ci=ci)
    pipeline = project.path / (".github/workflows/ci.yml" if ci == "github" else ".gitlab-ci.yml")
    tags = [action["tag"] for action in TABLE["ci"]["actions"].values()] if ci == "github" else []
    edits = {f"# {tag}": f"# {tag}.1" for tag in tags}
    added = STEP + JOB if ci == "github" else COMMAND

    def edit(folder: Path) -> None:
        """What the user does, to the project or to what it would be without updates."""
        file = folder / pipeline.relative_to(project.path)
        text = file.read_text()
        for old, new in edits.items():
            text = text.replace(old, new)
        file.write_text(text + added)

    edit(project.path)
    commit(project.path)
    for turn, answers in enumerate(
        [
            {"accelerator": "cu118", "torch_version": "2.7.1", "platforms": ["linux-x86_64"]},
            {"accelerator": "cpu", "torch_version": "2.14.0", "python_version": "3.13"},
            {"mirror": "custom", "mirror_url": "https://example.com/{accelerator}", "accelerator": "cu132"},
        ]
    ):
        project.update(**answers)
        fresh = copier.copy(tmp_path / f"fresh-{turn}", **{**project.load_answers(project.path)})
        edit(fresh.path)
        for file in (pipeline, project.path / "pyproject.toml"):
            assert file.read_text() == (fresh.path / file.relative_to(project.path)).read_text()
        assert not list(project.path.rglob("*.rej"))
        run("git", "add", ".", cwd=project.path)
        run("git", "commit", "--quiet", "--message=Update", cwd=project.path)


# What the commands do ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pytorch(real_wheel: Path) -> Iterator[Replica]:
    """PyTorch's index, with the real CPU wheel in it: stubs cannot compute."""
    with Replica(extra={"cpu": [real_wheel]}) as replica:
        yield replica


@pytest.fixture(scope="module")
def environment(pytorch: Replica, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Variables for all of a runner's commands.

    Stubs of GPU builds require stubs of nvidia-* and the like, which an index of their own has; everything else
    comes from the real default index.
    """
    # Kept for the next run, but for what the replica's next port makes useless.
    cache = {"UV_CACHE_DIR": str(request.config.cache.mkdir("uv"))}
    yield cache | {
        "UV_INDEX": pytorch.runtimes_url,
        "PYTHONDONTWRITEBYTECODE": "",  # torch is imported more than once
        "PATH": os.pathsep.join([str(Path(find_uv_bin()).parent), os.environ["PATH"]]),
    }
    uv("cache", "clean", "--quiet", "torch", cwd=ROOT, **cache)


def steps(project: Path, ci: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The commands of the first row on Linux, as they stand, and their environment, as the runner has it."""
    if ci == "github":
        workflow = load(project / ".github/workflows/ci.yml")
        job = workflow["jobs"]["test"]
        row = {name: values[0] for name, values in job["strategy"]["matrix"].items()}
        assert row["os"].startswith("ubuntu")
        for step in job["steps"]:
            # setup-uv passes its Python on.
            python = step.get("with", {}).get("python-version", "")
            if python:
                job["env"]["UV_PYTHON"] = re.sub(
                    r"\$\{\{ matrix\.(\w+) \}\}", lambda found: row[found[1]], python
                )
            if "run" in step and step.get("if", "runner.os != 'macOS'") == "runner.os != 'macOS'":
                assert "${{" not in step["run"]
                yield step["run"], workflow["env"] | job["env"] | step.get("env", {})
    else:
        pipeline = load(project / ".gitlab-ci.yml")
        job = pipeline["test"]
        row = {name: values[0] for name, values in job["parallel"]["matrix"][0].items()}
        variables = pipeline["variables"] | job["variables"]
        variables |= {name: row.get(value.lstrip("$"), value) for name, value in variables.items()}
        variables["UV_CACHE_DIR"] = ""  # the test's
        yield "\n".join([*job["before_script"], *job["script"]]), variables


def clone(project: Path, place: Path) -> Path:
    run("git", "clone", "--quiet", project, place, cwd=project)
    return place


@pytest.mark.parametrize("accelerator", ["cpu", "cu130", "rocm7.2", "xpu"])
def test_steps_pass_as_they_stand(
    render: Render,
    pytorch: Replica,
    environment: dict[str, str],
    tmp_path: Path,
    accelerator: str,
) -> None:
    """GitHub's: GitLab has the same commands, as another test shows."""
    project = render(
        accelerator=accelerator,
        torch_version=REAL_TORCH,
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        platforms=["linux-x86_64", "macos-arm64"],
    )
    for file in (project / "pyproject.toml", project / ".github/workflows/ci.yml"):
        text = file.read_text()
        assert "https://download.pytorch.org/whl" in text or (accelerator == "cpu" and file.suffix == ".yml")
        file.write_text(text.replace("https://download.pytorch.org/whl/", pytorch.url.format(accelerator="")))
    # Not the newest: what is installed must come from the lock, what torch alone needs too.
    older = ["--upgrade-package=filelock==3.20.0", "--upgrade-package=pyparsing==3.2.5"]
    run("uv", "lock", *older, cwd=project, **environment)
    lock = tomllib.loads((project / "uv.lock").read_text())
    locked = {(package["name"], package["version"]) for package in lock["package"]}
    commit(project)
    checkout = clone(project, tmp_path / "checkout")
    pytorch.requests.clear()
    output = ""
    for command, variables in steps(checkout, "github"):
        # As runners call it: GitHub names bash, GitLab sets the same options.
        done = run("bash", "-eo", "pipefail", "-c", command, cwd=checkout, **(variables | environment))
        output += done.stdout

    assert f"torch:{REAL_TORCH}+cpu\n" in output
    assert f"accelerator pinned:{accelerator}\n" in output
    assert re.search(r"\d+ passed", output)
    changed = {line[3:] for line in run("git", "status", "--porcelain", cwd=checkout).stdout.splitlines()}
    for_the_cpu = {"pyproject.toml", "uv.lock", "pyproject.toml.gpu", "uv.lock.gpu"}
    assert changed == (for_the_cpu if accelerator != "cpu" else set())
    listed = json.loads(
        run("uv", "pip", "list", "--python=.venv", "--format=json", cwd=checkout, **environment).stdout
    )
    installed = {(package["name"], package["version"]) for package in listed} - {("project", "0.1.0")}
    assert installed - locked <= {("torch", f"{REAL_TORCH}+cpu")}
    assert {("torch", f"{REAL_TORCH}+cpu"), ("filelock", "3.20.0"), ("pyparsing", "3.2.5")} <= installed
    left_out = {name for name, _ in locked - installed if RUNTIME.match(f"{name.replace('-', '_')}-")}
    assert bool(left_out) is (accelerator not in ("cpu", "rocm7.2"))
    # What is fetched: of the accelerator's packages not a byte, not even to resolve.
    files = [request for request in pytorch.requests if request.path.endswith((".whl", ".metadata"))]
    assert not [
        request for request in files if f"/whl/{accelerator}/" in request.path and accelerator != "cpu"
    ]
    assert not [request for request in pytorch.requests if request.path.startswith("/packages/")]


def for_cuda(pytorch: Replica) -> dict[str, object]:
    """Answers of a CUDA project for Linux and this Python, whose index has the real CPU wheel beside stubs."""
    return {
        "accelerator": "cu130",
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "torch_version": REAL_TORCH,
        "platforms": ["linux-x86_64"],
        "mirror": "custom",
        "mirror_url": pytorch.url,
        "mirror_format": "simple",
    }


def test_steps_pass_on_a_project_with_everything(
    render: Render, pytorch: Replica, environment: dict[str, str], tmp_path: Path
) -> None:
    """Path, editable, workspace and git dependencies, an index of one's own, an extra and a further group."""
    chosen = for_cuda(pytorch)
    python = chosen["python_version"]
    project = render(**chosen)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    name, content = stub_wheel("ownpackage", "1.0", "py3-none-any")
    (wheels / name).write_bytes(content)
    by_git = tmp_path / "bygit"
    here = {"cwd": project, **environment}
    run("git", "init", "--quiet", cwd=project)  # or uv would make a repository of each folder
    for folder in ("libs/editable", "libs/path", "packages/member"):
        run("uv", "init", "--quiet", "--lib", "--no-workspace", f"--python={python}", folder, **here)
    run(
        "uv",
        "init",
        "--quiet",
        "--lib",
        "--no-workspace",
        f"--python={python}",
        by_git,
        cwd=tmp_path,
        **environment,
    )
    run("git", "add", ".", cwd=by_git)
    run("git", "commit", "--quiet", "--message=Start", cwd=by_git)
    text = (project / "pyproject.toml").read_text()
    text += f"""
[tool.uv.workspace]
members = ["packages/*"]

[[tool.uv.index]]
name = "own"
url = "{wheels}"
format = "flat"
explicit = true
"""
    text = text.replace("[tool.uv.sources]\n", '[tool.uv.sources]\nownpackage = { index = "own" }\n')
    (project / "pyproject.toml").write_text(text)
    for words in (
        ["--editable", "./libs/editable"],
        ["./libs/path"],
        ["member"],
        [f"git+file://{by_git}"],
        ["ownpackage"],
        ["--optional=extra", "idna==3.7"],
        ["--group=lint", "zipp==3.20.0"],
    ):
        run("uv", "add", "--quiet", "--no-sync", *words, **here)
    run("git", "add", ".", cwd=project)
    run("git", "commit", "--quiet", "--message=Start", cwd=project)
    checkout = clone(project, tmp_path / "checkout")
    for command, variables in steps(checkout, "github"):
        run("bash", "-eo", "pipefail", "-c", command, cwd=checkout, **(variables | environment))

    def locked(folder: Path) -> set[tuple[str, str]]:
        packages = tomllib.loads((folder / "uv.lock").read_text())["package"]
        return {
            (package["name"], package["version"])
            for package in packages
            if not RUNTIME.match(package["name"].replace("-", "_") + "-")
        }

    assert {("idna", "3.7"), ("zipp", "3.20.0"), ("ownpackage", "1.0"), ("bygit", "0.1.0")} <= locked(
        checkout
    )
    torch = {("torch", f"{REAL_TORCH}+cu130"), ("torch", f"{REAL_TORCH}+cpu"), ("triton", "3.7.1")}
    assert locked(project) ^ locked(checkout) <= torch
    freeze = uv("pip", "freeze", cwd=checkout).stdout
    assert f"torch=={REAL_TORCH}+cpu" in freeze
    for package in ("editable", "path", "member", "bygit", "ownpackage"):
        assert package in freeze


def test_companions_are_installed_for_the_cpu_with_stubs(
    render: Render, pytorch: Replica, environment: dict[str, str], tmp_path: Path
) -> None:
    """torch is the real CPU wheel; stubs of its companions cannot run, so the first step is all there is to see."""
    project = render(companions=COMPANIONS, **for_cuda(pytorch))
    run("uv", "lock", cwd=project, **environment)
    commit(project)
    checkout = clone(project, tmp_path / "checkout")
    command, variables = next(steps(checkout, "github"))
    run("bash", "-eo", "pipefail", "-c", command, cwd=checkout, **(variables | environment))
    installed = set(uv("pip", "freeze", cwd=checkout).stdout.splitlines())
    versions = {name: RELEASES[REAL_TORCH]["companions"][name]["version"] for name in COMPANIONS}
    assert {f"{name}=={version}+cpu" for name, version in versions.items()} <= installed
    assert f"torch=={REAL_TORCH}+cpu" in installed


@pytest.mark.parametrize("accelerator", ["cpu", "cu130"])
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_missing_lock_is_said(render: Render, tmp_path: Path, accelerator: str, ci: str) -> None:
    project = render(ci=ci, accelerator=accelerator, python_version="3.11")
    commit(project)
    checkout = clone(project, tmp_path / "checkout")
    command, variables = next(steps(checkout, ci))
    path = os.pathsep.join([str(Path(find_uv_bin()).parent), os.environ["PATH"]])
    cache = str(tmp_path / "cache")
    done = run(
        "bash",
        "-eo",
        "pipefail",
        "-c",
        command,
        cwd=checkout,
        check=False,
        **(variables | {"PATH": path, "UV_CACHE_DIR": cache}),
    )
    assert done.returncode != 0
    said = " ".join(done.stderr.split())
    assert re.search(
        r"error: Unable to find lockfile at `uv.lock`.* To create a lockfile, run `uv lock`", said
    )
