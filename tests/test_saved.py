"""Saved answers: rules/saved.jinja says which have become impossible, and rules/ask.jinja asks for those again."""

import pytest
from printed import JINJA, SHOWN, context
from support import ACCELERATORS, COMPANIONS, NEWEST, RELEASES, has_wheels

OLDEST = list(RELEASES)[-1]
MACOS_ONLY = {"platforms": ["macos-arm64"]}
ONE_BUILD = {"mirror": "custom", "mirror_url": "https://example.com/whl/cpu"}
EACH_BUILD = {"mirror": "custom", "mirror_url": "https://example.com/whl/{accelerator}"}
BESIDE = next(key for key in ACCELERATORS if key != "cpu" and has_wheels(NEWEST, key, "3.12"))

POSSIBLE = [
    ("torch_version", NEWEST, {}),
    ("pypi_mirror", "tuna", {}),
    ("pypi_mirror", "official", {}),
    ("pypi_mirror", "custom", {}),
    ("pypi_mirror_url", "https://example.com/simple", {}),
    ("switch_to", [], {}),
    ("switch_to", [BESIDE], {}),
    ("switch_to", [BESIDE], EACH_BUILD),
    ("switch_to", [], ONE_BUILD),
    ("companions", [], {}),
    ("companions", list(RELEASES[NEWEST]["companions"])[:1], {}),
    ("platforms", ["linux-x86_64"], {}),
    ("ci", "gitlab", {}),
    ("ci", "github", MACOS_ONLY),
    ("ci", "none", {}),
    ("language", "zh", {}),
    ("license", "none", {}),
    ("author_email", "me@example.com", {}),
    ("author_email", "", {}),
    ("author_name", "Zoë", {}),
    ("description", "A project", {}),
]
IMPOSSIBLE = [
    ("torch_version", OLDEST, {}),
    ("pypi_mirror", "nowhere", {}),
    ("pypi_mirror_url", "example", {}),
    ("switch_to", ["cpu"], {}),
    ("switch_to", [BESIDE, "cu999"], {}),
    ("switch_to", [BESIDE], ONE_BUILD),
    ("companions", ["torchtext"], {}),
    ("companions", [COMPANIONS[-1]], {"torch_version": OLDEST, "python_version": "3.11"}),
    ("platforms", [], {}),
    ("platforms", ["linux-x86_64", "solaris"], {}),
    ("platforms", ["linux-x86_64", "macos-x86_64"], {}),
    ("ci", "gitlab", MACOS_ONLY),
    ("ci", "jenkins", {}),
    ("language", "fr", {}),
    ("license", "GPL", {}),
    ("author_email", "me", {}),
    ("author_name", "a\nb", {}),
    ("description", "a\nb", {}),
]


def asked(question: str, previous: dict, *, details: bool = False, defaults: bool = False, **others) -> bool:
    """Whether an update asks a question whose saved answers are these."""
    conf = {"_copier_conf": SHOWN | {"defaults": defaults}}
    here = {"question": question, "details": details, "previous": previous}
    text = JINJA.get_template("rules/ask.jinja").render(context(**previous | others) | conf | here)
    return {"True": True, "False": False}[text.strip()]


@pytest.mark.parametrize(("question", "answer", "others"), POSSIBLE, ids=str)
def test_possible(question: str, answer: object, others: dict) -> None:
    assert not asked(question, {question: answer}, **others)


@pytest.mark.parametrize(("question", "answer", "others"), IMPOSSIBLE, ids=str)
def test_impossible(question: str, answer: object, others: dict) -> None:
    assert asked(question, {question: answer}, **others)
    assert not asked(question, {question: answer}, defaults=True, **others)  # refused: the update stops
    assert not asked(question, {"project_name": "project"}, **others)  # the project has no answer yet
    assert not asked(question, {}, **others)


def test_details_ask_for_everything() -> None:
    for previous in {}, {"license": "MIT"}:
        assert asked("license", previous, details=True)
