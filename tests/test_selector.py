"""The selector page in a real browser: it offers, refuses and prints what the template does, for everyone who comes.

The template's side is printed.py, in this process; for a sample Copier itself renders and refuses. The page's side is
its own script, called in the browser for every choice, and its controls for a fixed sample.
"""

import itertools
import json
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from compile import covers
from page import BROWSERS, program, served
from page import browser as system_browser
from playwright.sync_api import Browser, BrowserContext, Page, expect
from printed import FIXED, JINJA, printed
from support import (
    ACCELERATORS,
    COMPANIONS,
    PYTHON,
    PYTHONS,
    RELEASES,
    ROOT,
    TABLE,
    default_release,
    has_wheels,
    questions,
    refusal,
)

Answers = dict[str, object]
Render = Callable[..., Path]

PLATFORMS = FIXED["platforms"]
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
    if not program():
        reason = f"no browser: none of {', '.join(BROWSERS)} is on PATH"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with system_browser() as chromium:
        yield chromium


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
{% endif %}
{% if not found %}
{% for platform in platforms %}{{ note("platforms", platform_problem(platform)) }}{% endfor %}
{{ note("platforms", platforms_problem()) }}
{% endif %}
{{ found | to_json }}""")


def refusals(answers: Answers) -> dict[str, list[str]]:
    """The template's reasons, question by question; Copier stops at the first question that has one."""
    return json.loads(REFUSALS.render(FIXED | {"_copier_answers": answers} | answers))


def pyproject(answers: Answers) -> str:
    return printed("pyproject.toml", **answers)


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


def sample() -> list[Answers]:
    """Platforms and companions for each accelerator with its newest and a middle release, every second one; mirrors and Pythons take turns."""
    sites = itertools.cycle(itertools.product(TABLE["mirrors"], ["official", *TABLE["pypi_mirrors"]]))
    some_platforms = [
        PLATFORMS,
        list(TABLE["platforms"]),
        ["windows-x86_64"],
        ["linux-x86_64", "linux-aarch64"],
        ["linux-aarch64", "macos-arm64"],
        ["macos-x86_64"],
        [],
    ]
    some_companions = [[], COMPANIONS, *([name] for name in COMPANIONS)]
    found = []
    for accelerator in ACCELERATORS:
        releases = TABLE["accelerators"][accelerator]["releases"]
        for version in (releases[0], releases[len(releases) // 2]):
            pythons = [python for python in PYTHONS if has_wheels(version, accelerator, python)]
            turns = itertools.cycle(pythons)
            for platforms, companions in itertools.product(some_platforms, some_companions):
                build = {"python_version": next(turns), "accelerator": accelerator, "torch_version": version}
                mirror, pypi_mirror = next(sites)
                chosen = {"platforms": platforms, "companions": companions}
                found.append({**build, **chosen, "mirror": mirror, "pypi_mirror": pypi_mirror})
    return found[::2]


def test_platforms_companions_and_mirrors(visit, record_property) -> None:
    equal, refused = compare(visit(), sample())
    assert min(equal, refused) > 150
    record_property("blocks of the selector's sample equal to the template's", equal)
    record_property("refusals of the selector's sample equal to the template's", refused)


LABELS = JINJA.from_string("""\
{% from "rules/menus.jinja" import companion_label, companion_problem, mirror_label, platform_label, platform_problem with context %}
{% set found = {} %}
{% for key in builds.mirrors %}{% set _ = found.update({key: mirror_label(key)}) %}{% endfor %}
{% for name in builds.companions if not companion_problem(name) %}{% set _ = found.update({name: companion_label(name)}) %}{% endfor %}
{% for name in builds.platforms if not platform_problem(name) %}{% set _ = found.update({name: platform_label(name)}) %}{% endfor %}
{{ found | to_json }}""")
REMARKS = """async (all) => {
    const { companionProblem, companionRemark, mayLack, platformProblem, platformRemark, remark } = await import("./selector.js");
    const table = await (await fetch("builds.json")).json();
    return all.map((answers) => {
        const said = (parts) => (parts ? ` ${remark(parts)}` : "");
        const lacks = (key) => { const items = mayLack(table, answers, key); return items.length ? remark(["mayLack", items]) : ""; };
        const companions = table.companions.filter((name) => !companionProblem(table, answers, name));
        const platforms = Object.keys(table.platforms).filter((name) => !platformProblem(table, answers, name));
        return Object.fromEntries([
            ...Object.entries(table.mirrors).map(([key, { label }]) => [key, `${key} ${label}${lacks(key)}`]),
            ...companions.map((name) => [name, name + said(companionRemark(table, answers, name))]),
            ...platforms.map((name) => [name, name + said(platformRemark(table, answers, name))]),
        ]);
    });
}"""


def test_remarks_are_those_of_the_menus(visit) -> None:
    """Which platforms drop out, what a mirror may lack."""
    possible = [answers for answers in sample()[::2] if "companions" not in refusals(answers)]
    for answers, got in zip(possible, visit().evaluate(REMARKS, possible), strict=True):
        labels = json.loads(LABELS.render(FIXED | {"_copier_answers": answers} | answers))
        assert got == {key: " ".join(label.split()) for key, label in labels.items()}, answers


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


def test_copier_refuses_with_these_words(render: Render) -> None:
    for answers in REFUSED:
        ((question, (reason, *_)),) = refusals(answers).items()
        message = refusal(render, **answers)
        assert f"'{question}'" in message
        assert message.endswith(f": {reason}")


def data_of(command: str) -> dict[str, object]:
    words = [word for before, word in itertools.pairwise(shlex.split(command)) if before == "--data"]
    pairs = dict(word.split("=", 1) for word in words)
    return {name: yaml.safe_load(value) if value[0] == "[" else value for name, value in pairs.items()}


def test_commands_give_what_the_block_says(visit, render: Render) -> None:
    """The data of each command, given to Copier; a project keeps what the other two do not name."""
    for number, (answers, got) in enumerate(zip(SAMPLE, visit().evaluate(IN_THE_PAGE, SAMPLE), strict=True)):
        words = shlex.split(got["copy"])
        assert words[:4] == ["uvx", "copier", "copy", "--defaults"]
        assert words[-2:] == ["gh:org/torch-uv-template", "myproj"]
        project = render(f"copy{number}", **data_of(got["copy"]))
        assert lines((project / "pyproject.toml").read_text()) == lines(got["block"])
        build = {name: answers[name] for name in ("python_version", "accelerator", "torch_version")}
        if answers["mirror"] != "official":
            build["pypi_mirror"] = answers["pypi_mirror"]
        for name in ("update", "adopt"):
            assert data_of(got[name]) == build | data_of(got["copy"])


def test_defaults_are_those_of_the_questionnaire(visit) -> None:
    page = visit()
    assert (
        page.locator("#copy").text_content() == "uvx copier copy --defaults gh:org/torch-uv-template myproj"
    )
    assert lines(page.locator("#block").text_content()) == lines(pyproject(of("cpu")))
    assert f"'python_version', '{PYTHON}'" in questions()["python_version"]["default"]


# Which build a GPU needs -------------------------------------------------------------------------------------

CARDS = yaml.safe_load((ROOT / "data/cards.yml").read_text())
ADVICE = """async (machines) => {
    const { gpusOf, recommend, remark } = await import("./selector.js");
    const table = await (await fetch("builds.json")).json();
    const gpus = gpusOf(table);
    return machines.map(({ name, ...machine }) => {
        const advice = recommend(table, { ...machine, gpu: gpus.find((gpu) => gpu.name.endsWith(name)) });
        return { ...advice, en: remark(advice.why, "en"), zh: remark(advice.why, "zh") };
    });
}"""


def test_every_gpu_gets_the_first_build_that_runs_it(visit) -> None:
    """By the rules that data/cards.yml states, and by each driver that is a floor of some build."""
    series = [row for row in CARDS["nvidia"]["series"] if not row.get("own_builds")]
    floors = {"", *(row["drivers"]["linux"] for row in TABLE["accelerators"].values() if row["drivers"])}
    machines, capable = [], []
    for row, driver in itertools.product(series, sorted(floors)):
        place = row.get("machine", "x86_64")
        for name in (row["cards"] + row.get("more", []))[:2]:
            machines.append({"name": name, "driver": driver, "system": "linux", "python_version": PYTHON})
            capable.append(
                [
                    key
                    for key, version in TABLE["defaults"][PYTHON].items()
                    if any(covers(arch, row["capability"]) for arch in RELEASES[version]["archs"].get(key, {}).get(place, []))
                    and f"linux-{place}" in RELEASES[version]["wheels"][PYTHON][key]
                    and (not driver or numbers(driver) >= numbers(TABLE["accelerators"][key]["drivers"]["linux"]))
                ]
            )  # fmt: skip
    for machine, keys, got in zip(machines, capable, visit().evaluate(ADVICE, machines), strict=True):
        assert got["accelerator"] == (keys[0] if keys else "cpu"), machine
        assert got["torch_version"] == default_release(got["accelerator"])
        assert machine["name"] in got["en"]
        assert machine["name"] in got["zh"]
    assert {key for keys in capable for key in keys} == {key for key in ACCELERATORS if key.startswith("cu") and has_archs(key)}  # fmt: skip


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def has_archs(key: str) -> bool:
    return key in RELEASES[default_release(key)]["archs"]


ADVISED = [
    ("RTX 4090", "", "linux", "cu126", "It needs driver 525.60.13 or newer."),
    ("RTX 4090", "470.57.02", "linux", "cu118", "yours is 470.57.02"),
    ("RTX 4090", "390.1", "linux", "cpu", "Driver 390.1 is too old"),
    ("RTX 5090", "580.65.06", "linux", "cu130", "cu126 has no code for it."),
    ("RX 7900 XTX", "", "linux", "rocm7.2", "(gfx1100)"),
    ("RX 7900 XTX", "", "windows", "cpu", "publishes no ROCm build"),
    ("MI50", "", "linux", "rocm6.3", "rocm6.4 have no code for it."),
    ("RX 6700 XT", "", "linux", "cpu", "has code for the AMD RX 6700 XT (gfx1031)"),
    ("Arc B580", "", "windows", "xpu", "runs on the Intel Arc B580."),
    ("Max 1550", "", "windows", "cpu", "publishes no XPU build"),
    ("Apple M3", "", "linux", "cpu", "the device mps"),
    ("DGX Spark", "", "linux", "cu130", "(compute capability 12.1)"),
    ("Jetson Orin Nano", "", "linux", "cpu", "builds of its own"),
]


def test_advice_says_why(visit) -> None:
    machines = [
        {"name": name, "driver": driver, "system": system, "python_version": PYTHON}
        for name, driver, system, *_ in ADVISED
    ]
    for got, (name, driver, _, accelerator, says) in zip(
        visit().evaluate(ADVICE, machines), ADVISED, strict=True
    ):
        assert got["accelerator"] == accelerator, (name, driver)
        assert says in got["en"]


def test_search(visit) -> None:
    page = visit()
    for text, first in {
        "4090": "NVIDIA RTX 4090",
        "GeForce RTX 4090 Laptop": "NVIDIA RTX 4090",
        "h100": "NVIDIA H100",
        "7900xtx": "AMD RX 7900 XTX",
        "Radeon RX 7900 XTX": "AMD RX 7900 XTX",
        "arc": "Intel Arc B570",
        "Apple M3 Max": "Apple M3",
        "RTX 9999": "No GPU",
    }.items():
        page.get_by_role("combobox", name="GPU").fill(text)
        assert page.get_by_role("option").first.text_content() == first


# As people use it --------------------------------------------------------------------------------------------


def shown(page: Page) -> Answers:
    """The answers that the page shows as chosen."""
    groups = ("python_version", "accelerator", "torch_version")
    answers: Answers = {
        name: page.locator(f"#{name} [aria-checked=true]").get_attribute("data-value") for name in groups
    }
    for name in ("platforms", "companions"):
        boxes = page.locator(f"#{name} input:checked").all()
        answers[name] = [box.get_attribute("id").removeprefix(f"{name}-") for box in boxes]
    return answers | {name: page.locator(f"#{name}").input_value() for name in ("mirror", "pypi_mirror")}


CHOICES = [
    {"python_version": "3.11", "accelerator": "cu118"},
    {"accelerator": "cu126", "torch_version": "2.9.1", "companions": "torchvision"},
    {"accelerator": "rocm6.4", "platforms": "linux-aarch64"},
    {"python_version": "3.14", "accelerator": "xpu", "mirror": "nju"},
    {"accelerator": "cpu", "torch_version": "2.2.2", "platforms": "macos-x86_64", "pypi_mirror": "tuna"},
    {"gpu": "5090", "companions": "torchaudio", "mirror": "aliyun"},
    {"gpu": "mi300x", "torch_version": "2.13.0"},
]


@pytest.mark.parametrize("choices", CHOICES, ids=lambda choices: "-".join(choices.values()))
def test_controls(visit, choices: dict[str, str]) -> None:
    """What is clicked is what is shown, printed, in the link, and the same when the link is opened elsewhere."""
    page = visit(viewport=PHONE)
    for question, value in choices.items():
        if question == "gpu":
            page.locator("#gpu").fill(value)
            page.get_by_role("option").first.click()
        elif "mirror" in question:
            page.locator(f"#{question}").select_option(value)
        elif question in ("platforms", "companions"):
            page.locator(f"#{question}").get_by_label(value).click()
        else:
            page.locator(f"#{question} [data-value='{value}']").click()
    answers = shown(page)
    for question, value in choices.items():
        if question in ("platforms", "companions"):
            assert (value in answers[question]) == (value not in USUAL[question])
        elif question != "gpu":
            assert answers[question] == value
    assert refusals(answers) == {}
    text = page.locator("#block").text_content()
    assert lines(text) == lines(pyproject(answers))
    again = visit(page.url.partition("/?")[2] and "?" + page.url.partition("?")[2])
    assert shown(again) == answers
    assert again.locator("#block").text_content() == text


def test_a_choice_that_cannot_be_had_says_why_and_the_way_out(visit) -> None:
    page = visit("?python_version=3.14")
    chip = page.locator("#accelerator [data-value=cu118]")
    reason = refusals(of("cpu", "3.14") | {"accelerator": "cu118"})["accelerator"][0]
    assert chip.text_content() == f"cu118: {reason}"  # what is read out
    before = shown(page)
    chip.click(force=True)
    assert shown(page) == before
    note = page.locator("#accelerator-note")
    assert note.text_content() == reason
    note.get_by_role("button").last.click()
    assert shown(page)["python_version"] == "3.13"
    chip.click()
    assert shown(page)["accelerator"] == "cu118"


def test_a_choice_that_became_impossible_is_refused(visit) -> None:
    page = visit("?accelerator=cu118&companions=torchvision")
    assert page.locator("#block").text_content()
    page.locator("#python_version [data-value='3.14']").click()
    (reason,) = refusals(shown(page))["accelerator"]
    assert page.locator("#summary").text_content() == reason
    assert [page.locator(f"#{name}").text_content() for name in ("copy", "update", "adopt", "block")] == [
        ""
    ] * 4
    assert page.locator("[data-copy]:enabled").count() == 0
    page.locator("#summary").get_by_role("button").first.click()
    assert refusals(shown(page)) == {}
    assert lines(page.locator("#block").text_content()) == lines(pyproject(shown(page)))


def test_no_platform_left(visit) -> None:
    page = visit("?accelerator=rocm7.2&platforms=windows-x86_64")
    (reason,) = refusals(shown(page))["platforms"]
    assert page.locator("#platforms-note").text_content() == reason
    page.locator("#platforms-note").get_by_role("button").click()
    assert shown(page)["platforms"] == ["linux-x86_64", "windows-x86_64"]
    assert lines(page.locator("#block").text_content()) == lines(pyproject(shown(page)))


def test_by_keyboard_alone(visit) -> None:
    page = visit()
    keyboard = page.keyboard

    def focus(name: str, within: str = "") -> None:
        """Press Tab until an element has the focus."""
        for _ in range(60):
            if page.evaluate(f"document.activeElement.matches({json.dumps(name)})"):
                return
            keyboard.press("Tab")
        pytest.fail(f"Tab does not reach {name}")

    focus("#gpu")
    keyboard.type("rtx 5090")
    keyboard.press("Enter")
    assert page.locator("#gpu").input_value() == "NVIDIA RTX 5090"
    assert shown(page)["accelerator"] == "cu130"
    focus("#python_version [aria-checked=true]")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    assert shown(page)["python_version"] == "3.14"
    focus("#accelerator [aria-checked=true]")
    for _ in range(ACCELERATORS.index("cu130") - ACCELERATORS.index("cu124")):
        keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.dataset.value") == "cu124"
    assert "cu124 has no wheels for Python 3.14" in page.locator("#accelerator-note").text_content()
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")  # the second way out
    assert shown(page)["python_version"] == "3.13"
    focus("#companions input")
    keyboard.press("Space")
    focus("[data-copy=copy]")
    assert shown(page)["companions"] == COMPANIONS[:1]
    assert lines(page.locator("#block").text_content()) == lines(pyproject(shown(page)))


def test_copy_buttons(visit) -> None:
    page = visit("?accelerator=cu126", permissions=["clipboard-read", "clipboard-write"])
    for name in ("copy", "update", "adopt", "block"):
        page.locator(f"[data-copy={name}]").click()
        expect(page.locator(f"[data-copy={name}]")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == page.locator(f"#{name}").text_content()
    page.locator("#share").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.url


# All builds --------------------------------------------------------------------------------------------------


def pythons_in(cell: str) -> set[str]:
    """The Pythons of a cell such as `3.10–3.12, 3.14`."""
    found = set()
    for part in filter(None, cell.split(", ")):
        first, _, last = part.partition("–")
        found |= set(PYTHONS[PYTHONS.index(first) : PYTHONS.index(last or first) + 1])
    return found


def test_the_table_has_all_wheels(visit) -> None:
    page = visit()
    head = page.locator("#columns th").all_text_contents()
    rows = page.evaluate("[...document.querySelectorAll('#builds tr')].map((row) => [...row.cells].map((cell) => cell.textContent))")  # fmt: skip
    found = {}
    for version, accelerator, *cells in rows:
        for platform, cell in zip(head[2:], cells, strict=True):
            if cell != "none":
                found[version, accelerator, platform] = pythons_in(cell)
    expected: dict[tuple[str, str, str], set[str]] = {}
    for version, release in RELEASES.items():
        for python, row in release["wheels"].items():
            for accelerator, platforms in row.items():
                for platform in platforms:
                    expected.setdefault((version, accelerator, platform), set()).add(python)
        if any("cpu" in row for row in release["wheels"].values()):
            for python, platforms in release["macos"].items():
                for platform in platforms:
                    expected.setdefault((version, "cpu", platform), set()).add(python)
    assert found == expected


def test_the_table_is_filtered_linked_and_chosen_from(visit) -> None:
    page = visit("?find=cu118+2.6#torch-2.6.0-cu118")
    rows = page.locator("#builds tr:visible")
    assert rows.count() == 1
    expect(page.locator("#torch-2\\.6\\.0-cu118")).to_be_in_viewport()
    page.locator("#find").fill("cu118")
    assert rows.count() == len(TABLE["accelerators"]["cu118"]["releases"])
    rows.nth(2).get_by_role("link").click()
    assert (shown(page)["accelerator"], shown(page)["torch_version"]) == ("cu118", "2.6.0")
    assert "find=cu118" in page.url
    page.locator("#find").fill("nothing like it")
    assert page.locator("#count").text_content().startswith("0 of")


# For everyone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_axe_finds_nothing(visit, locale: str, scheme: str) -> None:
    fine, refused = (
        "?gpu=NVIDIA+RTX+4090&companions=torchvision&find=2.14.1",
        "?python_version=3.14&accelerator=cu118&find=cu118",
    )
    for viewport, query in ((DESKTOP, fine), (PHONE, refused)):
        page = visit(query, locale=locale, color_scheme=scheme, viewport=viewport)
        page.locator("#gpu").fill("4090")  # with the list open
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
        assert len(found["passes"]) > 20


@pytest.mark.parametrize(
    ("locale", "query", "language", "title"),
    [
        ("de-DE", "", "en", "Which PyTorch?"),
        ("zh-TW", "", "zh-CN", "该装哪个 PyTorch？"),
        ("en-US", "?lang=zh", "zh-CN", "该装哪个 PyTorch？"),
    ],
)
def test_language(visit, locale: str, query: str, language: str, title: str) -> None:
    page = visit(query, locale=locale)
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("h1").text_content() == title
    other, text = ("zh-CN", "该装哪个 PyTorch？") if language == "en" else ("en", "Which PyTorch?")
    page.locator(f"[data-language={other[:2]}]").click()
    assert page.locator("h1").text_content() == text
    page.goto(page.url.partition("?")[0])
    expect(page.locator("h1")).to_have_text(text)  # remembered


def test_chinese_is_complete(visit) -> None:
    """Every text of the page is Chinese, names and commands apart."""
    page = visit(locale="zh-CN")
    texts = page.evaluate("""[...document.querySelectorAll("[data-t], [data-t-label], [data-t-placeholder]")].map(
        (element) => [element.dataset.t ? element.textContent : "", element.getAttribute("aria-label") ?? "", element.placeholder ?? ""])""")
    for text in filter(None, itertools.chain(*texts)):
        assert not re.search("[a-z]{2,} [a-z]{2,}", text), text


ODD = {
    "clock at the end of days": "Date = class extends Date { constructor(...at) { super(...(at.length ? at : [8640000000000000])); } }; Date.now = () => NaN;",
    "no languages": "Object.defineProperty(navigator, 'languages', { get: () => undefined });",
    "strange languages": "Object.defineProperty(navigator, 'languages', { get: () => ['', '*', 'x-klingon', null] });",
    "no storage": "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } });",
    "full storage": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    "strange storage": "localStorage.setItem('language', '__proto__');",
    "no clipboard": "Object.defineProperty(navigator, 'clipboard', { get: () => undefined });",
    "no history": "history.replaceState = () => { throw new DOMException('too many', 'SecurityError'); };",
}


@pytest.mark.parametrize("script", ODD.values(), ids=ODD.keys())
def test_odd_browsers(visit, script: str) -> None:
    page = visit("?accelerator=cu126", script)
    assert page.locator("h1").text_content() == "Which PyTorch?"
    page.locator("[data-language=zh]").click()
    page.locator("[data-copy=copy]").click()
    page.locator("#python_version [data-value='3.11']").click()
    assert shown(page)["python_version"] == "3.11"
    assert lines(page.locator("#block").text_content()) == lines(pyproject(shown(page)))


@pytest.mark.parametrize(
    "query",
    [
        "?python_version=2.7&accelerator=cu999&torch_version=1.0&mirror=moon&pypi_mirror=&gpu=Voodoo+2&driver=x",
        "?accelerator=constructor&torch_version=__proto__&mirror=toString&companions=hasOwnProperty,,",
        "?%FF=%&=&&&#%%%",
        "?platforms=&companions=",
        "#nowhere",
    ],
)
def test_odd_links(visit, query: str) -> None:
    """What is unknown is left out."""
    answers = shown(visit(query))
    if "platforms=" in query:
        assert answers["platforms"] == []
    else:
        assert answers == of("cpu")


def test_without_builds_json_it_says_so(browser: Browser, site: str) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.route("**/builds.json", lambda route: route.fulfill(status=404))
    page.goto(site)
    expect(page.get_by_role("alert")).to_contain_text("builds.json could not be read (HTTP 404)")
    context.close()


# Where everything is, in the page or, for outputs, in their panel; and the page's width.
PLACES = """() => {
    window.places = () => {
        const top = (element) => element.getBoundingClientRect().top + scrollY;
        const panel = top(document.querySelector(".result"));
        const all = [...document.querySelectorAll("fieldset, .row, .chip, .output, #matrix")];
        const tops = all.map((element) => Math.round(top(element) - (element.matches(".output") ? panel : 0)));
        return [...tops, document.documentElement.scrollWidth];
    };
}"""


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_nothing_moves(visit, locale: str, viewport: dict[str, int]) -> None:
    """Whatever is chosen, every control and every output stays in its place, and nothing is wider than the window."""
    page = visit("?gpu=NVIDIA+RTX+4090", viewport=viewport, locale=locale)
    page.evaluate(PLACES)
    before = page.evaluate("places()")
    assert before[-1] == viewport["width"]
    moved = """(before) => [...document.querySelectorAll(".chip")].filter((chip) => {
        chip.click();
        return String(places()) !== String(before);
    }).map((chip) => chip.textContent)"""
    assert page.evaluate(moved, before) == []
    for name in ("RTX PRO 6000 Blackwell", "MI50", "Jetson AGX Orin", "Apple M1", "Max 1550"):
        page.locator("#gpu").fill(name)
        page.keyboard.press("Enter")
        assert page.evaluate("places()") == before, name


def test_it_is_small_and_alone(visit) -> None:
    """The visits of all tests see that nothing comes from another host."""
    page = visit()
    loaded = page.evaluate(
        "performance.getEntriesByType('resource').map((entry) => entry.name.split('/').at(-1))"
    )
    assert sorted(loaded) == ["builds.json", "selector.css", "selector.js"]
    assert (
        sum((ROOT / "docs" / name).stat().st_size for name in ("index.html", "selector.css", "selector.js"))
        < 150_000
    )
