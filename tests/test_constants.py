"""The constants that are rendered for test-uv: what the record says, and builds that the template accepts."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy
from printed import printed
from replica import FACTS
from support import ACCELERATORS


def constants(**answers: object) -> dict[str, Any]:
    """Name -> value of each constant."""
    found: dict[str, Any] = {}
    exec(printed("{{ package_path }}/test_uv/constants.py", **answers), found)
    return found


PROPOSALS = [
    {"torch_version": "2.1.0", "python_version": "3.11", "companions": ["torchvision", "torchaudio"]},
    {"torch_version": "2.4.1", "companions": ["torchvision"]},  # lacks ROCm on 3.12
    {"torch_version": "2.5.1", "python_version": "3.13"},  # Linux on x86-64 only
    {"torch_version": "2.9.0", "companions": ["torchvision", "torchaudio"]},
    {"torch_version": "2.13.0", "companions": ["torchaudio"]},  # lacks cu132
    {"torch_version": "2.13.0", "platforms": ["linux-aarch64", "macos-arm64"]},
    {"torch_version": "2.14.1", "platforms": ["windows-x86_64"]},
    {"torch_version": "2.13.0", "companions": ["torchcodec"]},  # lacks ROCm, and machines of cu132
    {"torch_version": "2.15.0"},
    {"torch_version": "2.14.1", "platforms": ["macos-arm64"]},
]


@pytest.mark.parametrize("answers", PROPOSALS, ids=str)
def test_every_build_is_accepted_and_has_wheels_for_that_machine(
    template: Path, tmp_path: Path, answers: dict
) -> None:
    offered = constants(**answers)["BUILDS"]
    accepted: dict[str, set[str]] = {}
    for key in ACCELERATORS:
        project = tmp_path / key
        data = {"project_name": "demo", **answers, "accelerator": key}
        try:
            run_copy(str(template), project, data=data, defaults=True, quiet=True)
        except ValueError:
            continue
        markers = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["uv"]["environments"]
        machines = [[word.strip("'") for word in marker.split()[2::4]] for marker in markers]
        accepted[key] = {"-".join(machine) for machine in machines if machine[0] != "darwin"}
    accepted.pop("cpu", None)
    places = {key: {place for place in offered if key in offered[place]} for key in accepted}
    assert {key for rows in offered.values() for key in rows} <= set(accepted)
    assert places == accepted
    assert bool(offered) == any(accepted.values())


def test_builds_hold_what_the_record_says() -> None:
    """The table of a release, written down by hand from the record."""
    floors = FACTS["drivers"]["minor_version_compatibility"]
    older = [f"sm_{number}" for number in FACTS["gpu_archs"]["cu126 (2.7-2.14)"]["x86_64"]]
    newer = [f"sm_{number}" for number in FACTS["gpu_archs"]["cu130, cu132"]["x86_64"]]
    found = constants(torch_version="2.13.0")["BUILDS"]
    cuda = {key: facts for key, facts in found["linux-x86_64"].items() if key.startswith("cu")}
    assert cuda == {
        "cu126": (floors["cuda12"]["linux"].removeprefix(">="), " ".join(older)),
        "cu129": (floors["cuda12"]["linux"].removeprefix(">="), " ".join(newer)),
        "cu130": (floors["cuda13"]["linux"].removeprefix(">="), " ".join(newer)),
        "cu132": (floors["cuda13"]["linux"].removeprefix(">="), " ".join(newer)),
    }
    assert found["linux-x86_64"]["xpu"] == ("", "")
    assert list(found) == ["linux-x86_64", "linux-aarch64", "win32-AMD64"]
    windows = {
        key: floors[f"cuda{key[2:4]}"]["windows"].removeprefix(">=").split()[0] for key in ("cu126", "cu130")
    }
    assert {key: found["win32-AMD64"][key] for key in windows} == {
        "cu126": (windows["cu126"], " ".join(older)),
        "cu130": (windows["cu130"], " ".join(newer)),
    }
    arm = [f"sm_{number}" for number in FACTS["gpu_archs"]["aarch64"]["cu130, cu132"]]
    assert found["linux-aarch64"]["cu130"][1] == " ".join(arm)
    assert list(constants(torch_version="2.13.0", platforms=["linux-x86_64"])["BUILDS"]) == ["linux-x86_64"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, ("cpu", (), False)),
        ({"accelerator": "cu126", "switch_to": ["cpu"]}, ("cu126", ("cpu",), False)),
        ({"switch_to": ["cu126", "cu130"]}, ("cpu", ("cu126", "cu130"), False)),
        ({"mirror": "custom", "mirror_url": "https://example.com/cpu"}, ("cpu", (), True)),
        ({"mirror": "custom", "mirror_url": "https://example.com/{accelerator}"}, ("cpu", (), False)),
    ],
    ids=str,
)
def test_answers_reach_the_constants(answers: dict[str, object], expected: tuple[object, ...]) -> None:
    found = constants(**answers)
    assert tuple(found[name] for name in ("ACCELERATOR", "SWITCH_TO", "ONE_BUILD")) == expected
