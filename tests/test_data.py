"""data/ against the record in facts/torch-matrix.yml, cell by cell, by a reading of its own."""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from packaging.version import Version
from replica import FACTS
from support import ROOT

Render = Callable[..., Path]

RECORD = {release["version"]: release for release in FACTS["torch"]}
NAMES = {
    "linux_x86_64": "linux-x86_64",
    "linux_aarch64": "linux-aarch64",
    "windows_amd64": "windows-x86_64",
    "macos_arm64": "macos-arm64",
    "macos_x86_64": "macos-x86_64",
}
NOT_OFFERED = {"rocm5.5", "rocm7.14"}
# Graded B, which stands for file names in logs and locks of others: Windows wheels of XPU that were seen. The others are graded C: build scripts name them.
XPU_SEEN_ON_WINDOWS = {"2.8.0", "2.9.0", "2.9.1", "2.11.0", "2.12.0", "2.12.1"}
# In torch-matrix.yml's section torchaudio: local versions seen of 2.11.0, the last release.
LAST_TORCHAUDIO = "2.11.0"
TORCHAUDIO_SEEN = set(FACTS["torchaudio"]["local_versions_seen_2_11_0"])


def load(file: str, name: str = "") -> dict:
    """Return the data of a file: of the question of this name, by default the first."""
    questions = yaml.safe_load((ROOT / "data" / f"{file}.yml").read_text())
    return questions[name or next(iter(questions))]["default"]


ACCELERATORS = {key: line.split(" | ") for key, line in load("accelerators").items()}
RELEASES = {
    version: {words[0]: words[1:] for words in map(str.split, block.splitlines())}
    for version, block in load("torch").items()
}


def offered(pythons: list[str]) -> set[str]:
    """Pythons that the template knows: 3.10 and newer, not free-threaded."""
    return {python for python in pythons if not python.endswith("t") and int(python.split(".")[1]) >= 10}


@pytest.fixture(params=RECORD, ids=str)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_release_is_there_newest_first() -> None:
    assert list(RELEASES) == list(reversed(RECORD))


def test_pythons(version: str) -> None:
    for key, name in NAMES.items():
        recorded = offered(RECORD[version]["pythons"].get(key, []))
        if not key.startswith("macos"):
            extra = RECORD[version].get("extra_pythons_on_download_pytorch_org", {})
            recorded |= offered(extra.get("all", []) + extra.get(key, []))
        row = RELEASES[version]
        if recorded:
            assert {*row["python"], *row.get(f"python@{name}", [])} == recorded, name
        else:
            assert name not in row["macos"]


def test_macos(version: str) -> None:
    recorded = {NAMES[key] for key in RECORD[version]["pythons"] if key.startswith("macos")}
    assert set(RELEASES[version]["macos"]) == recorded
    oldest = {tag.split("_")[1] for tag in RECORD[version]["platform_tags"]["macos_arm64"]}
    assert RELEASES[version].get("macos-oldest", ["11"]) == [min(oldest, key=int)]


def recorded_cells(version: str) -> dict[str, dict[str, bool]]:
    """Accelerator -> platform -> whether a wheel was seen, for what is offered of a release."""
    builds = RECORD[version]["accelerators"]
    unseen_release = version == "2.15.0"
    notes = " ".join(map(str, builds.get("unverified", {})))
    cells: dict[str, dict[str, bool]] = {}
    for key in ("linux_x86_64", "linux_aarch64", "windows_amd64"):
        if key in builds["cpu"]:
            cells.setdefault("cpu", {})[NAMES[key]] = not unseen_release
        for accelerator in builds["cuda"][key]:
            seen = key != "linux_aarch64" or accelerator in builds["linux_aarch64_cuda_verified_by_filename"]
            cells.setdefault(accelerator, {})[NAMES[key]] = seen and not unseen_release
    for accelerator in set(builds["rocm_linux_x86_64_only"]) - NOT_OFFERED:
        cells[accelerator] = {"linux-x86_64": f"{accelerator} wheel existence" not in notes}
    if isinstance(builds["xpu"], dict) and builds["xpu"]["index"] == "whl/xpu":
        cells["xpu"] = {"linux-x86_64": True, "windows-x86_64": version in XPU_SEEN_ON_WINDOWS}
    return cells


def test_builds_and_their_evidence(version: str) -> None:
    row = RELEASES[version]
    cells = {
        accelerator: {word.rstrip("?"): not word.endswith("?") for word in row[accelerator]}
        for accelerator in ACCELERATORS
        if accelerator in row
    }
    assert cells == recorded_cells(version)


def test_every_line_is_of_a_known_kind(version: str) -> None:
    known = {"python", "torchvision", "torchaudio", "numpy", "macos", "macos-oldest", *ACCELERATORS}
    known |= {f"python@{name}" for name in NAMES.values()} | {f"numpy@{name}" for name in NAMES.values()}
    known |= {f"archs@{key}" for key in ACCELERATORS if key.startswith("cu")}
    known |= {"torchvision-lacks", "torchaudio-lacks", "triton@rocm", "triton@xpu"}
    assert set(RELEASES[version]) <= known
    assert len(load("torch")[version].splitlines()) == len(RELEASES[version])


def test_companions(version: str) -> None:
    row, record = RELEASES[version], RECORD[version]
    assert row["torchvision"] == [record["torchvision"]]
    assert row["torchaudio"] == [record["torchaudio"]]
    pythons = {python for key in row if key.startswith("python") for python in row[key]}
    for name in ("torchvision", "torchaudio"):
        listed = record[f"{name}_pythons_linux_x86_64"]
        having = pythons if listed == ["any (py3-none)"] else set(listed)
        extra = record.get("extra_pythons_on_download_pytorch_org", {}).get("note", "")
        if name == "torchvision" and "torch + torchvision" in extra:
            having = having | {"3.15"}
        lacks = pythons - having
        if name == "torchaudio" and record[name] == LAST_TORCHAUDIO:
            lacks |= {key for key in ACCELERATORS if key in row} - TORCHAUDIO_SEEN
        if any("torchvision/torchaudio cp312 wheels missing" in note for note in record.get("notes", [])):
            lacks |= {f"{key}/3.12" for key in row if key.startswith("rocm")}
        assert set(row.get(f"{name}-lacks", [])) == lacks, name


def test_numpy(version: str) -> None:
    expected = {True: {"numpy": ["<2"]}, "windows only": {"numpy@windows-x86_64": ["<2"]}, False: {}}
    bounds = {key: words for key, words in RELEASES[version].items() if key.startswith("numpy")}
    assert bounds == expected[RECORD[version]["numpy_lt_2_required"]]


def test_triton(version: str) -> None:
    recorded = RECORD[version]["triton_packages"]
    named = {family: RELEASES[version][f"triton@{family}"][0] for family in ("rocm", "xpu") if f"triton@{family}" in RELEASES[version]}  # fmt: skip
    built = {ACCELERATORS[key][0] for key in RELEASES[version] if key in ACCELERATORS} & {"rocm", "xpu"}
    assert named.items() <= recorded.items()
    assert built <= set(named)


def test_accelerators_are_those_of_the_record() -> None:
    recorded = {accelerator for version in RECORD for accelerator in recorded_cells(version)}
    assert set(ACCELERATORS) == recorded
    for key, (family, label, *_) in ACCELERATORS.items():
        digits = key.removeprefix("cu").removeprefix("rocm")
        assert (family, label) == {
            "cpu": ("cpu", "CPU"),
            "xpu": ("xpu", "XPU"),
        }.get(
            key, ("rocm", f"ROCm {digits}") if "." in digits else ("cuda", f"CUDA {digits[:2]}.{digits[2:]}")
        )


def test_driver_floors() -> None:
    floors = FACTS["drivers"]["minor_version_compatibility"]
    for key, (family, label, _, *columns) in ACCELERATORS.items():
        driver = columns[:2]
        if family != "cuda":
            assert driver == []
            continue
        floor = floors[f"cuda{label.removeprefix('CUDA ').partition('.')[0]}"]
        assert driver == [
            floor["linux"].removeprefix(">="),
            floor["windows"].removeprefix(">=").split(" ")[0],
        ], key


# Keys of the record's section gpu_archs: releases, on x86-64, and their builds on Arm.
ARCHS = {
    "cu126": {"cu126 (2.7-2.14)": ("2.7.0", "2.14.1")},
    "cu128": {
        "cu128 2.7": ("2.7.0", "2.7.1"),
        "cu128 2.8-2.10": ("2.8.0", "2.10.0"),
        "cu128 2.11": ("2.11.0", "2.11.0"),
    },
    "cu130": {"cu130, cu132": ("2.9.0", "2.15.0")},
}
AS = {"cu129": "cu128", "cu132": "cu130"}


def recorded_archs(version: str, accelerator: str, arm: bool) -> list[str] | None:
    """Architectures of a build in the record, None where it has none."""
    record = FACTS["gpu_archs"]
    if arm:
        names = {name: archs for key, archs in record["aarch64"].items() for name in key.split(", ")}
        return names.get(accelerator) if Version(version) >= Version("2.7") else None
    for key, (first, last) in ARCHS.get(AS.get(accelerator, accelerator), {}).items():
        if Version(first) <= Version(version) <= Version(last):
            return record[key]["x86_64"]
    # cu129 outlives cu128: "as cu128 of the same release", and the last of those is 2.11's.
    return record["cu128 2.11"]["x86_64"] if accelerator == "cu129" else None


def test_archs_and_their_evidence(version: str) -> None:
    """What the record has is stated without `?`, and what it does not have with one."""
    row = RELEASES[version]
    checked = 0
    for key in (key for key in row if ACCELERATORS.get(key, [""])[0] == "cuda"):
        for platform in (cell.rstrip("?") for cell in row[key]):
            arm = platform == "linux-aarch64"
            stated = ACCELERATORS[key][6 if arm else 5].split()
            if not arm:
                stated = row.get(f"archs@{key}", stated)
            recorded = recorded_archs(version, key, arm)
            if (version, key, arm) == ("2.6.0", "cu126", True):
                continue  # one build older than the record of its column
            assert ("?" in stated) == (recorded is None), (key, platform)
            if recorded:
                assert stated == [f"sm_{number}" for number in recorded], (key, platform)
            checked += 1
    assert checked


def test_accelerators_without_archs_are_not_cuda() -> None:
    for key, (family, _, _, *columns) in ACCELERATORS.items():
        assert (len(columns) >= 3) == (family == "cuda"), key


def verified(version: str, accelerator: str, python: str) -> bool:
    """Whether a wheel was seen for some platform on PyTorch's index."""
    row = RELEASES[version]
    cells = [cell for cell in row.get(accelerator, []) if not cell.endswith("?")]
    return any(python in [*row["python"], *row.get(f"python@{cell}", [])] for cell in cells)


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_no_unverified_build_is_a_default(render: Render, accelerator: str) -> None:
    for python in ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15"):
        sure = [version for version in RELEASES if verified(version, accelerator, python)]
        if sure:
            project = render(python, python_version=python, accelerator=accelerator)
            saved = yaml.safe_load((project / ".copier-answers.yml").read_text())
            assert saved["torch_version"] == sure[0]
            markers = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["uv"]["environments"]
            unseen = {cell.rstrip("?") for cell in RELEASES[sure[0]][accelerator] if cell.endswith("?")}
            known = load("platforms")
            assert not {name for name in unseen if known[name] in markers}


def test_a_release_is_added_in_one_file(template: Path, tmp_path: Path) -> None:
    changed = tmp_path / "template"
    shutil.copytree(template, changed)
    file = changed / "data/torch.yml"
    head, default, rest = file.read_text().partition("  default:\n")
    entry = """\
    2.16.0: |
      python                3.12 3.13 3.14 3.15 3.16
      torchvision           0.30.0
      torchaudio            2.16.0
      triton@rocm           triton-rocm
      macos                 macos-arm64
      macos-oldest          14
      cpu                   linux-x86_64 linux-aarch64 windows-x86_64
      cu132                 linux-x86_64 windows-x86_64?
"""
    file.write_text(head + default + entry + rest)

    def render(folder: str, **answers: object) -> dict:
        run_copy(str(changed), tmp_path / folder, data=answers, defaults=True, quiet=True)
        return tomllib.loads((tmp_path / folder / "pyproject.toml").read_text())

    project = render("cpu", companions=["torchvision", "torchaudio"])
    assert project["project"]["dependencies"][:3] == [
        "torch==2.16.0",
        "torchvision==0.30.0",
        "torchaudio==2.16.0",
    ]
    assert project["project"]["requires-python"] == ">=3.12,<3.17"
    assert render("newest", python_version="3.16")["project"]["requires-python"] == ">=3.16,<3.17"
    cuda = render("cuda", accelerator="cu132", torch_version="2.16.0")
    assert len(cuda["tool"]["uv"]["environments"]) == 2  # Linux and macOS; no wheel for Windows was seen
    with pytest.raises(
        ValueError, match=r"cu118 ends with torch 2\.7\.1: use torch_version=2\.7\.1 or accelerator=cu132"
    ):
        render("refused", accelerator="cu118", torch_version="2.16.0")
