"""The selector page in a real browser: it offers, refuses and prints what the template does, for everyone who comes.

The template's side is template/pyproject.toml.jinja and the macros of rules/, rendered in this process as
test_menus.py does; a sample is compared with real copies. The page's side is its own script, called in the browser for
every choice, and its controls for a fixed sample.
"""

import itertools
import json
import os
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from page import served
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from support import (
    ACCELERATORS,
    COMPANIONS,
    PYTHON,
    PYTHONS,
    RELEASES,
    TABLE,
    default_release,
    has_wheels,
    questions,
    refusal,
)
from test_menus import BUILDS, JINJA, SHOWN

Answers = dict[str, object]
Render = Callable[..., Path]

PLATFORMS = [name for name, row in TABLE["platforms"].items() if row["default"]]
USUAL: Answers = {"platforms": PLATFORMS, "companions": [], "mirror": "official", "pypi_mirror": "official"}
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 740}

# The browser -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's chromium. Where there is none the tests are skipped, but fail in CI."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if not program:
        reason = f"no browser: none of {', '.join(names)} is on PATH"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Open the page with a query; options are those of the browser's context. It must never complain."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def visit(query: str = "", script: str = "", **options: object) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESKTOP, "locale": "en-US"} | options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith(site) or complaints.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(site + query)
        expect(page.locator("#selector")).to_be_visible()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


# What the template says --------------------------------------------------------------------------------------

CONTEXT = {
    "builds": BUILDS,
    "_copier_conf": SHOWN,
    "previous": {},
    "saved": {},
    "at_hand": {},
    "switch_to": [],
    "mirror_url": "",
    "mirror_format": "simple",
    "pypi_mirror_url": "",
    "project_name": "project",
    "package_name": "project",
    "description": questions()["description"]["default"].split("'en': '")[1].split("'")[0],
    "license": "MIT",
    "author_name": "",
    "author_email": "",
}
PYPROJECT = JINJA.get_template("template/pyproject.toml.jinja")
REFUSALS = JINJA.from_string("""\
{% from "rules/menus.jinja" import accelerator_problem, torch_problem, companion_problem, platform_problem, platforms_problem with context %}
{% set found = {} %}
{% macro note(question, reason) %}
{% if reason %}{% set _ = found.setdefault(question, []).append(reason) %}{% endif %}
{% endmacro %}
{{ note("accelerator", accelerator_problem(accelerator)) }}
{% if not found %}{{ note("torch_version", torch_problem(torch_version)) }}{% endif %}
{% if not found %}
{% for name in companions %}{{ note("companions", companion_problem(name)) }}{% endfor %}
{% for platform in platforms %}{{ note("platforms", platform_problem(platform)) }}{% endfor %}
{{ note("platforms", platforms_problem()) }}
{% endif %}
{{ found | to_json }}""")


def refusals(answers: Answers) -> dict[str, list[str]]:
    """The template's reasons, question by question; Copier stops at the first question that has one."""
    return json.loads(REFUSALS.render(CONTEXT | {"_copier_answers": answers} | answers))


def pyproject(answers: Answers) -> str:
    return PYPROJECT.render(CONTEXT | {"_copier_answers": answers} | answers)


def lines(text: str) -> dict:
    """What the page's block has of a pyproject.toml."""
    table = tomllib.loads(text)
    uv = table["tool"]["uv"]
    return {
        "requires-python": table["project"]["requires-python"],
        "dependencies": [name for name in table["project"]["dependencies"] if name != "matplotlib"],
        "tool.uv": {key: uv[key] for key in ("python-install-mirror", "environments", "index", "sources") if key in uv},
    }  # fmt: skip


IN_THE_PAGE = """async (all) => {
    const { block, commands, problems, sentence } = await import("./selector.js");
    const table = await (await fetch("builds.json")).json();
    return all.map((answers) => {
        const wrong = problems(table, answers);
        const said = Object.entries(wrong).map(([question, list]) => [question, list.map((one) => sentence(one))]);
        if (said.length) return { refused: Object.fromEntries(said) };
        return { block: block(table, answers), ...commands(table, answers) };
    });
}"""


def compare(page: Page, combinations: list[Answers]) -> tuple[int, int]:
    """Compare the page with the template; return how many blocks and how many refusals were the same."""
    equal = refused = 0
    for answers, got in zip(combinations, page.evaluate(IN_THE_PAGE, combinations), strict=True):
        if said := refusals(answers):
            assert got == {"refused": said}, answers
            refused += 1
        else:
            assert "block" in got, (answers, got)
            assert set(tomllib.loads(got["block"])) == {"project", "tool"}
            assert lines(got["block"]) == lines(pyproject(answers)), answers
            equal += 1
    return equal, refused


@pytest.mark.parametrize("python", PYTHONS)
def test_every_release_for_every_accelerator(visit, record_property, python: str) -> None:
    combinations = [
        {"python_version": python, "accelerator": key, "torch_version": version, **USUAL}
        for key, version in itertools.product(ACCELERATORS, RELEASES)
    ]
    equal, refused = compare(visit(), combinations)
    assert equal == sum(has_wheels(c["torch_version"], c["accelerator"], python) for c in combinations)
    record_property("blocks of the selector equal to the template's", equal)
    record_property("refusals of the selector equal to the template's", refused)


def test_platforms_companions_and_mirrors(visit, record_property) -> None:
    """For each accelerator with its newest and its oldest release; the mirrors take turns."""
    sites = itertools.cycle(itertools.product(TABLE["mirrors"], ["official", *TABLE["pypi_mirrors"]]))
    some_platforms = [
        list(TABLE["platforms"]),
        ["windows-x86_64"],
        ["linux-x86_64", "linux-aarch64"],
        ["linux-aarch64", "macos-arm64"],
        ["macos-x86_64"],
        [],
    ]
    combinations = []
    for accelerator in ACCELERATORS:
        releases = TABLE["accelerators"][accelerator]["releases"]
        for version in (releases[0], releases[-1]):
            pythons = [python for python in PYTHONS if has_wheels(version, accelerator, python)]
            offered = [name for name in COMPANIONS if name in RELEASES[version]["companions"]]
            companions = [[], offered, *([name] for name in offered)]
            for platforms, chosen in itertools.product(some_platforms, companions):
                for python in (pythons[0], pythons[-1]):
                    mirror, pypi_mirror = next(sites)
                    combinations.append(
                        {
                            "python_version": python,
                            "accelerator": accelerator,
                            "torch_version": version,
                            "platforms": platforms,
                            "companions": chosen,
                            "mirror": mirror,
                            "pypi_mirror": pypi_mirror,
                        }
                    )
    equal, refused = compare(visit(), combinations)
    assert min(equal, refused) > 500
    record_property("blocks of the selector equal to the template's", equal)
    record_property("refusals of the selector equal to the template's", refused)


def of(accelerator: str, python: str = PYTHON, **answers: object) -> Answers:
    """Answers for an accelerator with its default release."""
    return {"python_version": python, "accelerator": accelerator, "torch_version": default_release(accelerator, python), **USUAL, **answers}  # fmt: skip


SAMPLE = [
    of("cpu"),
    of("cu126", companions=COMPANIONS[:1], mirror="aliyun", pypi_mirror="aliyun"),
    of("cu118", "3.10", platforms=["windows-x86_64"]),
    of("rocm7.2", "3.13", pypi_mirror="tuna"),
    of("xpu", "3.11", mirror="nju", pypi_mirror="official"),
    of("cpu", "3.11", torch_version="2.2.2", platforms=list(TABLE["platforms"])),
]
REFUSED = [
    of("cpu", "3.14") | {"accelerator": "cu118"},
    of("cpu") | {"torch_version": list(RELEASES)[-1], "accelerator": "cu126"},
    of("cu132", companions=["torchaudio"]),
    of("rocm7.2", platforms=["windows-x86_64"]),
    of("cu126", platforms=[*PLATFORMS, "macos-x86_64"]),
]


def test_the_template_says_the_same_when_copier_asks_it(render: Render) -> None:
    for number, answers in enumerate(SAMPLE):
        project = render(f"sample{number}", project_name="project", **answers)
        assert (project / "pyproject.toml").read_text() == pyproject(answers)
    for answers in REFUSED:
        ((question, (reason, *_)),) = refusals(answers).items()
        message = refusal(render, **answers)
        assert f"'{question}'" in message
        assert message.endswith(f": {reason}")


def test_commands_give_what_the_block_says(visit, render: Render) -> None:
    """The data of each command, given to Copier."""
    page = visit()
    for number, (answers, got) in enumerate(zip(SAMPLE, page.evaluate(IN_THE_PAGE, SAMPLE), strict=True)):
        for name in ("copy", "update", "adopt"):
            words = shlex.split(got[name])
            data = dict(
                word.split("=", 1) for before, word in itertools.pairwise(words) if before == "--data"
            )
            if name != "copy":
                assert {
                    key: yaml.safe_load(value) if value[0] == "[" else value for key, value in data.items()
                } == answers
        words = shlex.split(got["copy"])
        assert words[:4] == ["uvx", "copier", "copy", "--defaults"]
        assert words[-2:] == ["gh:org/torch-uv-template", "myproj"]
        data = dict(word.split("=", 1) for before, word in itertools.pairwise(words) if before == "--data")
        project = render(f"copy{number}", **data)
        assert lines((project / "pyproject.toml").read_text()) == lines(got["block"])


def test_defaults_are_those_of_the_questionnaire(visit) -> None:
    page = visit()
    assert (
        page.locator("#copy").text_content() == "uvx copier copy --defaults gh:org/torch-uv-template myproj"
    )
    assert lines(page.locator("#block").text_content()) == lines(pyproject(of("cpu")))
    assert f"'python_version', '{PYTHON}'" in questions()["python_version"]["default"]
