"""Menus as a person sees them: what is offered, what is disabled, and why.

They are rendered from the template's own files with the facts and answers that Copier would give them.
"""

import itertools
import json
import re
from collections.abc import Iterator

import pytest
from printed import JINJA, SHOWN, context, macro, menu
from support import (
    ACCELERATORS,
    NEWEST,
    PYTHONS,
    RELEASES,
    TABLE,
    default_release,
    has_wheels,
    questions,
)


def ways_out(reason: str) -> list[dict[str, str]]:
    """The answers that a reason proposes, each to be given in place of the same answer."""
    found = [dict([way.split("=")]) for way in re.findall(r"\w+=[\w.-]+", reason.rpartition("use ")[2])]
    assert found, reason
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_accelerators(python: str) -> None:
    """What can be chosen stands first; a row names the release that it leads to, or the reason and a way out."""
    choices = menu("accelerator", python_version=python)
    assert set(choices) == set(ACCELERATORS)
    possible = [key for key in choices if any(has_wheels(version, key, python) for version in RELEASES)]
    assert [key for key, (_, reason) in choices.items() if not reason] == possible
    assert list(choices)[: len(possible)] == possible
    for accelerator, (label, reason) in choices.items():
        if accelerator in possible:
            assert label.startswith(f"{accelerator:<9} ")
            assert label.endswith(f"; torch {TABLE['defaults'][python][accelerator]}")
        else:
            assert label == accelerator
            for way in ways_out(reason):
                answers = {"accelerator": accelerator, "python_version": python} | way
                assert any(
                    has_wheels(v, answers["accelerator"], answers["python_version"]) for v in RELEASES
                ), reason


def test_labels_help_to_choose() -> None:
    """The cards that people own, the oldest driver, the release."""
    labels = {key: label for key, (label, _) in menu("accelerator", python_version="3.12").items()}
    rows = {
        "cpu": "cpu       any machine; Apple GPUs through MPS on macOS",
        "cu126": "cu126     GTX 900 to RTX 40, P100 to H100; driver 525+",
        "cu130": "cu130     GTX 16 to RTX 50, T4 to B300; driver 580+",
        "cu118": "cu118     GTX 900 to RTX 40, P100 to H100; driver 450+",
        "rocm7.2": "rocm7.2   RX 6000 to RX 9000, MI100 to MI350",
    }
    for key, words in rows.items():
        assert labels[key] == f"{words}; torch {default_release(key)}"


def test_the_first_build_for_cuda_has_the_newest_torch_and_the_oldest_driver() -> None:
    """What the question tells people to take: not the oldest CUDA, which leads to an old release."""
    order = [key for key in menu("accelerator", python_version="3.12") if key.startswith("cu")]
    newest = [key for key in ACCELERATORS if key.startswith("cu") and default_release(key) == NEWEST]
    assert order[: len(newest)] == newest
    assert order[-1] == "cu118"


def test_drivers_are_those_of_the_system() -> None:
    """Windows has other driver versions."""
    windows = SHOWN | {"os": "windows"}
    label, _ = menu("accelerator", python_version="3.12", _copier_conf=windows)["cu126"]
    assert "driver 528+" in label


@pytest.mark.parametrize(("python", "accelerator"), list(itertools.product(PYTHONS, ACCELERATORS)))
def test_releases(python: str, accelerator: str) -> None:
    if accelerator not in TABLE["defaults"][python]:
        pytest.skip("Copier stops at the accelerator")
    choices = menu("torch_version", python_version=python, accelerator=accelerator)
    assert list(choices) == list(RELEASES)
    for version, (_, reason) in choices.items():
        assert (reason == "") == has_wheels(version, accelerator, python), version
        for way in ways_out(reason) if reason else []:
            answers = {"torch_version": version, "accelerator": accelerator, "python_version": python} | way
            assert has_wheels(answers["torch_version"], answers["accelerator"], answers["python_version"]), (
                reason
            )


@pytest.mark.parametrize(
    ("answers", "name", "says"),
    [
        (("2.13.0", "cu132", "3.12"), "torchaudio", "torchaudio 2.11.0 has no cu132 wheels: leave it out of companions or use accelerator=cu130"),
        (("2.13.0", "cu129", "3.12"), "torchaudio", ""),
        (("2.14.1", "cpu", "3.15"), "torchaudio", "torchaudio 2.11.0 has no cpu wheels for Python 3.15: leave it out of companions or use python_version=3.14"),
        (("2.13.0", "cpu", "3.15"), "torchvision", "torchvision 0.28.0 has no cpu wheels for Python 3.15: leave it out of companions or use python_version=3.14"),
        (("2.5.1", "cpu", "3.13"), "torchvision", "torchvision 0.20.1 has no cpu wheels for Python 3.13: leave it out of companions or use python_version=3.12"),
        (("2.4.1", "rocm6.1", "3.12"), "torchvision", "torchvision 0.19.1 has no rocm6.1 wheels for Python 3.12: leave it out of companions or use python_version=3.11"),
        (("2.14.1", "cu126", "3.12"), "torchaudio", ""),
        (("2.14.1", "cu126", "3.12"), "torchcodec", ""),
        (("2.14.1", "xpu", "3.12"), "torchcodec", ""),
        (("2.14.1", "cpu", "3.15"), "torchcodec", "torchcodec 0.16.0 has no cpu wheels for Python 3.15: leave it out of companions or use python_version=3.14"),
        (("2.14.1", "rocm7.2", "3.12"), "torchcodec", "torchcodec 0.16.0 has no rocm7.2 wheels: leave it out of companions or use accelerator=cpu"),
        (("2.9.1", "cu129", "3.12"), "torchcodec", "torchcodec 0.9.1 has no cu129 wheels: leave it out of companions or use accelerator=cu130"),
        (("2.11.0", "xpu", "3.12"), "torchcodec", "torchcodec 0.11.1 has no xpu wheels: leave it out of companions or use accelerator=cpu"),
        (("2.5.1", "cu118", "3.12"), "torchcodec", "no torchcodec is known to fit torch 2.5.1: leave it out of companions or use torch_version=2.7.1"),
        (("2.5.1", "rocm6.2", "3.12"), "torchcodec", "no torchcodec is known to fit torch 2.5.1: leave it out of companions"),
        (("2.15.0", "cu132", "3.12"), "torchcodec", f"no torchcodec is known to fit torch 2.15.0: leave it out of companions or use torch_version={NEWEST}"),
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
    assert reason == f"torchaudio 2.11.0 has no cu132 wheels: leave it out of companions{way_out}"


def test_a_companion_that_lacks_some_machines_can_be_chosen_and_they_drop_out() -> None:
    answers = {"torch_version": "2.14.1", "python_version": "3.12", "accelerator": "cu132"}
    assert menu("companions", **answers)["torchcodec"][1] == ""
    labels = {
        key: label for key, (label, _) in menu("platforms", **answers, companions=["torchcodec"]).items()
    }
    assert labels["linux-x86_64"].strip() == "linux-x86_64"
    for platform in ("linux-aarch64", "windows-x86_64"):
        assert labels[platform].endswith("drops out: no torchcodec wheels for Python 3.12 there")
    several = {"accelerator": "cpu", "switch_to": ["xpu"], "companions": ["torchcodec"]}
    both = menu("platforms", **answers | several)
    assert both["linux-aarch64"][0].endswith("drops out: no xpu wheels for Python 3.12 there")
    assert both["windows-x86_64"][0].endswith("drops out: no torchcodec wheels for Python 3.12 there")


def test_what_drops_out_is_said_of_chosen_machines_only() -> None:
    """Windows lacks a companion, and is not the project's."""
    answers = {"accelerator": "xpu", "torch_version": "2.14.1", "companions": ["torchcodec"]}
    chosen = context(**answers, platforms=["linux-x86_64", "linux-aarch64"])
    project = JINJA.get_template("rules/project.jinja").make_module(chosen)
    assert project.lacking["windows-x86_64"] == ["torchcodec"]
    assert (project.environments, project.dropped, project.missed) == (
        ["linux-x86_64"],
        ["linux-aarch64"],
        [],
    )
    both = JINJA.get_template("rules/project.jinja").make_module(context(**answers))
    assert (both.dropped, both.missed) == (["linux-aarch64", "windows-x86_64"], ["torchcodec"])


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({}, ""),
        ({"platforms": []}, "add linux-x86_64 or linux-aarch64 or windows-x86_64: no platform is chosen"),
        ({"accelerator": "rocm7.2", "platforms": ["windows-x86_64", "macos-arm64"]}, "add linux-x86_64: windows-x86_64 and macos-arm64 have no rocm7.2 wheels of torch 2.14.1 for Python 3.12"),
        ({"accelerator": "cu132", "companions": ["torchcodec"], "platforms": ["windows-x86_64"]}, "add linux-x86_64 or leave torchcodec out of companions: windows-x86_64 has no cu132 wheels of torch 2.14.1 with torchcodec for Python 3.12"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_no_platform_is_left(answers: dict, says: str) -> None:
    assert macro("menus", "platforms_problem", **{"torch_version": "2.14.1"} | answers) == says


def test_torchaudio_says_what_loads_files() -> None:
    """Its functions load and save are torchcodec's since 2.9."""
    for torch, says in (("2.9.0", True), ("2.14.1", True), ("2.8.0", False)):
        choices = menu("companions", torch_version=torch, accelerator="cpu", python_version="3.12")
        assert choices["torchaudio"][0].endswith("; loading and saving files needs torchcodec") == says


def test_platforms() -> None:
    answers = {"torch_version": "2.14.1", "python_version": "3.12"}
    labels = {name: label for name, (label, _) in menu("platforms", accelerator="cu126", **answers).items()}
    assert labels["linux-x86_64"].strip() == "linux-x86_64"
    assert labels["linux-aarch64"].endswith("drops out: no cu126 wheels for Python 3.12 there")
    assert labels["macos-arm64"].endswith("PyPI's wheels, without cu126, macOS 14 or newer")
    both = menu("platforms", accelerator="cpu", switch_to=["rocm7.2", "xpu"], **answers)
    assert both["linux-aarch64"][0].endswith("drops out: no rocm7.2 and xpu wheels for Python 3.12 there")
    choices = menu("platforms", accelerator="rocm7.2", **answers)
    assert choices["macos-x86_64"][0].strip() == "macos-x86_64"
    assert choices["macos-x86_64"][1].endswith("use torch_version=2.2.2")
    old = menu("platforms", torch_version="2.2.2", accelerator="cpu", python_version="3.12")
    assert [reason for _, reason in old.values()] == [""] * 5


def test_wheels_that_cannot_be_used_are_left_out_with_the_reason() -> None:
    answers = {"torch_version": "2.1.1", "accelerator": "cu118", "python_version": "3.11"}
    label, reason = menu("platforms", **answers)["windows-x86_64"]
    assert label.endswith("drops out: it requires triton, which Windows lacks")
    assert reason == ""  # it may be chosen, as every machine that drops out


def test_mirrors_say_what_they_may_lack() -> None:
    def labels(accelerator: str, torch: str) -> dict[str, str]:
        answers = {"python_version": "3.12", "accelerator": accelerator, "torch_version": torch}
        return {key: label for key, (label, _) in menu("mirror", **answers).items()}

    found = labels("cu132", "2.14.1")
    assert {key for key, label in found.items() if "may lack" in label} == {"nju", "sjtu", "aliyun"}
    assert found["nju"] == "nju       NJU, Nanjing University, may lack cu132"
    assert found["aliyun"].endswith(", may lack cu132 and torch 2.14.1")
    found = labels("cpu", "2.14.0")
    assert not [label for label in found.values() if "may lack" in label]
    assert list(found) == ["official", "nju", "sjtu", "aliyun", "custom"]


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
        for line in f"XX {question['help'].partition('{%')[0]}".splitlines()  # Copier's sign before a question
    ]
    assert len(lines) > 15
    assert [line for line in lines if len(line) > 80] == []
