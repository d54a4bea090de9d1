"""Menus as a person sees them: what is offered, what is disabled, why, and what is marked as unverified.

They are rendered from the template's own files with the facts and answers that Copier would give them.
"""

import itertools
import json
import re
from collections.abc import Iterator

import pytest
import yaml
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from support import ROOT, questions
from test_data import ACCELERATORS, RELEASES, load

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
FACTS = {name: load(file) for name, file in {"torch_releases": "torch", "accelerators": "accelerators", "platforms_known": "platforms", "mirrors": "mirrors"}.items()}  # fmt: skip
FACTS["pypi_mirrors"] = load("mirrors", "pypi_mirrors")
JINJA = SandboxedEnvironment(
    loader=FileSystemLoader(ROOT),
    extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def menu(question: str, **answers: object) -> dict[str, tuple[str, str]]:
    """Value -> label and reason (empty: can be chosen) of each choice, in order."""
    text = JINJA.get_template(f"rules/menus/{question}.yml").render(
        FACTS, pythons=PYTHONS, **{"switch_to": [], **answers}
    )
    choices = yaml.safe_load(text).items()
    return {choice["value"]: (label, choice.get("validator", "")) for label, choice in choices}


def has_wheels(version: str, accelerator: str, python: str) -> bool:
    row = RELEASES[version]
    platforms = [cell.rstrip("?") for cell in row.get(accelerator, [])]
    return any(python in [*row["python"], *row.get(f"python@{platform}", [])] for platform in platforms)


def ways_out(reason: str) -> list[dict[str, str]]:
    """The answers that a reason proposes, each to be given in place of the same answer."""
    found = [dict([way.split("=")]) for way in re.findall(r"\w+=[\w.-]+", reason.rpartition("use ")[2])]
    assert found, reason
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_accelerators(python: str) -> None:
    choices = menu("accelerator", python_version=python)
    assert list(choices) == list(ACCELERATORS)
    for accelerator, (label, reason) in choices.items():
        possible = any(has_wheels(version, accelerator, python) for version in RELEASES)
        assert (reason == "") == possible, accelerator
        if possible:
            _, name, gpus, *_ = ACCELERATORS[accelerator]
            words = label.replace(", unverified, ", ", ")
            assert words.startswith(f"{accelerator:<9} {name}, {gpus}")
        else:
            assert label == accelerator
            for way in ways_out(reason):
                answers = {"accelerator": accelerator, "python_version": python} | way
                assert any(
                    has_wheels(v, answers["accelerator"], answers["python_version"]) for v in RELEASES
                ), reason


def test_labels_help_to_choose() -> None:
    choices = menu("accelerator", python_version="3.12")
    assert (
        choices["cu126"][0] == "cu126     CUDA 12.6, Maxwell to Hopper, driver 525.60.13+ (Windows 528.33+)"
    )
    assert choices["cu130"][0] == "cu130     CUDA 13.0, Turing to Blackwell, driver 580.65.06+ (Windows 580+)"
    assert choices["cpu"][0] == "cpu       CPU, any machine; Apple GPUs through MPS on macOS"
    assert menu("accelerator", python_version="3.15")["rocm7.1"][0].startswith(
        "rocm7.1   ROCm 7.1, unverified, "
    )


@pytest.mark.parametrize(("python", "accelerator"), list(itertools.product(PYTHONS, ACCELERATORS)))
def test_releases(python: str, accelerator: str) -> None:
    if not any(has_wheels(version, accelerator, python) for version in RELEASES):
        return  # Copier stops at the accelerator
    choices = menu("torch_version", python_version=python, accelerator=accelerator)
    assert list(choices) == list(RELEASES)
    for version, (_, reason) in choices.items():
        assert (reason == "") == has_wheels(version, accelerator, python), version
        for way in ways_out(reason) if reason else []:
            answers = {"torch_version": version, "accelerator": accelerator, "python_version": python} | way
            assert has_wheels(answers["torch_version"], answers["accelerator"], answers["python_version"]), (
                reason
            )


def test_unverified_releases_are_marked() -> None:
    choices = menu("torch_version", python_version="3.12", accelerator="cpu")
    marked = {version for version, (label, _) in choices.items() if "unverified" in label}
    assert marked == {"2.15.0"}
    choices = menu("torch_version", python_version="3.12", accelerator="rocm7.1")
    assert {v for v, (label, _) in choices.items() if "unverified" in label} == {"2.13.0", "2.12.1", "2.12.0"}


@pytest.mark.parametrize(
    ("answers", "name", "says"),
    [
        (("2.13.0", "cu132", "3.12"), "torchaudio", "torchaudio 2.11.0 has no wheels for cu132: leave it out of companions or use accelerator=cu130"),
        (("2.13.0", "cu129", "3.12"), "torchaudio", "torchaudio 2.11.0 has no wheels for cu129: leave it out of companions or use accelerator=cu130"),
        (("2.14.1", "cpu", "3.15"), "torchaudio", "torchaudio 2.11.0 has no wheels for Python 3.15: leave it out of companions or use python_version=3.14"),
        (("2.13.0", "cpu", "3.15"), "torchvision", "torchvision 0.28.0 has no wheels for Python 3.15: leave it out of companions or use python_version=3.14"),
        (("2.5.1", "cpu", "3.13"), "torchvision", "torchvision 0.20.1 has no wheels for Python 3.13: leave it out of companions or use python_version=3.12"),
        (("2.4.1", "rocm6.1", "3.12"), "torchvision", "torchvision 0.19.1 has no wheels for rocm6.1 on Python 3.12: leave it out of companions or use python_version=3.11"),
        (("2.14.1", "cu126", "3.12"), "torchaudio", ""),
    ],
)  # fmt: skip
def test_companions(answers: tuple[str, str, str], name: str, says: str) -> None:
    torch, accelerator, python = answers
    choices = menu("companions", torch_version=torch, accelerator=accelerator, python_version=python)
    assert choices[name][1] == says


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_further_accelerators(accelerator: str) -> None:
    for version in (version for version in RELEASES if has_wheels(version, accelerator, "3.12")):
        choices = menu("switch_to", torch_version=version, accelerator=accelerator, python_version="3.12")
        assert list(choices) == list(ACCELERATORS)
        for key, (_, reason) in choices.items():
            assert (reason == "") == (key != accelerator and has_wheels(version, key, "3.12")), key
            for (way,) in map(json.loads, re.findall(r"switch_to=(\[.*?\])", reason)):
                assert choices[way][1] == "", reason


@pytest.mark.parametrize(
    ("accelerator", "further", "way_out"),
    [
        ("cu130", ["cu132"], " or leave cu132 out of switch_to"),
        ("cu126", ["cpu", "cu132"], " or leave cu132 out of switch_to"),
        ("cu132", ["cu126"], " or use accelerator=cu130"),
        ("cu132", ["cu130"], ""),
    ],
)
def test_companions_of_several_builds(accelerator: str, further: list[str], way_out: str) -> None:
    answers = {"torch_version": "2.14.1", "python_version": "3.12", "accelerator": accelerator}
    _, reason = menu("companions", **answers, switch_to=further)["torchaudio"]
    assert reason == f"torchaudio 2.11.0 has no wheels for cu132: leave it out of companions{way_out}"


def test_platforms() -> None:
    answers = {"torch_version": "2.14.1", "python_version": "3.12"}
    labels = {name: label for name, (label, _) in menu("platforms", accelerator="cu126", **answers).items()}
    assert labels["linux-x86_64"].strip() == "linux-x86_64"
    assert "unverified" in labels["linux-aarch64"]
    assert labels["macos-arm64"].endswith("PyPI's wheels, without cu126, macOS 14 or newer")
    choices = menu("platforms", accelerator="rocm7.2", **answers)
    assert choices["windows-x86_64"][0].endswith("drops out: no rocm7.2 wheels for Python 3.12 there")
    assert choices["macos-x86_64"][0].strip() == "macos-x86_64"
    assert choices["macos-x86_64"][1].endswith("use torch_version=2.2.2")
    old = menu("platforms", torch_version="2.2.2", accelerator="cpu", python_version="3.12")
    assert [reason for _, reason in old.values()] == [""] * 5


def test_mirrors_say_what_nobody_saw_there() -> None:
    labels = {
        key: label for key, (label, _) in menu("mirror", accelerator="cu132", torch_version="2.14.1").items()
    }
    assert {key for key, label in labels.items() if "unverified" in label} == {"nju", "sjtu", "aliyun"}
    assert labels["nju"] == "nju       NJU, Nanjing University, unverified for cu132"
    assert labels["aliyun"].endswith(", unverified for cu132 and torch 2.14.1")
    labels = {
        key: label for key, (label, _) in menu("mirror", accelerator="cpu", torch_version="2.14.0").items()
    }
    assert not [label for label in labels.values() if "unverified" in label]
    assert list(labels) == ["official", "nju", "sjtu", "aliyun", "custom"]


# On a terminal -----------------------------------------------------------------------------------------------


def combinations() -> Iterator[dict[str, str]]:
    """Every accelerator with its newest and its oldest release, on every Python that has wheels."""
    for python, accelerator in itertools.product(PYTHONS, ACCELERATORS):
        releases = [version for version in RELEASES if has_wheels(version, accelerator, python)]
        for version in {*releases[:1], *releases[-1:]}:
            yield {"python_version": python, "accelerator": accelerator, "torch_version": version}


@pytest.mark.parametrize("question", ["accelerator", "torch_version", "mirror", "pypi_mirror", "switch_to", "companions", "platforms"])  # fmt: skip
def test_menus_fit_into_80_columns(question: str) -> None:
    """A terminal cuts lines off: whole labels, and of reasons what is wrong, if not the way out, have to fit."""
    before = {"accelerator": ["python_version"], "torch_version": ["python_version", "accelerator"]}
    seen = set()
    for answers in combinations():
        given = {name: answers[name] for name in before.get(question, answers)}
        if str(given) in seen:
            continue
        seen.add(str(given))
        mark = 5 if question in ("switch_to", "companions", "platforms") else 3
        for label, reason in menu(question, **given).values():
            if reason:
                assert len(f"   - {label} ({reason.partition(': ')[0]}") <= 80, reason
            else:
                assert mark + len(label) <= 80, label


def test_questions_fit_into_80_columns() -> None:
    lines = [
        line
        for question in questions().values()
        for line in f"XX {question['help']}".splitlines()  # Copier's sign before a question
    ]
    assert len(lines) > 15
    assert [line for line in lines if len(line) > 80] == []
