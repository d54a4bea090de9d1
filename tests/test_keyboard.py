"""The questionnaire as people meet it: in a terminal, answered by keyboard."""

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from copier import run_copy
from reading import answers
from support import (
    ACCELERATORS,
    NEWEST,
    PYTHONS,
    TABLE,
    change_table,
    commit,
    environment,
    questions,
    run,
    sampled,
)
from templates import as_repository, this_template

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals", allow_module_level=True)

from terminal import DOWN, ENTER, INTERRUPT, SPACE, UP, Terminal

Start = Callable[..., Terminal]

COPY = [sys.executable, "-m", "copier", "copy"]
UPDATE = [sys.executable, "-m", "copier", "update"]
CONTRACT_PLATFORMS = ["linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64"]
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
QUESTIONS = {name: question["help"].splitlines()[0] for name, question in questions().items()}
FIRST = ["project_name", "python_version", "accelerator", "mirror", "details"]
URLS = {"mirror_url", "mirror_format", "pypi_mirror_url"}  # asked of those who choose custom
LAST = "author_email"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as on a machine of which nothing is known, whatever this one has."""
    template = this_template(tmp_path_factory.mktemp("keyboard") / "template")
    change_table(template, lambda table: table.update(machine={name: [] for name in table["machine"]}))
    return template


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
        "details": "true",
        "pypi_mirror": "official",
        "switch_to": "[]",
        "companions": "[]",
        "platforms": '["linux-x86_64"]',
        "ci": "none",
        "container": "none",
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
        for name, first in QUESTIONS.items():
            if first in line:
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


def open_details(terminal: Terminal) -> None:
    """Answer the question for details by yes, which takes one key."""
    terminal.wait(lambda: lowest(terminal) == "details")
    terminal.settle()
    terminal.send("y")
    terminal.wait(lambda: lowest(terminal) != "details")


def accept_until(terminal: Terminal, question: str) -> None:
    """Answer every question before this one by Enter."""
    while (name := asked(terminal)) != question:
        answer(terminal, name)


def test_a_size_too_small_for_a_question_would_be_seen(start: Start) -> None:
    """The check of whole lines below can fail: 60 columns cut a label off."""
    terminal = start("--data=project_name=myproj", *all_but("accelerator"), columns=60)
    terminal.wait("Which accelerator?")
    terminal.wait("cu126 ")
    assert shows(terminal, "cu126     GTX 900 to RTX 40, P100 to H100; driver 525+")
    assert not shows(terminal, f"cu126     GTX 900 to RTX 40, P100 to H100; driver 525+; torch {NEWEST}")


def shows(terminal: Terminal, text: str) -> bool:
    return any(text in line for line in terminal.lines)


def files(project: Path) -> dict[Path, bytes]:
    return {path.relative_to(project): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def choices(question: str) -> list[str]:
    """What an open question has to show: how its choices begin."""
    fixed = {
        "python_version": PYTHONS,
        "accelerator": ACCELERATORS,
        "mirror": [*TABLE["mirrors"], "custom"],
        "pypi_mirror": ["official", *TABLE["pypi_mirrors"], "custom"],
        "switch_to": ACCELERATORS,
        "companions": ["torchvision", "torchaudio"],
        "platforms": TABLE["platforms"],
        "ci": ["github", "gitlab", "none"],
        "container": ["none", "docker"],
        "language": ["English", "中文"],
        "license": ["MIT", "Apache-2.0", "BSD-3-Clause", "none"],
    }
    return list(fixed.get(question, []))


@pytest.mark.parametrize(
    ("size", "details"), sampled([(size, details) for size in SIZES for details in (True, False)], 3)
)
def test_enter_alone_gives_the_defaults(
    start: Start, template: Path, tmp_path: Path, size: str, details: bool
) -> None:
    """Five questions, or all of them; each with all that can be chosen on the screen."""
    columns, rows = SIZES[size]
    terminal = start(columns=columns, rows=rows)
    seen = []
    last = LAST if details else "details"
    while last not in seen:
        name = asked(terminal)
        seen.append(name)
        options = [line.lstrip(" »●○-") for line in terminal.lines]
        assert [word for word in choices(name) if not any(line.startswith(word) for line in options)] == []
        if name == "details" and details:
            open_details(terminal)
        else:
            answer(terminal, name)
    assert terminal.end() == 0
    assert seen == ([name for name in QUESTIONS if name not in URLS] if details else FIRST)
    assert shows(terminal, f"myproj is ready: torch {NEWEST} for CPU on Python 3.12. Next:")
    message = "\n".join(terminal.all_lines).partition(" is ready")[2].partition("url.")[0]
    assert "\n    uv run pytest\n" in message
    assert [line for line in message.splitlines() if len(line) >= columns] == []
    expected = tmp_path / "defaults/myproj"
    run_copy(str(template), expected, data={"details": details}, defaults=True, quiet=True, unsafe=False)
    assert files(tmp_path / "myproj") == files(expected)


def test_keys_choose(start: Start, tmp_path: Path) -> None:
    """Arrows pass over what is disabled; Space marks several answers."""
    terminal = start()
    accept_until(terminal, "python_version")
    answer(terminal, "python_version", DOWN, DOWN)
    accept_until(terminal, "accelerator")
    for accelerator in ("cu118", "cu121", "cu124"):
        assert shows(terminal, f"- {accelerator} ({accelerator} has no wheels for Python 3.14: use")
    answer(terminal, "accelerator", DOWN, DOWN, UP)
    accept_until(terminal, "details")
    open_details(terminal)
    accept_until(terminal, "switch_to")
    assert shows(terminal, "- cu126 (cu126 is the project's accelerator")
    answer(terminal, "switch_to", SPACE, DOWN, SPACE)
    accept_until(terminal, "companions")
    answer(terminal, "companions", SPACE)
    accept_until(terminal, "platforms")
    assert shows(terminal, "- macos-x86_64 (macos-x86_64 ends with torch 2.2.2")
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


# Each choice leads on -------------------------------------------------------------------------------------------

MENUS = {
    "python_version": PYTHONS,
    "accelerator": ["cpu", "cu126", "cu118", "rocm7.2", "xpu"],
    "mirror": [*TABLE["mirrors"], "custom"],
    "torch_version": [NEWEST, "2.6.0"],
    "pypi_mirror": ["official", *TABLE["pypi_mirrors"], "custom"],
    "ci": ["github", "gitlab", "none"],
    "container": ["none", "docker"],
    "language": ["English", "中文"],
    "license": ["MIT", "Apache-2.0", "BSD-3-Clause", "none"],
}
"""All choices, or of long menus the ends and some between."""


@pytest.mark.parametrize(
    ("question", "choice"),
    sampled([(question, choice) for question, row in MENUS.items() for choice in row], 3),
)
def test_every_choice_leads_to_the_next_screen(start: Start, question: str, choice: str) -> None:
    """The next question has a default that it accepts itself."""
    names = list(QUESTIONS)
    later = names[names.index(question) :]
    terminal = start("--data=project_name=myproj", *all_but("details", *later), "--data=details=true")
    assert asked(terminal) == question
    for _ in range(30):
        cursor = next(line for line in terminal.lines if line.startswith(" » "))
        if cursor[3:].split()[0] == choice:
            break
        terminal.press(DOWN)
    answer(terminal, question)
    expected = (
        f"{question}_url"
        if choice == "custom"
        else next(name for name in later[1:] if name not in URLS | {"details"})
    )
    assert asked(terminal) == expected
    terminal.press(INTERRUPT)
    assert terminal.end() != 0


@pytest.mark.parametrize("question", ["mirror", "pypi_mirror"])
def test_custom_can_be_typed_after_a_mistake(start: Start, tmp_path: Path, question: str) -> None:
    """An empty field, a refused URL, a good one."""
    terminal = start("--data=project_name=myproj", *all_but(question))
    answer(terminal, question, UP)  # from the first row around to the last
    name = f"{question}_url"
    assert asked(terminal) == name
    terminal.press(ENTER)
    terminal.wait(f"Validation error for question '{name}': use https://example.com/")
    terminal.press("example.com/x", ENTER)
    terminal.wait(f"Validation error for question '{name}': use https://example.com/")
    terminal.send("\x15")  # empties the field
    terminal.press("https://example.com/x", ENTER)
    if question == "mirror":
        terminal.wait("Does it have a page per project")
        terminal.press(ENTER)
    assert terminal.end() == 0
    chosen = answers(tmp_path / "myproj")
    assert (chosen[question], chosen[name]) == ("custom", "https://example.com/x")
    assert 'url = "https://example.com/x"' in (tmp_path / "myproj/pyproject.toml").read_text()


@pytest.mark.parametrize(("keys", "chosen"), [((), "simple"), ((DOWN,), "flat")])
def test_both_formats_of_a_mirror(start: Start, tmp_path: Path, keys: tuple[str, ...], chosen: str) -> None:
    custom = ["--data=mirror=custom", "--data=mirror_url=https://example.com/whl"]
    terminal = start("--data=project_name=myproj", *custom, *all_but("mirror"))
    answer(terminal, "mirror_format", *keys)
    assert terminal.end() == 0
    assert answers(tmp_path / "myproj")["mirror_format"] == chosen


def test_a_refused_text_can_be_mended(start: Start, tmp_path: Path) -> None:
    """The remedy is within the 80 columns that the screen shows of the line."""
    terminal = start(*all_but(LAST))
    answer(terminal, "project_name", "/..", refused=True)
    terminal.wait("use a name like myproj: ")
    terminal.press("\x7f", "\x7f", "\x7f", "-2", ENTER)
    answer(terminal, LAST, "nobody", refused=True)
    terminal.wait("use one like me@example.com: ")
    terminal.press("@example.com", ENTER)
    assert terminal.end() == 0
    chosen = answers(tmp_path / "myproj")
    assert chosen["project_name"] == "myproj-2"
    assert chosen["author_email"] == "nobody@example.com"


def test_a_folder_with_a_project_is_refused_before_anything_is_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "myproj").mkdir()
    (tmp_path / "myproj/pyproject.toml").write_text("[project]\n")
    terminal = start()
    terminal.wait(lambda: terminal.status is not None)
    assert terminal.status != 0
    assert any("use an empty folder: " in line for line in terminal.all_lines)
    assert files(tmp_path / "myproj") == {Path("pyproject.toml"): b"[project]\n"}


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


# Updates --------------------------------------------------------------------------------------------------------

OWN = {
    "project_name": "own",
    "python_version": "3.11",
    "accelerator": "cu126",
    "mirror": "nju",
    "torch_version": "2.13.0",
    "pypi_mirror": "custom",
    "pypi_mirror_url": "https://example.com/simple",
    "switch_to": ["cpu", "xpu"],
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
"""Answers that are no defaults."""


def without_details(repository: Path) -> None:
    """Make the questions those of the time when all of them were asked."""
    file = repository / "copier.yml"
    text = re.sub(r"^details:\n(  .*\n)+\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = re.sub(r"^  ask: .*\n", "", text, flags=re.MULTILINE)
    assert "details" not in re.sub("#.*", "", text)
    file.write_text(text, encoding="utf-8")


def started(repository: Path, project: Path, given: Mapping[str, object]) -> Path:
    """A project of the repository's first version, committed, and the second version of the repository."""
    run_copy(str(repository), project, data=dict(given), defaults=True, quiet=True, unsafe=False)
    commit(project)
    return project


@pytest.mark.parametrize(
    ("way", "folder"),
    sampled(
        [("--defaults", "a[1]"), ("keyboard", "a[1]"), ("--defaults", "project"), ("keyboard", "project")], 3
    ),
)
def test_an_update_keeps_the_answers_of_the_time_before_details(
    template: Path, tmp_path: Path, way: str, folder: str
) -> None:
    repository = shutil.copytree(template, tmp_path / "template")
    without_details(repository)
    as_repository(repository, "0.1.0")
    project = started(repository, tmp_path / folder, OWN)
    assert "details" not in answers(project)
    shutil.copytree(template, repository, dirs_exist_ok=True)
    as_repository(repository, "0.2.0")
    if way == "--defaults":
        run(*UPDATE, "--defaults", cwd=project)
    else:
        terminal = Terminal(UPDATE, project, environment())
        seen = []
        while terminal.status is None:
            seen.append(asked(terminal))
            answer(terminal, seen[-1])
            if seen[-1] == "details":
                break
        assert terminal.end() == 0
        assert seen == FIRST
    kept = answers(project)
    assert kept["_commit"] == "0.2.0"
    assert kept["details"] is False
    assert {name: kept[name] for name in OWN} == OWN


def drop_release(table: dict) -> None:
    """PyTorch takes the default release back."""
    del table["releases"][NEWEST]
    for row in table["accelerators"].values():
        row["releases"] = [version for version in row["releases"] if version != NEWEST]
    for row in table["defaults"].values():
        row.update({key: "2.13.0" for key, version in row.items() if version == NEWEST})


def drop_wheels(accelerator: str) -> Callable[[dict], None]:
    def change(table: dict) -> None:
        for row in table["releases"][NEWEST]["wheels"].values():
            row.pop(accelerator, None)

    return change


def drop_companion(table: dict) -> None:
    row = table["releases"][NEWEST]
    row["companions"]["torchvision"]["without"] = {
        python: {"cpu": list(TABLE["platforms"])} for python in PYTHONS
    }


def drop_platform(table: dict) -> None:
    for row in table["releases"][NEWEST]["wheels"].values():
        row["cpu"] = ["linux-x86_64"]


IMPOSSIBLE = {
    "torch_version": ({}, drop_release, NEWEST, (), "2.13.0"),
    "companions": ({"companions": ["torchvision"]}, drop_companion, "torchvision", (), []),
    "platforms": ({"platforms": ["windows-x86_64"]}, drop_platform, "add linux-x86_64", (), None),
    "pypi_mirror": ({"pypi_mirror": "bfsu"}, lambda table: table["pypi_mirrors"].pop("bfsu"), "bfsu", (DOWN,), "tuna"),
    "switch_to": ({"switch_to": ["xpu"]}, drop_wheels("xpu"), "xpu", (), []),
}  # fmt: skip
"""Question -> answers, what became of the facts, what the refusal names, the keys pressed and the answer then."""


@pytest.mark.parametrize("question", sampled(list(IMPOSSIBLE), 2))
def test_a_saved_answer_that_has_become_impossible_is_asked_for_or_refused(
    template: Path, tmp_path: Path, question: str
) -> None:
    """Never replaced in silence: the screen comes without details too."""
    given, change, names, keys, then = IMPOSSIBLE[question]
    repository = as_repository(shutil.copytree(template, tmp_path / "template"), "0.1.0")
    project = started(repository, tmp_path / "project", {"torch_version": NEWEST, **given})
    change_table(repository, change)
    as_repository(repository, "0.2.0")
    done = run(*UPDATE, "--defaults", cwd=project, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"'{question}': " in last
    assert names in last
    assert run("git", "status", "--porcelain", "--ignored", cwd=project).stdout == ""

    terminal = Terminal(UPDATE, project, environment())
    accept_until(terminal, "details")
    answer(terminal, "details")
    assert asked(terminal) == question
    terminal.press(*keys, ENTER)
    assert terminal.end() == 0
    saved = answers(project)
    assert saved["_commit"] == "0.2.0"
    assert saved["details"] is False
    assert saved[question] == (then if then is not None else list(CONTRACT_PLATFORMS))


def test_an_answer_that_another_one_makes_impossible_is_asked_for(template: Path, tmp_path: Path) -> None:
    """The last release for the accelerator that was chosen now is where the cursor starts."""
    repository = as_repository(shutil.copytree(template, tmp_path / "template"))
    project = started(repository, tmp_path / "project", {"torch_version": NEWEST})
    terminal = Terminal([*UPDATE, "--vcs-ref=:current:"], project, environment())
    accept_until(terminal, "accelerator")
    rows = list(TABLE["defaults"]["3.12"])
    answer(terminal, "accelerator", *[DOWN] * rows.index("cu118"))
    accept_until(terminal, "torch_version")
    terminal.press(ENTER)
    assert terminal.end() == 0
    saved = answers(project)
    assert (saved["accelerator"], saved["torch_version"], saved["details"]) == ("cu118", "2.7.1", False)


def test_interrupted_update_leaves_the_project_as_it_is(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template, tmp_path / "template")
    as_repository(tmp_path / "template")
    project = started(tmp_path / "template", tmp_path / "myproj", {})
    terminal = Terminal([*UPDATE, "--vcs-ref=:current:"], project, environment())
    accept_until(terminal, "accelerator")
    terminal.press(DOWN, INTERRUPT)
    assert terminal.end() != 0
    assert not shows(terminal, "Traceback")
    assert run("git", "status", "--porcelain", "--ignored", cwd=project).stdout == ""
