"""rules/builds.json, compiled from data/, against the evidence in facts/: cell by cell, by a reading of its own."""

import json
import re
import shutil
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import run_copy
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from replica import FACTS, WITH_EVIDENCE
from support import ROOT, run
from wheels import NAMES, PYTHONS, Cell, cells_of

BUILDS = json.loads((ROOT / "rules/builds.json").read_text("utf-8"))
RELEASES = BUILDS["releases"]
ACCELERATORS = BUILDS["accelerators"]
RECORD = {release["version"]: release for release in FACTS["torch"] if release["version"] in WITH_EVIDENCE}
NOT_OFFERED = {"rocm5.5", "rocm7.14"}  # data/builds.yml says why


def cell_for(python: str, accelerator: str, platform: str) -> Cell:
    return Cell(python, "pypi" if platform.startswith("macos") else accelerator, platform)


# The evidence -----------------------------------------------------------------------------------------------


def offered(pythons: Iterable[str]) -> set[str]:
    """Pythons that the template knows: 3.10 and newer, not free-threaded."""
    return set(pythons) & set(PYTHONS)


def listed() -> dict[tuple[str, str], set[Cell]]:
    """What file names in facts/releases/ say: project and version -> its wheels."""
    found = defaultdict(set)
    for record in RECORD.values():
        for accelerator, files in record.get("wheels", {}).items():
            for file in files:
                project, version, *_ = parse_wheel_filename(file)
                on_pypi = accelerator == "pypi"
                found[project, version.public].update(
                    cell
                    for cell in cells_of(file, accelerator)
                    if on_pypi == cell.platform.startswith("macos")
                )
    return found


LISTED = listed()


def accelerators_on(record: dict[str, Any], key: str) -> set[str]:
    """Accelerators with a build of torch on a platform of PyTorch's index."""
    builds = record["accelerators"]
    found = {*builds["cuda"].get(key, ()), *(["cpu"] if key in builds["cpu"] else [])}
    if key == "linux_x86_64":
        found.update(builds["rocm_linux_x86_64_only"])
    if builds["xpu"] and builds["xpu"]["index"] == "whl/xpu" and builds["xpu"].get(key):
        found.add("xpu")
    return found


def seen(version: str) -> set[Cell]:
    """The wheels of torch that there is evidence of."""
    record = RECORD[version]
    extra = record.get("extra_pythons_on_download_pytorch_org", {})
    found = set(LISTED["torch", version])
    for key, platform in NAMES.items():
        pythons = offered(record["pythons"].get(key, ()))
        if platform.startswith("macos"):
            found.update(Cell(python, "pypi", platform) for python in pythons)
        else:
            pythons |= offered([*extra.get("all", ()), *extra.get(key, ())])
            found.update(Cell(p, name, platform) for p in pythons for name in accelerators_on(record, key))
    return {cell for cell in found if cell.accelerator not in NOT_OFFERED}


def codec_seen(codec: dict[str, Any] | None, wanted: Cell) -> bool:
    """Whether a recorded release of torchcodec has a wheel."""
    if codec is None or wanted.python not in codec["pythons"]:
        return False
    recorded = {platform: codec["index"].get(key, []) for key, platform in NAMES.items()}
    recorded |= {NAMES[key]: ["pypi"] for key in codec["pypi"] if key.startswith("macos")}
    return wanted.accelerator in recorded[wanted.platform]


def companion_seen(name: str, number: str, wanted: Cell) -> bool:
    """Whether a release of a companion has a wheel, where torch has one."""
    if wanted in LISTED[name, number]:
        return True
    if name == "torchcodec":
        return codec_seen(FACTS["torchcodec"]["releases"].get(number), wanted)
    recorded = (record for record in RECORD.values() if record["pythons"] and record[name] == number)
    record = next(recorded, None)
    if record is None:
        return False
    pythons = record[f"{name}_pythons_linux_x86_64"]
    extra = record.get("extra_pythons_on_download_pytorch_org", {})
    if name == "torchvision" and "torch + torchvision" in extra.get("note", ""):
        pythons = [*pythons, *extra["all"]]
    if wanted.python not in pythons and pythons != ["any (py3-none)"]:
        return False
    if name == "torchaudio" and number == FACTS["torchaudio"]["last_on_pypi"]:
        return wanted.accelerator in {"pypi", *FACTS["torchaudio"]["local_versions_seen_2_11_0"]}
    no_rocm = any("torchvision/torchaudio cp312 wheels missing" in note for note in record.get("notes", ()))
    return not (no_rocm and wanted.accelerator.startswith("rocm") and wanted.python == "3.12")


# The table --------------------------------------------------------------------------------------------------


def stated(version: str) -> set[Cell]:
    """The wheels of torch that the table has."""
    release = RELEASES[version]
    index = {
        Cell(python, accelerator, platform)
        for python, builds in release["wheels"].items()
        for accelerator, platforms in builds.items()
        for platform in platforms
    }
    return index | {
        Cell(python, "pypi", name) for python, names in release["macos"].items() for name in names
    }


@pytest.fixture(params=RECORD)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_release_is_there_newest_first() -> None:
    assert list(RELEASES) == sorted(RELEASES, key=Version, reverse=True)
    assert set(RELEASES) >= set(RECORD)


def test_every_wheel_that_was_seen_and_no_other(version: str) -> None:
    reasons = RELEASES[version]["left_out"]
    left_out = {cell for cell in seen(version) if cell.platform in reasons.get(cell.accelerator, {})}
    assert stated(version) == seen(version) - left_out
    # Nothing is left out that is not there, and nothing without a reason.
    assert {(cell.accelerator, cell.platform) for cell in left_out} == {
        (accelerator, platform) for accelerator, platforms in reasons.items() for platform in platforms
    }
    assert all(reason for platforms in reasons.values() for reason in platforms.values())


def test_oldest_macos(version: str) -> None:
    record = RECORD[version]
    tags = [*record["platform_tags"]["macos_arm64"]] if "macos_arm64" in record["pythons"] else []
    for file in record.get("wheels", {}).get("pypi", ()):
        project, _, _, file_tags = parse_wheel_filename(file)
        tags += [tag.platform for tag in file_tags if project == "torch"]
    oldest = {int(tag.split("_")[1]) for tag in tags if re.fullmatch(r"macosx_\d+_\d+_arm64", tag)}
    assert RELEASES[version]["macos_oldest"] == min(oldest, default=11)


def test_companions(version: str) -> None:
    release = RELEASES[version]
    assert [*release["companions"]] == [name for name in BUILDS["companions"] if name in RECORD[version]]
    for name, companion in release["companions"].items():
        assert companion["version"] == RECORD[version][name]
        gaps: dict[str, dict[str, list[str]]] = {}
        for python, builds in release["wheels"].items():
            for accelerator, platforms in builds.items():
                missing = [
                    platform
                    for platform in [*platforms, *release["macos"].get(python, ())]
                    if not companion_seen(name, companion["version"], cell_for(python, accelerator, platform))
                ]
                if missing:
                    gaps.setdefault(python, {})[accelerator] = missing
        assert companion["without"] == gaps, name


def test_numpy(version: str) -> None:
    expected = {
        True: ["numpy<2"],
        "windows only": ["numpy", "numpy<2; sys_platform == 'win32'"],
        False: ["numpy"],
    }
    assert RELEASES[version]["numpy"] == expected[RECORD[version]["numpy_lt_2_required"]]


def test_triton(version: str) -> None:
    """The package beside torch's builds of a family, as the record or the metadata that refresh read names it."""
    expected = {}
    for accelerator in {cell.accelerator for cell in stated(version)} - {"pypi"}:
        family = ACCELERATORS[accelerator]["family"]
        if family in ("rocm", "xpu"):
            requires = RECORD[version].get("requires", {}).get(accelerator, ())
            read = [name for name in (Requirement(line).name for line in requires) if "triton" in name]
            expected[family] = read[0] if read else RECORD[version]["triton_packages"][family]
    assert RELEASES[version]["triton"] == expected


def test_pythons_are_those_of_the_wheels() -> None:
    pythons = {python for release in RELEASES.values() for python in (*release["wheels"], *release["macos"])}
    assert BUILDS["pythons"] == sorted(pythons, key=Version)


def accelerators_seen() -> set[str]:
    return {cell.accelerator for version in RECORD for cell in seen(version)} - {"pypi"}


def test_accelerators_are_those_of_the_evidence() -> None:
    unchecked = {
        key
        for version in RELEASES.keys() - RECORD.keys()
        for builds in RELEASES[version]["wheels"].values()
        for key in builds
    }
    assert accelerators_seen() <= set(ACCELERATORS) <= accelerators_seen() | unchecked
    for key, row in ACCELERATORS.items():
        digits = key.removeprefix("cu").removeprefix("rocm")
        cuda_or_rocm = (
            ("rocm", f"ROCm {digits}") if "." in digits else ("cuda", f"CUDA {digits[:2]}.{digits[2:]}")
        )
        expected = {"cpu": ("cpu", "CPU"), "xpu": ("xpu", "XPU")}.get(key, cuda_or_rocm)
        assert (row["family"], row["label"]) == expected


def test_driver_floors() -> None:
    floors = FACTS["drivers"]["minor_version_compatibility"]
    for key in accelerators_seen():
        row = ACCELERATORS[key]
        if row["family"] != "cuda":
            assert row["drivers"] == {}
            continue
        floor = floors[f"cuda{row['label'].removeprefix('CUDA ').partition('.')[0]}"]
        recorded = {system: floor[system].removeprefix(">=").split(" ")[0] for system in ("linux", "windows")}
        assert row["drivers"] == recorded, key


# Keys of the record's section gpu_archs: the first release, on x86-64, that each is about.
ARCHS = {
    "cu126": {"2.7.0": "cu126 (2.7-2.14)"},
    "cu128": {"2.7.0": "cu128 2.7", "2.8.0": "cu128 2.8-2.10", "2.11.0": "cu128 2.11"},
    "cu130": {"2.9.0": "cu130, cu132"},
}
AS = {"cu129": "cu128", "cu132": "cu130"}  # cu129 is "as cu128 of the same release"


def recorded_archs(version: str, accelerator: str, machine: str) -> list[str] | None:
    """Architectures of a build in the record, None where it has none."""
    record = FACTS["gpu_archs"]
    if machine == "aarch64":
        names = {name: archs for key, archs in record["aarch64"].items() for name in key.split(", ")}
        numbers = names.get(accelerator) if Version(version) >= Version("2.7") else None
    else:
        keys = ARCHS.get(AS.get(accelerator, accelerator), {}).items()
        begun = [key for first, key in keys if Version(first) <= Version(version)]
        numbers = record[begun[-1]]["x86_64"] if begun else None
    return numbers and [f"sm_{number}" for number in numbers]


def test_archs() -> None:
    checked = 0
    for version in RECORD:
        for _, accelerator, platform in stated(version):
            machine = BUILDS["platforms"][platform]["machine"]
            if accelerator == "pypi" or not (recorded := recorded_archs(version, accelerator, machine)):
                continue
            archs = RELEASES[version]["archs"][accelerator][machine]
            assert archs == recorded, (version, accelerator, platform)
            checked += 1
    assert checked


def test_archs_name_their_source() -> None:
    """RELEASE.md is what the record has; builds that it does not have are read from build scripts."""
    rows = yaml.safe_load((ROOT / "data/accelerators.yml").read_text("utf-8"))["accelerators"]
    for key in accelerators_seen():
        recorded = any(recorded_archs(version, key, "x86_64") for version in RECORD)
        source = rows[key].get("archs", {}).get("source")
        if ACCELERATORS[key]["family"] == "cuda":
            assert source == ("RELEASE.md" if recorded else "build scripts"), key
        else:
            assert source is None, key


def test_defaults_are_the_newest_that_ci_can_test_on_linux() -> None:
    """CI tests projects for GPUs on the CPU's build of the same release."""
    checked = 0
    for python in BUILDS["pythons"]:
        for accelerator in ACCELERATORS:
            having = {
                version: release["wheels"].get(python, {}).get(accelerator, [])
                for version, release in RELEASES.items()
            }
            anywhere = [version for version, platforms in having.items() if platforms]
            linux = [
                version
                for version in anywhere
                if "linux-x86_64" in having[version]
                and "linux-x86_64" in RELEASES[version]["wheels"][python].get("cpu", [])
            ]
            default = max(linux or anywhere, key=Version, default=None)
            assert BUILDS["defaults"][python].get(accelerator) == default, (python, accelerator)
            checked += default is not None
    assert checked > len(ACCELERATORS)


ENTRY = """\
{version}:
  pythons: {pythons}
  torchvision: 0.99.0
  torchaudio: {version}
  macos: {{platforms: [macos-arm64], oldest: 14}}
  wheels:
    cpu: [linux-x86_64, linux-aarch64, windows-x86_64]
    {cuda}: [linux-x86_64]

"""


def test_a_release_is_one_entry(template: Path, tmp_path: Path) -> None:
    changed = tmp_path / "template"
    shutil.copytree(template, changed)
    newest = Version(next(iter(RELEASES)))
    version = f"{newest.major}.{newest.minor + 1}.0"
    last = f"3.{Version(BUILDS['pythons'][-1]).minor + 1}"
    first, *_ = pythons = [*BUILDS["pythons"][-3:], last]
    after_last = f"3.{Version(last).minor + 1}"
    retired, *_, cuda = (key for key in BUILDS["defaults"][first] if ACCELERATORS[key]["family"] == "cuda")

    file = changed / "data/builds.yml"
    head, key, rest = file.read_text("utf-8").partition(f"{newest}:\n")
    file.write_text(
        head + ENTRY.format(version=version, pythons=json.dumps(pythons), cuda=cuda) + key + rest, "utf-8"
    )
    output = changed / "rules/builds.json"
    run(
        sys.executable,
        ROOT / "scripts/compile.py",
        "--data",
        changed / "data",
        "--output",
        output,
        cwd=tmp_path,
    )

    def render(folder: str, **answers: object) -> dict[str, Any]:
        run_copy(str(changed), tmp_path / folder, data=answers, defaults=True, quiet=True)
        return tomllib.loads((tmp_path / folder / "pyproject.toml").read_text("utf-8"))

    project = render("cpu", python_version=first, companions=["torchvision", "torchaudio"])
    packages = [f"torch=={version}", "torchvision==0.99.0", f"torchaudio=={version}"]
    assert project["project"]["dependencies"][:3] == packages
    assert project["project"]["requires-python"] == f">={first},<{after_last}"
    assert len(project["tool"]["uv"]["environments"]) == 4
    assert render("newest", python_version=last)["project"]["requires-python"] == f">={last},<{after_last}"
    gpu = render("gpu", python_version=first, accelerator=cuda)
    assert gpu["project"]["dependencies"][0] == f"torch=={version}"
    assert len(gpu["tool"]["uv"]["environments"]) == 2  # Linux on x86-64, and macOS
    ends = BUILDS["defaults"][first][retired]
    with pytest.raises(ValueError, match=rf"torch_version={re.escape(ends)} or accelerator={cuda}"):
        render("refused", python_version=first, accelerator=retired, torch_version=version)
