"""Rendered files, parsed: each holds what the answers say, and they agree with each other."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from printed import JINJA, context, printed
from support import COMPANIONS, PYTHONS, TABLE, copier, default_release, run

Render = Callable[..., Path]

MODULES = (
    "__init__",
    "__main__",
    "builds",
    "cli",
    "compute",
    "constants",
    "findings",
    "machine",
    "packages",
    "reasons",
)

COMBINATIONS = {
    "defaults": {},
    "old": {
        "python_version": "3.11",
        "torch_version": "2.1.0",
        "platforms": ["linux-x86_64", "macos-x86_64"],
    },
    "cuda": {"accelerator": "cu130", "companions": COMPANIONS, "license": "Apache-2.0"},
    "cuda with numpy 1 on Windows": {
        "accelerator": "cu121",
        "torch_version": "2.3.1",
        "companions": ["torchaudio"],
    },
    "rocm": {"accelerator": "rocm7.2", "license": "BSD-3-Clause", "author_name": "Ada Lovelace"},
    "xpu": {"accelerator": "xpu", "python_version": "3.13", "license": "none"},
    "newest python": {"python_version": PYTHONS[-1], "companions": ["torchvision"]},
    "flat mirror": {
        "mirror": "custom",
        "mirror_url": "https://example.com/{accelerator}/",
        "mirror_format": "flat",
    },
    "people": {
        "author_name": "Zoë “Z” O'Neil",
        "author_email": "zoe@example.com",
        "description": 'a "b" \\ c',
    },
}


@pytest.fixture(scope="module", params=COMBINATIONS.values(), ids=COMBINATIONS)
def rendered(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, object], Path]:
    """Answers and their project, which all tests look at and none changes."""
    project = tmp_path_factory.mktemp("rendered") / "project"
    run_copy(str(template), project, data=request.param, defaults=True, quiet=True, unsafe=False)
    return request.param, project


def pyproject(project: Path) -> dict:
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))


def saved(project: Path) -> dict:
    return yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))


def test_uv_builds_with_its_own_backend(rendered: tuple[dict, Path]) -> None:
    """The lowest uv that the project takes has the build backend of its version: it would else warn at each sync."""
    table = tomllib.loads((rendered[1] / "pyproject.toml").read_text(encoding="utf-8"))
    (required,) = SpecifierSet(table["tool"]["uv"]["required-version"])
    (backend,) = map(Requirement, table["build-system"]["requires"])
    assert backend.name == "uv_build"
    assert backend.specifier.contains(f"{required.version}.0")


def test_files(rendered: tuple[dict, Path]) -> None:
    answers, project = rendered
    expected = {
        ".copier-answers.yml",
        ".gitattributes",
        ".github/dependabot.yml",
        ".github/workflows/ci.yml",
        ".gitignore",
        ".python-version",
        "README.md",
        "pyproject.toml",
        "src/project/__init__.py",
        "src/project/example.py",
        *(f"src/project/test_uv/{name}.py" for name in MODULES),
        "tests/test_example.py",
    }
    if answers.get("license") != "none":
        expected.add("LICENSE")
    if answers.get("accelerator", "cpu") != "cpu":
        expected.add(".github/workflows/gpu.yml")
    assert {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()} == expected


@pytest.mark.parametrize(
    ("answers", "left_out", "unusable"),
    [
        ({}, [], []),
        ({"torch_version": "2.14.1", "accelerator": "xpu"}, ["linux-aarch64"], []),
        ({"torch_version": "2.14.1", "accelerator": "xpu", "platforms": ["windows-x86_64"]}, [], []),
        ({"torch_version": "2.15.0", "accelerator": "cu132"}, ["windows-x86_64"], []),
        ({"torch_version": "2.14.1", "switch_to": ["cu126"]}, ["linux-aarch64"], []),
        ({"torch_version": "2.1.1", "accelerator": "cu121", "python_version": "3.11"}, ["linux-aarch64", "windows-x86_64"], ["windows-x86_64"]),
        ({"torch_version": "2.14.1", "accelerator": "cu132", "companions": ["torchvision", "torchcodec"]}, ["linux-aarch64", "windows-x86_64"], []),
    ],
    ids=str,
)  # fmt: skip
def test_message_tells_what_is_left_out_and_why(
    template: Path, tmp_path: Path, answers: dict[str, object], left_out: list[str], unusable: list[str]
) -> None:
    data = [f"--data={name}={json.dumps(answer) if isinstance(answer, list) else answer}" for name, answer in answers.items()]  # fmt: skip
    message = copier("copy", "--defaults", *data, template, tmp_path / "p", cwd=tmp_path).stderr
    assert re.findall("^Left out: (.*)[.]$", message, re.MULTILINE) == (
        [", ".join(left_out)] if left_out else []
    )
    assert re.findall("^The wheels for (.*) cannot be used: .*[.]$", message, re.MULTILINE) == unusable
    chosen = answers.get("platforms", ["linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64"])
    table = tomllib.loads((tmp_path / "p/pyproject.toml").read_text())["tool"]["uv"]
    assert len(table["environments"]) == len(chosen) - len(left_out)
    assert ("This build or torchcodec has no usable wheels there" in message) == ("companions" in answers)
    assert "\n\n\n" not in message.strip()


def test_no_scars_of_templating(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    for path in project.rglob("*"):
        if path.is_file() and path.name != "LICENSE":
            text = path.read_text(encoding="utf-8")
            assert "{%" not in text, path
            assert "{{" not in text.replace("${{", ""), path
            assert "\n\n\n\n" not in text, path
            assert text.endswith("\n"), path
            assert not text.endswith("\n\n"), path
            assert not text.startswith("\n"), path
            assert all(line == line.rstrip() for line in text.splitlines()), path


def test_python_files_compile(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    for path in project.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), path.name, feature_version=(3, 10))


def test_answers_are_in_pyproject(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    table = pyproject(project)["project"]
    kept = saved(project)
    assert table["name"] == "project"
    assert table["description"] == kept["description"]
    assert table.get("license") == (None if kept["license"] == "none" else kept["license"])
    (author,) = table.get("authors", [{}])
    assert author.get("name", "") == kept["author_name"]
    assert author.get("email", "") == kept["author_email"]
    assert table["scripts"] == {"test-uv": "project.test_uv:main"}
    assert "dev" in pyproject(project)["dependency-groups"]


def test_torch_is_pinned_first_and_the_users_lines_are_last(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    requirements = [Requirement(line) for line in pyproject(project)["project"]["dependencies"]]
    names = [requirement.name for requirement in requirements]
    assert str(requirements[0]) == f"torch=={saved(project)['torch_version']}"
    assert names[-1] == "matplotlib"
    assert names[1 : 1 + len(saved(project)["companions"])] == saved(project)["companions"]
    assert names != sorted(names), "uv add would sort its lines into the template's"


def test_one_explicit_index_and_the_sources_of_this_build(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    tool = pyproject(project)["tool"]["uv"]
    (index,) = tool["index"]
    kept = saved(project)
    url = kept.get("mirror_url", "https://download.pytorch.org/whl/{accelerator}")
    assert index["name"] == "pytorch"
    assert index["url"] == url.replace("{accelerator}", kept["accelerator"])
    assert index["explicit"] is True
    assert index.get("format", "simple") == kept.get("mirror_format", "simple")
    source = [{"index": "pytorch", "marker": "sys_platform != 'darwin'"}]
    required = {Requirement(line).name for line in pyproject(project)["project"]["dependencies"]}
    packages = ["torch", *COMPANIONS, *(name for name in TABLE["triton"] if name in required)]
    assert tool["sources"] == dict.fromkeys(packages, source)
    assert tool["exclude-newer-package"] == dict.fromkeys(packages, False)


def test_python_version_is_within_requires_python(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    python = (project / ".python-version").read_text().strip()
    bounds = SpecifierSet(pyproject(project)["project"]["requires-python"])
    assert python == saved(project)["python_version"]
    assert sorted(bound.operator for bound in bounds) == ["<", ">="]
    assert f"{python}.0" in bounds


def test_module_knows_the_pin(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    module = ast.parse((project / "src/project/test_uv/constants.py").read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    kept = saved(project)
    assert constants["TORCH_VERSION"] == kept["torch_version"]
    assert constants["ACCELERATOR"] == kept["accelerator"]


def test_ruff_is_content_with_python_files(rendered: tuple[dict, Path]) -> None:
    """With ruff's own settings, and a few more rules than it has by default."""
    _, project = rendered
    ruff = Path(sys.executable).with_name("ruff")
    options = ["--isolated", "--no-cache"]
    run(ruff, "check", *options, "--extend-select=I,UP,B,SIM,PTH,RUF", project, cwd=project)
    run(ruff, "format", *options, "--check", project, cwd=project)


def test_license_names_its_holder(render: Render) -> None:
    assert "Ada" in (render("one", author_name="Ada") / "LICENSE").read_text()
    assert "two contributors" in (render("two", license="BSD-3-Clause") / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in (render("three", license="Apache-2.0") / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("answers", "requires", "environments", "requirements"),
    [
        ({"torch_version": "2.14.1"}, ">=3.12,<3.15", ["linux x86_64", "linux aarch64", "win32 AMD64", "darwin arm64"], ["torch==2.14.1", "numpy", "matplotlib"]),
        ({"torch_version": "2.14.1", "platforms": ["linux-x86_64"]}, ">=3.12,<3.16", ["linux x86_64"], ["torch==2.14.1", "numpy", "matplotlib"]),
        ({"torch_version": "2.14.1", "platforms": ["linux-x86_64"], "companions": ["torchaudio"]}, ">=3.12,<3.15", ["linux x86_64"], ["torch==2.14.1", "torchaudio==2.11.0", "numpy", "matplotlib"]),
        ({"python_version": "3.11", "torch_version": "2.1.0"}, ">=3.11,<3.12", ["linux x86_64", "linux aarch64", "win32 AMD64", "darwin arm64"], ["torch==2.1.0", "numpy<2", "matplotlib"]),
        ({"torch_version": "2.4.0"}, ">=3.12,<3.13", ["linux x86_64", "linux aarch64", "win32 AMD64", "darwin arm64"], ["torch==2.4.0", "numpy", 'numpy<2; sys_platform == "win32"', "matplotlib"]),
        ({"python_version": "3.13", "torch_version": "2.5.1"}, ">=3.13,<3.14", ["linux x86_64"], ["torch==2.5.1", "numpy", "matplotlib"]),
        ({"torch_version": "2.14.1", "accelerator": "cu126"}, ">=3.12,<3.15", ["linux x86_64", "win32 AMD64", "darwin arm64"], ["torch==2.14.1", "numpy", "matplotlib"]),
        ({"torch_version": "2.14.1", "accelerator": "cu130", "platforms": ["linux-aarch64"]}, ">=3.12,<3.16", ["linux aarch64"], ["torch==2.14.1", "numpy", "matplotlib"]),
        ({"torch_version": "2.14.1", "accelerator": "cu132"}, ">=3.12,<3.15", ["linux x86_64", "linux aarch64", "win32 AMD64", "darwin arm64"], ["torch==2.14.1", "numpy", "matplotlib"]),
        ({"accelerator": "cu129", "torch_version": "2.13.0"}, ">=3.12,<3.15", ["linux x86_64", "linux aarch64", "darwin arm64"], ["torch==2.13.0", "numpy", "matplotlib"]),
        ({"accelerator": "rocm6.2.4"}, ">=3.12,<3.14", ["linux x86_64", "darwin arm64"], ["torch==2.7.1", 'pytorch-triton-rocm; sys_platform != "darwin"', "numpy", "matplotlib"]),
        ({"torch_version": "2.14.1", "accelerator": "rocm7.2"}, ">=3.12,<3.15", ["linux x86_64", "darwin arm64"], ["torch==2.14.1", 'triton-rocm; sys_platform != "darwin"', "numpy", "matplotlib"]),
        ({"accelerator": "xpu", "torch_version": "2.12.1"}, ">=3.12,<3.15", ["linux x86_64", "win32 AMD64", "darwin arm64"], ["torch==2.12.1", 'triton-xpu; sys_platform != "darwin"', "numpy", "matplotlib"]),
        ({"torch_version": "2.2.2", "platforms": ["macos-x86_64"]}, ">=3.12,<3.13", ["darwin x86_64"], ["torch==2.2.2", "numpy<2", "matplotlib"]),
    ],
    ids=lambda value: ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)  # fmt: skip
def test_what_a_build_needs(
    answers: dict, requires: str, environments: list[str], requirements: list[str]
) -> None:
    table = tomllib.loads(printed("pyproject.toml", **answers))
    assert table["project"]["requires-python"] == requires
    markers = [marker.replace("'", "").split() for marker in table["tool"]["uv"]["environments"]]
    assert [f"{words[2]} {words[-1]}" for words in markers] == environments
    assert [str(Requirement(line)) for line in table["project"]["dependencies"]] == requirements


def test_several_builds_are_groups_that_conflict() -> None:
    """Each has its index, and the project's own comes last."""
    keys, version = ["cu130", "cpu", "xpu"], default_release("xpu")
    answers = {"torch_version": version, "accelerator": "cu130", "switch_to": ["cpu", "xpu"]}
    table = tomllib.loads(printed("pyproject.toml", **answers))
    torch, tool, elsewhere = f"torch=={version}", table["tool"]["uv"], "sys_platform != 'darwin'"
    triton = f"{TABLE['releases'][version]['triton']['xpu']}; {elsewhere}"
    groups = {key: [torch] for key in keys} | {"xpu": [torch, triton]}
    assert {key: table["dependency-groups"][key] for key in keys} == groups
    assert tool["conflicts"] == [[{"group": key} for key in keys]]
    assert tool["default-groups"] == ["cu130", "dev"]
    names = {"cpu": "pytorch-cpu", "xpu": "pytorch-xpu", "cu130": "pytorch"}
    assert tool["index"] == [
        {"name": name, "url": f"https://download.pytorch.org/whl/{key}", "explicit": True}
        for key, name in names.items()
    ]
    assert tool["sources"]["torch"] == [
        {"index": names[key], "group": key, "marker": elsewhere} for key in keys
    ]
    assert tool["sources"]["torchvision"] == [{"index": "pytorch", "marker": elsewhere}]  # not in a group
    assert tool["sources"][triton.partition(";")[0]] == [
        {"index": "pytorch-xpu", "group": "xpu", "marker": elsewhere}
    ]
    assert table["project"]["dependencies"] == ["numpy", "matplotlib"]


@pytest.mark.parametrize(
    ("answers", "other"),
    [
        ({"torch_version": "2.14.1"}, "cu126"),
        ({"torch_version": "2.14.1", "accelerator": "cu126"}, "cpu"),
        ({"torch_version": "2.14.1", "accelerator": "cu126", "switch_to": ["xpu"]}, "xpu"),
        ({"torch_version": "2.14.1", "platforms": ["linux-aarch64"]}, "cu130"),
        ({"torch_version": "2.14.1", "platforms": ["macos-arm64"]}, ""),
    ],
    ids=str,
)
def test_examples_name_another_accelerator_that_can_be_had(answers: dict, other: str) -> None:
    assert JINJA.get_template("rules/derived.jinja").make_module(context(**answers)).another == other


@pytest.mark.parametrize(
    ("answers", "index"),
    [
        ({}, {}),
        ({"pypi_mirror": "tuna"}, {"url": TABLE["pypi_mirrors"]["tuna"]["url"]}),
        ({"pypi_mirror": "custom", "pypi_mirror_url": "https://e.com/simple"}, {"url": "https://e.com/simple"}),
        ({"pypi_mirror": "custom", "pypi_mirror_url": "FOLDER"}, {"url": "FOLDER", "format": "flat"}),
    ],
    ids=["PyPI", "tuna", "simple", "flat"],
)  # fmt: skip
def test_the_index_in_place_of_pypi_comes_first(tmp_path: Path, answers: dict, index: dict) -> None:
    (tmp_path / "any.whl").touch()
    given, expected = (
        {key: text.replace("FOLDER", str(tmp_path)) for key, text in row.items()} for row in (answers, index)
    )
    tool = tomllib.loads(printed("pyproject.toml", **given, platforms=["linux-x86_64"]))["tool"]["uv"]
    assert tool["index"][:-1] == ([{"name": "pypi", "default": True} | expected] if expected else [])
    assert tool["index"][-1]["name"] == "pytorch"
    assert ("python-install-mirror" in tool) == (answers.get("pypi_mirror") == "tuna")


def test_gitignore_keeps_the_lock_and_leaves_out_what_is_made(render: Render) -> None:
    project = render()
    run("git", "init", "--quiet", cwd=project)
    made = [".venv/bin/python", "dist/project.whl", "src/project/__pycache__/x.pyc"]
    kept = [
        "uv.lock",
        "pyproject.toml.rej",
        ".python-version",
        ".copier-answers.yml",
        "src/project/test_uv/cli.py",
    ]
    ignored = run("git", "check-ignore", *made, *kept, cwd=project).stdout.splitlines()
    assert ignored == made


def test_readme_is_of_this_project(rendered: tuple[dict, Path]) -> None:
    _, project = rendered
    lines = (project / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# project"
    assert saved(project)["description"] in lines


@pytest.mark.parametrize(("torch", "said"), [("2.11.0", False), ("2.12.0", True)])
def test_oldest_macos_stands_beside_its_platform(torch: str, said: bool) -> None:
    text = printed("pyproject.toml", torch_version=torch)
    (line,) = (line for line in text.splitlines() if "platform_machine == 'arm64'" in line)
    assert line.endswith("# macOS 14 or newer") == said


# Any text without control characters, which questions refuse: core metadata holds these on one line.
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40)


@given(description=text, author_name=text)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_free_text_arrives_exactly(
    template: Path, tmp_path_factory, description: str, author_name: str
) -> None:
    project = tmp_path_factory.mktemp("text")
    data = {"description": description, "author_name": author_name, "project_name": "project"}
    run_copy(str(template), project, data=data, defaults=True, quiet=True, overwrite=True)
    table = pyproject(project)["project"]
    assert table["description"] == description
    assert [author["name"] for author in table.get("authors", [])] == ([author_name] if author_name else [])
    assert {name: saved(project)[name] for name in data} == data
