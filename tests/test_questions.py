"""What can be answered, what is refused, and what a refusal says."""

import keyword
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support import NEWEST, PYTHONS, TABLE, copier, default_release, refusal

Render = Callable[..., Path]

CONTRACT = {
    "python_version": "3.12",
    "accelerator": "cpu",
    "torch_version": NEWEST,
    "switch_to": [],
    "companions": [],
    "platforms": ["linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64"],
    "mirror": "official",
    "pypi_mirror": "official",
    "ci": "github",
    "language": "en",
    "license": "MIT",
}


def answers(project: Path) -> dict[str, object]:
    return yaml.safe_load((project / ".copier-answers.yml").read_text())


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path):
    yield
    assert not (tmp_path / "refused").exists()


def test_defaults_are_the_contract(render: Render) -> None:
    project = render("my-project")
    saved = answers(project)
    assert {name: saved[name] for name in CONTRACT} == CONTRACT
    assert saved["project_name"] == "my-project"


def test_answers_file_holds_no_derived_value(render: Render) -> None:
    saved = set(answers(render(mirror="custom", mirror_url="https://example.com/whl")))
    asked = {
        *CONTRACT,
        "project_name",
        "description",
        "author_name",
        "author_email",
        "mirror_url",
        "mirror_format",
    }
    assert saved == asked | {"_src_path"}


@pytest.mark.parametrize("folder", ["a b", "测试", "torch", "-x"])
def test_folder_that_is_no_name_gives_the_default_name(render: Render, folder: str) -> None:
    assert answers(render(folder))["project_name"] == "torch-project"


@pytest.mark.parametrize(
    "name", ["", "-x", "x-", "a b", "测试", "a" * 200, '"quoted"', "it's", "a\nb", "a\n", "a/b", "é"]
)
def test_names_that_are_no_project_name_are_refused(render: Render, name: str) -> None:
    message = refusal(render, project_name=name)
    assert message.startswith("Validation error for question 'project_name': ")
    assert "use" in message


@pytest.mark.parametrize(
    "name", ["torch", "numpy", "matplotlib", "test", "Torch", "pytest", "NUL", "typing-extensions"]
)
def test_names_that_would_hide_a_module_are_refused(render: Render, name: str) -> None:
    assert f"for example {name}-project" in refusal(render, project_name=name)


def test_no_module_of_this_python_can_be_hidden() -> None:
    names = {name.lower() for name in [*sys.stdlib_module_names, *keyword.kwlist] if not name.startswith("_")}
    assert names <= set(TABLE["reserved_names"])


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("my-project", "my_project"),
        ("My.Project", "my_project"),
        ("a--b", "a_b"),
        ("3d-net", "_3d_net"),
        ("x", "x"),
    ],
)
def test_package_name(render: Render, name: str, package: str) -> None:
    assert (render(project_name=name) / "src" / package / "test_uv.py").is_file()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"python_version": "2.7"}, ["python_version", "'2.7'", "'3.12'"]),
        ({"python_version": 3.1}, ["python_version", "'3.1'", "'3.10'"]),
        ({"accelerator": "cu999"}, ["accelerator", "'cu999'", "'cu130'"]),
        ({"accelerator": "cu124", "python_version": "3.14"}, ["'accelerator'", "cu124", "Python 3.14", "accelerator=cu126 or python_version=3.13"]),
        ({"torch_version": "1.13.1"}, ["torch_version", "'1.13.1'", f"'{NEWEST}'"]),
        ({"torch_version": "2.1.0"}, ["torch 2.1.0", "Python 3.12", f"torch_version={NEWEST} or python_version=3.11"]),
        ({"accelerator": "cu118", "torch_version": "2.14.1"}, ["torch 2.14.1 has no cu118 build: use torch_version=2.7.1 or accelerator=cu126"]),
        ({"accelerator": "cu130", "torch_version": "2.7.1"}, [f"torch 2.7.1 has no cu130 build: use torch_version={default_release('cu130')} or accelerator=cu128"]),
        ({"accelerator": "cu129", "torch_version": "2.12.0"}, [f"torch 2.12.0 has no cu129 build: use torch_version={default_release('cu129')} or accelerator=cu130"]),
        ({"companions": ["torchtext"]}, ["companions", "'torchtext'", "'torchvision'"]),
        ({"companions": ["torchaudio"], "accelerator": "cu132", "torch_version": "2.14.1"}, ["torchaudio 2.11.0 has no cu132 wheels", "accelerator=cu130"]),
        ({"companions": ["torchaudio"], "python_version": "3.15", "torch_version": "2.14.1"}, ["torchaudio 2.11.0 has no cpu wheels for Python 3.15", "python_version=3.14"]),
        ({"platforms": ["macos-x86_64"]}, ["macos-x86_64 ends with torch 2.2.2", "torch_version=2.2.2"]),
        ({"platforms": []}, ["no platform", "add linux-x86_64"]),
        ({"platforms": ["solaris"]}, ["platforms", "'solaris'", "'linux-x86_64'"]),
        ({"platforms": ["windows-x86_64", "macos-arm64"], "accelerator": "rocm7.2"}, ["windows-x86_64, macos-arm64: there are no rocm7.2 wheels", "add linux-x86_64"]),
        ({"mirror": "nowhere"}, ["mirror", "'nowhere'", "'official'"]),
        ({"mirror": "custom"}, ["mirror_url", "https://example.com/whl/{accelerator}"]),
        ({"mirror": "custom", "mirror_url": "wheels"}, ["mirror_url", '"wheels"', "/srv/wheels"]),
        ({"mirror": "custom", "mirror_url": "/no/such/folder"}, ["mirror_url", "/no/such/folder"]),
        ({"mirror": "custom", "mirror_url": "ftp://example.com"}, ["mirror_url", "ftp://example.com"]),
        ({"mirror": "custom", "mirror_url": "https://me:secret@example.com/whl"}, ["UV_INDEX_PYTORCH_USERNAME"]),
        ({"pypi_mirror": "nowhere"}, ["pypi_mirror", "'nowhere'", "'official'"]),
        ({"pypi_mirror": "custom"}, ["pypi_mirror_url", "https://example.com/simple"]),
        ({"pypi_mirror": "custom", "pypi_mirror_url": "https://me@example.com"}, ["UV_INDEX_PYPI_USERNAME"]),
        ({"license": "GPL"}, ["license", "'GPL'", "'MIT'"]),
        ({"description": "two\nlines"}, ["description", "one line"]),
        ({"author_email": "nobody"}, ["author_email", '"nobody"', "me@example.com"]),
    ],
    ids=lambda value: ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)  # fmt: skip
def test_refusal_names_the_question_the_value_and_the_way_out(
    render: Render, given: dict[str, object], says: list[str]
) -> None:
    message = refusal(render, **given)
    assert all(word in message for word in says), message
    assert "secret" not in message


def test_refusal_on_the_command_line_ends_with_the_reason(template: Path, tmp_path: Path) -> None:
    data = ["--data=accelerator=cu118", "--data=torch_version=2.14.1"]
    done = copier("copy", "--defaults", *data, template, "refused", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("use torch_version=2.7.1 or accelerator=cu126")


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_has_a_default(render: Render, python: str) -> None:
    assert answers(render(python_version=python))["python_version"] == python


def test_an_answer_on_the_way_out_is_accepted(render: Render) -> None:
    assert answers(render("one", accelerator="cu118"))["torch_version"] == "2.7.1"
    assert answers(render("two", accelerator="cu126", torch_version="2.13.0"))["accelerator"] == "cu126"


def test_folder_of_wheels_is_a_flat_mirror_and_a_folder_of_pages_a_simple_one(
    render: Render, tmp_path: Path
) -> None:
    (tmp_path / "flat/cpu").mkdir(parents=True)
    (tmp_path / f"flat/cpu/torch-{NEWEST}+cpu-cp312-cp312-win_amd64.whl").touch()
    (tmp_path / "simple/torch").mkdir(parents=True)
    (tmp_path / "simple/torch/index.html").touch()
    flat = answers(render("one", mirror="custom", mirror_url=f"{tmp_path}/flat/{{accelerator}}"))
    assert flat["mirror_format"] == "flat"
    # No Python beyond those of the wheels at hand, for which uv could not lock.
    assert 'requires-python = ">=3.12,<3.13"' in (tmp_path / "one/pyproject.toml").read_text().splitlines()
    assert flat["mirror_url"] == f"{tmp_path}/flat/{{accelerator}}"
    assert (
        answers(render("two", mirror="custom", mirror_url=f"{tmp_path}/simple"))["mirror_format"] == "simple"
    )
