"""The questionnaire as people meet it: in a terminal, answered by keyboard."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support import NEWEST, commit, environment, questions, run
from templates import as_repository

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals", allow_module_level=True)

from terminal import DOWN, ENTER, INTERRUPT, SPACE, UP, Terminal

Start = Callable[..., Terminal]

COPY = [sys.executable, "-m", "copier", "copy"]
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
QUESTIONS = {name: question["help"].splitlines() for name, question in questions().items()}
LAST = "author_email"


@pytest.fixture
def start(template: Path, tmp_path: Path) -> Start:
    """Start `copier copy` into the folder myproj, on a terminal of a given size."""

    def start(*options: str, columns: int = 80, rows: int = 24) -> Terminal:
        command = [*COPY, *options, template, "myproj"]
        return Terminal(command, tmp_path, environment(), columns=columns, rows=rows)

    return start


def all_but(*names: str) -> list[str]:
    """Options that answer every other question, for those that a test is not about."""
    words = {
        "python_version": "3.13",
        "accelerator": "cpu",
        "torch_version": NEWEST,
        "mirror": "official",
        "pypi_mirror": "official",
        "switch_to": "[]",
        "companions": "[]",
        "platforms": '["linux-x86_64"]',
        "ci": "none",
        "language": "en",
        "license": "none",
        "description": "A test",
        "author_name": "Ada",
        "author_email": "ada@example.com",
    }
    return [f"--data={name}={word}" for name, word in words.items() if name not in names]


def lowest(terminal: Terminal) -> str:
    """Return the name of the lowest question on the screen, which is the one that is open, or nothing."""
    for line in reversed(terminal.lines):
        for name, (first, *_) in QUESTIONS.items():
            if line.endswith(first):
                return name
    return ""


def asked(terminal: Terminal) -> str:
    """Wait for a question; return its name."""
    terminal.wait(lambda: lowest(terminal) != "")
    terminal.settle()
    return lowest(terminal)


def answer(terminal: Terminal, question: str, *keys: str, refused: bool = False) -> None:
    """Wait for a question, press keys, and Enter at the end; unless it is refused, wait for what follows."""
    terminal.wait(lambda: lowest(terminal) == question)
    terminal.settle()
    terminal.press(*keys, ENTER)
    if not refused:
        terminal.wait(lambda: terminal.status is not None or lowest(terminal) != question)


def accept_until(terminal: Terminal, question: str) -> None:
    """Answer every question before this one by Enter."""
    while (name := asked(terminal)) != question:
        answer(terminal, name)


def answers(project: Path) -> dict[str, object]:
    return yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))


def test_a_size_too_small_for_a_question_would_be_seen(start: Start) -> None:
    """The check of whole lines below can fail: 60 columns cut a label off."""
    terminal = start(*all_but("accelerator"), columns=60)
    accept_until(terminal, "accelerator")
    assert not shows(terminal, "CUDA 12.6, Maxwell to Hopper, driver 525.60.13+ (Windows 528.33+)")


def shows(terminal: Terminal, text: str) -> bool:
    return any(text in line for line in terminal.lines)


@pytest.mark.parametrize("size", SIZES)
def test_enter_alone_gives_the_defaults(
    start: Start, render: Callable[..., Path], tmp_path: Path, size: str
) -> None:
    """Every question is read in full with its default on the way."""
    columns, rows = SIZES[size]
    terminal = start(columns=columns, rows=rows)
    seen = []
    while True:
        name = asked(terminal)
        seen.append(name)
        for line in QUESTIONS[name]:
            assert shows(terminal, line.strip()), (name, line)
        if name == "accelerator":
            for line in (
                "cpu       CPU, any machine; Apple GPUs through MPS on macOS",
                "cu126     CUDA 12.6, Maxwell to Hopper, driver 525.60.13+ (Windows 528.33+)",
                "xpu       XPU, Intel GPUs on Linux and Windows",
            ):
                assert shows(terminal, line)
        answer(terminal, name)
        if name == LAST:
            break
    assert terminal.end() == 0
    not_asked = {"mirror_url", "mirror_format", "pypi_mirror_url"}
    assert [*seen] == [name for name in QUESTIONS if name not in not_asked]
    assert shows(terminal, f"myproj is ready: torch {NEWEST} for CPU on Python 3.12. Next:")
    assert [line for line in terminal.lines if len(line) >= columns] == []
    expected = render("defaults/myproj")
    found = {path.relative_to(expected): path.read_bytes() for path in expected.rglob("*") if path.is_file()}
    assert found == {
        path.relative_to(tmp_path / "myproj"): path.read_bytes()
        for path in (tmp_path / "myproj").rglob("*")
        if path.is_file()
    }


def test_keys_choose(start: Start, tmp_path: Path) -> None:
    """Arrows pass over what is disabled; Space marks several answers."""
    terminal = start()
    accept_until(terminal, "python_version")
    answer(terminal, "python_version", DOWN, DOWN)
    accept_until(terminal, "accelerator")
    for accelerator in ("cu118", "cu121", "cu124"):
        assert shows(terminal, f"- {accelerator} ({accelerator} has no wheels for Python 3.14: use")
    answer(terminal, "accelerator", DOWN, DOWN, UP)  # cu118 to cu124 cannot be reached
    accept_until(terminal, "switch_to")
    assert shows(terminal, "- cu126 (cu126 is the project's accelerator")
    answer(terminal, "switch_to", SPACE, DOWN, SPACE)
    accept_until(terminal, "companions")
    answer(terminal, "companions", SPACE)
    accept_until(terminal, "platforms")
    assert shows(terminal, "- macos-x86_64   (Intel Macs end with torch 2.2.2")
    answer(terminal, "platforms", DOWN, SPACE)
    accept_until(terminal, LAST)
    terminal.press(ENTER)
    assert terminal.end() == 0
    chosen = answers(tmp_path / "myproj")
    assert chosen["python_version"] == "3.14"
    assert chosen["accelerator"] == "cu126"
    assert chosen["switch_to"] == ["cpu", "cu130"]
    assert chosen["companions"] == ["torchvision"]
    assert chosen["platforms"] == ["linux-x86_64", "windows-x86_64", "macos-arm64"]


def test_a_refused_text_can_be_mended(start: Start, tmp_path: Path) -> None:
    terminal = start(*all_but(LAST))
    answer(terminal, "project_name", "/..", refused=True)
    terminal.wait('"myproj/.." is no project name')
    terminal.press("\x7f", "\x7f", "\x7f", "-2", ENTER)
    answer(terminal, LAST, "nobody", refused=True)
    terminal.wait('"nobody" is no e-mail address')
    terminal.press("@example.com", ENTER)
    assert terminal.end() == 0
    chosen = answers(tmp_path / "myproj")
    assert chosen["project_name"] == "myproj-2"
    assert chosen["author_email"] == "nobody@example.com"


@pytest.mark.parametrize("question", ["project_name", "accelerator", "platforms", LAST])
def test_interrupted_it_leaves_nothing_behind(start: Start, tmp_path: Path, question: str) -> None:
    terminal = start(*all_but("project_name", "accelerator", "platforms", LAST))
    before = set(tmp_path.iterdir())
    accept_until(terminal, question)
    terminal.press(INTERRUPT)
    assert terminal.end() != 0
    assert shows(terminal, "Execution stopped by user")
    assert not shows(terminal, "Traceback")
    assert set(tmp_path.iterdir()) == before


def test_interrupted_update_leaves_the_project_as_it_is(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template, tmp_path / "template")
    as_repository(tmp_path / "template")
    project = tmp_path / "myproj"
    run(*COPY, "--defaults", "--quiet", tmp_path / "template", project, cwd=tmp_path)
    commit(project)
    update = [sys.executable, "-m", "copier", "update", "--vcs-ref=:current:"]
    terminal = Terminal(update, project, environment())
    accept_until(terminal, "accelerator")
    terminal.press(DOWN, INTERRUPT)
    assert terminal.end() != 0
    assert not shows(terminal, "Traceback")
    assert run("git", "status", "--porcelain", "--ignored", cwd=project).stdout == ""
