"""What can be answered, what is refused, and what a refusal says."""

import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from printed import macro
from reading import answers
from support import (
    NEWEST,
    PYTHONS,
    commit,
    copier,
    default_release,
    path_with_uv,
    questions,
    refusal,
    run,
    shell,
    uv,
)
from templates import as_repository, this_template

Render = Callable[..., Path]

CONTRACT = {
    "python_version": "3.12",
    "accelerator": "cpu",
    "torch_version": NEWEST,
    "switch_to": [],
    "companions": [],
    "platforms": ["linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64"],
    "mirror": "official",
    "details": False,
    "pypi_mirror": "official",
    "ci": "github",
    "container": "none",
    "language": "en",
    "license": "MIT",
}


IDENTITY = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
}


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
        ({"companions": ["torchcodec"], "accelerator": "rocm7.2"}, ["torchcodec 0.16.0 has no rocm7.2 wheels", "accelerator=cpu"]),
        ({"companions": ["torchcodec"], "torch_version": "2.5.1"}, ["no torchcodec is known to fit torch 2.5.1", f"torch_version={NEWEST}"]),
        ({"companions": ["torchcodec"], "accelerator": "cu132", "torch_version": "2.14.1", "platforms": ["windows-x86_64"]}, ["add linux-x86_64 or leave torchcodec out of companions: windows-x86_64 has no cu132 wheels of torch 2.14.1 with torchcodec for Python 3.12"]),
        ({"companions": ["torchaudio"], "python_version": "3.15", "torch_version": "2.14.1"}, ["torchaudio 2.11.0 has no cpu wheels for Python 3.15", "python_version=3.14"]),
        ({"platforms": ["macos-x86_64"]}, ["macos-x86_64 ends with torch 2.2.2", "torch_version=2.2.2"]),
        ({"platforms": []}, ["no platform", "add linux-x86_64"]),
        ({"platforms": ["solaris"]}, ["platforms", "'solaris'", "'linux-x86_64'"]),
        ({"platforms": ["windows-x86_64", "macos-arm64"], "accelerator": "rocm7.2"}, ["add linux-x86_64: windows-x86_64 and macos-arm64 have no rocm7.2 wheels"]),
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


# What is not asked --------------------------------------------------------------------------------------------

UNASKED = {
    "torch_version": "2.13.0",
    "pypi_mirror": "custom",
    "pypi_mirror_url": "https://example.com/simple",
    "switch_to": ["cu126", "xpu"],
    "companions": ["torchvision"],
    "platforms": ["linux-x86_64"],
    "ci": "gitlab",
    "container": "docker",
    "language": "zh",
    "license": "Apache-2.0",
    "description": "Something else",
    "author_name": "Ada",
    "author_email": "ada@example.com",
}
"""An answer that is not the default for each question behind `details`."""


def test_the_answers_are_for_every_question_behind_details() -> None:
    names = list(questions())
    assert set(UNASKED) == set(names[names.index("details") + 1 :])


def test_data_answers_what_is_not_asked(template: Path, tmp_path: Path) -> None:
    """On the command line, one option each, and it is stored."""
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in UNASKED.items()}
    data = [f"--data={name}={word}" for name, word in words.items()]
    copier("copy", "--defaults", *data, template, "project", cwd=tmp_path)
    saved = answers(tmp_path / "project")
    assert {name: saved[name] for name in UNASKED} == UNASKED
    assert saved["details"] is False


def test_the_default_description_is_in_the_language_of_the_readme(render: Render) -> None:
    assert answers(render("en"))["description"] == "A PyTorch project"
    assert answers(render("zh", language="zh"))["description"] == "使用 PyTorch 的项目"


# URLs ---------------------------------------------------------------------------------------------------------

URLS = [
    "https://example.com/whl",
    "http://example.com",
    "https://my_host.example/whl",
    "https://example.com./whl",
    "https://xn--bcher-kva.example/whl",
    "https://bücher.example/whl",
    "https://example.com/轮/whl",
    "http://localhost:8080/whl",
    "http://10.0.0.1/whl",
    "http://[::1]:8080/whl",
    "http://[2001:db8::7]/whl",
    "http://[1:2:3:4:5:6:7:8]/whl",
    "http://[::ffff:10.0.0.1]/whl",
    "https://example.com:65535/whl",
    "https://example.com/whl?token=1&x=%20",
    "https://example.com?token=1",
    "https://example.com/~me/a@b/(1)/",
]
NO_URLS = [  # and whether uv refuses them too
    ("https://example.com:65536/whl", True),
    ("https://example.com:http/whl", True),
    ("http://1.2.3.4.5/whl", True),
    ("http://1.2.3.256/whl", True),
    ("http://1.2.3.08/whl", True),
    ("http://example.1/whl", True),
    ("http://example.0x1f/whl", True),
    ("http://[::g]/whl", True),
    ("http://[1:2]/whl", True),
    ("http://[1:2:3:4:5:6:7:8:9]/whl", True),
    ("http://[1::2::3]/whl", True),
    ("http://[fe80::1%25eth0]/whl", True),
    ("https://exa mple.com/whl", True),
    ("https://", True),
    ("HTTP://example.com/whl", False),  # a path, for uv
    ("https:/example.com/whl", False),
    ("ftp://example.com/whl", False),
    ("example.com/whl", False),
    ("https://example.com/a b", False),
    ("https://example.com/whl#here", False),
    ('https://example.com/"', False),
    ("https://example.com/a\\b", False),
    ("https://example.com/\n", False),
]


def indexes(project: Path) -> list[str]:
    tool = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    return [index["url"] for index in tool["index"]]


def lock(project: Path) -> str:
    """What uv says when it is to lock without a network."""
    return uv("lock", "--offline", cwd=project, check=False).stderr


@pytest.mark.parametrize("url", URLS)
def test_what_uv_takes_for_a_url_is_no_problem(url: str) -> None:
    for index in "pytorch", "pypi":
        assert macro("mirrors", "url_problem", url, index, "") == ""


@pytest.mark.parametrize("url", URLS)
def test_what_uv_takes_for_a_url_is_rendered_exactly(render: Render, url: str) -> None:
    project = render(mirror="custom", mirror_url=url, pypi_mirror="custom", pypi_mirror_url=url)
    assert indexes(project) == [url, url]
    assert "TOML parse error" not in lock(project)


@pytest.mark.parametrize("url", [url for url, _ in NO_URLS])
def test_what_is_no_url_is_refused(url: str) -> None:
    for index, example in {"pytorch": "whl/{accelerator}", "pypi": "simple"}.items():
        reason = macro("mirrors", "url_problem", url, index, example)
        assert reason.startswith(f"use https://example.com/{example} or /srv/wheels: ")


@pytest.mark.parametrize(("url", "uv_refuses"), NO_URLS)
def test_what_uv_says_of_it(render: Render, url: str, uv_refuses: bool) -> None:
    project = render(mirror="custom", mirror_url="https://example.com/whl")
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace('"https://example.com/whl"', json.dumps(url)))
    assert indexes(project)[0] == url
    assert ("TOML parse error" in lock(project)) == uv_refuses


@pytest.mark.parametrize("url", ["https://me:secret@example.com/whl", "https://me@example.com", "http://:secret@[::1]/whl"])  # fmt: skip
def test_credentials_are_refused_and_not_repeated(url: str) -> None:
    for index in "pytorch", "pypi":
        reason = macro("mirrors", "url_problem", url, index, "simple")
        variables = f"UV_INDEX_{index.upper()}_USERNAME and UV_INDEX_{index.upper()}_PASSWORD"
        assert reason.startswith(f"leave the password out and use {variables}, keyring or netrc: ")
        assert "secret" not in reason


# On a terminal of 80 columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"project_name": "a b"}, "use a name like a-b:"),
        ({"project_name": "torch"}, "use torch-project:"),
        ({"project_name": "x" * 65}, "use at most 64 characters:"),
        ({"mirror": "custom", "mirror_url": "x"}, "use https://example.com/"),
        ({"mirror": "custom", "mirror_url": "https://a@b"}, "leave the password out "),
        ({"pypi_mirror": "custom", "pypi_mirror_url": "x"}, "use https://example.com/"),
        ({"pypi_mirror": "custom", "pypi_mirror_url": "https://a@b"}, "leave the password "),
        ({"mirror": "custom", "mirror_url": "https://example.com", "switch_to": ["cu126"]}, "use switch_to=[] or "),
        ({"platforms": []}, "add linux-x86_64 "),
        ({"platforms": ["windows-x86_64"], "ci": "gitlab"}, "use ci=github or add linux-x86_64"),
        ({"description": "a\nb"}, "use one line of text:"),
        ({"author_name": "a\nb"}, "use one line of text:"),
        ({"author_email": "a"}, "use one like me@example.com:"),
    ],
    ids=lambda value: list(value)[-1] if isinstance(value, dict) else "",
)  # fmt: skip
def test_the_remedy_of_what_is_typed_comes_first(render: Render, given: dict, remedy: str) -> None:
    """Copier's own words take up to 46 columns of the line."""
    prefix, _, shown = refusal(render, **given)[:75].partition(": ")
    assert prefix.startswith("Validation error for question '")
    assert shown.startswith(remedy)


# Into a folder that holds something ---------------------------------------------------------------------------


def test_a_project_of_others_is_not_overwritten(template: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/pyproject.toml").write_text("[project]\n")
    done = copier("copy", "--defaults", template, "theirs", cwd=tmp_path, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ValueError: Validation error for question 'project_name': use an empty folder: ")
    assert "nothing was written" in last
    assert "--overwrite" in last
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["pyproject.toml"]
    assert (tmp_path / "theirs/pyproject.toml").read_text() == "[project]\n"
    copier("copy", "--defaults", "--overwrite", template, "theirs", cwd=tmp_path)
    assert answers(tmp_path / "theirs")["project_name"] == "theirs"
    assert 'name = "theirs"' in (tmp_path / "theirs/pyproject.toml").read_text()


@pytest.mark.parametrize("folder", ["empty", "a[1]"])
def test_a_folder_without_a_project_is_fine(template: Path, tmp_path: Path, folder: str) -> None:
    """A pyproject.toml elsewhere, above it too, is none of it."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "notes.txt").touch()
    for place in (tmp_path, tmp_path / "a1"):
        place.mkdir(exist_ok=True)
        (place / "pyproject.toml").touch()
    copier("copy", "--defaults", template, folder, cwd=tmp_path)
    assert (tmp_path / folder / "pyproject.toml").stat().st_size


@pytest.mark.parametrize("folder", ["project", "a[1]"])
def test_a_project_of_the_template_can_be_copied_over(template: Path, render: Render, folder: str) -> None:
    project = render(folder, accelerator="cu126")
    copier("recopy", "--defaults", "--overwrite", cwd=project)
    copier("copy", "--defaults", "--overwrite", "--data=ci=none", template, ".", cwd=project)
    assert answers(project)["accelerator"] == "cu126"
    assert answers(project)["ci"] == "none"
    assert answers(project)["project_name"] == {"project": "project", "a[1]": "a-1"}[folder]


# Messages -----------------------------------------------------------------------------------------------------

COMMANDS = [
    "git init --initial-branch main",
    "uv sync ",
    'git add . && git commit --message "Start from torch-uv-template"',
    "uv run test-uv ",
    "uv run pytest",
]


def latin_words(text: str) -> set[str]:
    """Words of Latin letters that stand in a line with Chinese, commands in backquotes left out."""
    lines = (re.sub("`[^`]*`", "", line).partition("#")[0] for line in text.splitlines())
    return {word for line in lines if re.search("[一-鿿]", line) for word in re.findall("[A-Za-z]{2,}", line)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local clone of the template with a version."""
    return as_repository(this_template(tmp_path_factory.mktemp("clone") / "template"))


def test_messages_are_in_the_language_of_the_readme(clone: Path, tmp_path: Path) -> None:
    """After a copy and an update: the same commands, in sentences of one language alone."""
    project = tmp_path / "we ird"
    given = [
        "--data=language=zh",
        "--data=accelerator=rocm7.2",
        "--data=mirror=nju",
        "--data=switch_to=[xpu]",
    ]
    said = copier("copy", "--defaults", *given, clone, project, cwd=tmp_path).stderr
    message = said[said.index("we-ird 已生成：") :]
    names = {
        "torch",
        "ROCm",
        "Python",
        "PyTorch",
        "we",
        "ird",
        "rocm",
        "uv",
        "UV",
        "HTTP",
        "TIMEOUT",
        "sync",
        "git",
        "GitHub",
    }
    names |= {"linux", "windows", "macos", "aarch", "arm", "reset", "hard", "clean", "force"}
    assert latin_words(message) <= names
    assert all(command in message for command in COMMANDS)
    assert "uv sync --no-group rocm7.2 --group xpu" in message
    assert "目录名 we ird 不能用作项目名" in message
    assert "未列入：linux-aarch64、" in message
    commit(project)
    said = copier("update", "--defaults", "--data=ci=none", "--vcs-ref=:current:", cwd=project).stderr
    message = said[said.index("we-ird 现在是 ") :]
    assert "ci: github -> none" in message
    names |= {"ci", "CI", "none", "github", "test"}
    assert latin_words(message) <= names
    for command in (
        "git status ",
        "git diff ",
        "uv sync ",
        "uv run test-uv",
        "git reset --hard && git clean --force -d",
    ):
        assert command in message


def test_the_message_after_a_copy_is_english_by_default(clone: Path, tmp_path: Path) -> None:
    said = copier("copy", "--defaults", clone, "project", cwd=tmp_path).stderr
    assert all(command in said for command in COMMANDS)
    assert not re.search("[一-鿿]", said)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for uvx is a shell script")
def test_a_project_from_a_clone_can_be_made_to_update_anywhere(clone: Path, tmp_path: Path) -> None:
    """By the commands of the message; another machine has the clone in another place."""
    said = copier("copy", "--defaults", clone, "my project", cwd=tmp_path).stderr
    assert "The project comes from this clone" in said
    script = "git config" + said.rpartition("git config")[2]
    assert str(clone) in script
    shutil.rmtree(tmp_path / "my project")
    here = {"GIT_CONFIG_GLOBAL": str(tmp_path / "here.gitconfig"), **IDENTITY}
    (tmp_path / "bin").mkdir()
    uvx = tmp_path / "bin/uvx"  # `uvx copier` is the Copier of the tests
    uvx.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -m copier "$@"\n')
    uvx.chmod(0o755)
    place = {"PATH": os.pathsep.join([str(uvx.parent), path_with_uv()])}
    shell(script.replace("copier copy", "copier copy --defaults"), tmp_path, **here, **place)
    project = tmp_path / "my project"
    assert answers(project)["_src_path"] == "gh:org/torch-uv-template"
    assert answers(project)["_commit"] == "0.1.0"
    commit(project)

    elsewhere = shutil.copytree(clone, tmp_path / "elsewhere")
    (elsewhere / "CHANGELOG.md").touch()
    (elsewhere / "template/new.txt").write_text("new\n")
    as_repository(elsewhere, "0.2.0")
    there = {"GIT_CONFIG_GLOBAL": str(tmp_path / "there.gitconfig"), **IDENTITY}
    url = "https://github.com/org/torch-uv-template.git"
    run("git", "config", "--global", f"url.{elsewhere}.insteadOf", url, cwd=tmp_path, **there)
    run(sys.executable, "-m", "copier", "update", "--defaults", cwd=project, **there)
    assert answers(project)["_commit"] == "0.2.0"
    assert (project / "new.txt").read_text() == "new\n"


def test_a_project_from_github_is_told_nothing_of_clones(clone: Path, tmp_path: Path) -> None:
    there = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}
    run(
        "git",
        "config",
        "--global",
        f"url.{clone}.insteadOf",
        "https://github.com/org/torch-uv-template.git",
        cwd=tmp_path,
        **there,
    )
    source = "gh:org/torch-uv-template"
    said = run(
        sys.executable, "-m", "copier", "copy", "--defaults", source, "project", cwd=tmp_path, **there
    ).stderr
    assert "uv run pytest" in said
    assert "clone" not in said
