"""scripts/compile.py: what it makes of data/, and what it refuses in one line."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support import ROOT, TABLE, run

Compile = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT / "data", tmp_path / "data")


@pytest.fixture
def compiled(data: Path, tmp_path: Path) -> Compile:
    """Run the command on the copy of data/; the table goes to builds.json beside it."""

    def compiled(*options: str) -> subprocess.CompletedProcess[str]:
        places = ["--data", data, "--output", tmp_path / "builds.json"]
        return run(sys.executable, ROOT / "scripts/compile.py", *places, *options, cwd=tmp_path, check=False)

    return compiled


def table(compiled: Compile, tmp_path: Path) -> dict:
    assert compiled().returncode == 0
    return json.loads((tmp_path / "builds.json").read_bytes())


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_check_says_in_one_line_that_the_table_is_stale(
    compiled: Compile, data: Path, tmp_path: Path
) -> None:
    assert compiled("--check").returncode == 1  # there is none yet
    assert table(compiled, tmp_path) == TABLE
    assert compiled("--check").returncode == 0
    edit(data / "mirrors.yml", "label: Aliyun", "label: aliyun")
    stale = compiled("--check")
    assert stale.returncode == 1
    assert stale.stderr == "compile: builds.json is outdated: run scripts/compile.py\n"
    assert compiled("--check").returncode == 1  # it wrote nothing


def test_the_table_here_is_what_data_gives(tmp_path: Path) -> None:
    assert run(sys.executable, ROOT / "scripts/compile.py", "--check", cwd=tmp_path).stderr == ""


def test_the_table_is_small_and_has_a_line_for_each_fact() -> None:
    text = (ROOT / "rules/builds.json").read_text(encoding="utf-8")
    releases = json.loads(text)["releases"]
    assert len(text.encode()) < 100_000 + 6_000 * (len(releases) - 26)  # a release adds some 5 KB
    assert re.search(r'^"cpu": \["linux-x86_64"', text, re.MULTILINE)


def test_a_companion_lacks_what_its_entry_says(compiled: Compile, data: Path, tmp_path: Path) -> None:
    (data / "companions.yml").write_text(
        "torchvision:\n"
        '  0.29.1: {pythons: ["3.10", "3.11"]}\n'
        "torchaudio:\n"
        "  2.11.0: {accelerators: [cpu]}\n"
        "  2.9.1:\n"
        "    without:\n"
        '      - {accelerators: [cu126], pythons: ["3.12"]}\n'
        "      - {accelerators: [cu128, cu130], platforms: [windows-x86_64]}\n"
        '      - {pythons: ["3.13"], platforms: [linux-aarch64, macos-arm64]}\n'
    )
    releases = table(compiled, tmp_path)["releases"]
    vision, audio = releases["2.14.1"]["companions"].values()
    assert set(vision["without"]) == {"3.12", "3.13", "3.14", "3.15"}
    assert vision["without"]["3.12"]["cpu"] == [
        "linux-x86_64",
        "linux-aarch64",
        "windows-x86_64",
        "macos-arm64",
    ]
    assert "cpu" not in audio["without"]["3.12"]
    assert audio["without"]["3.12"]["rocm7.2"] == ["linux-x86_64"]
    wheels, without = (
        releases["2.9.1"]["wheels"]["3.12"],
        releases["2.9.1"]["companions"]["torchaudio"]["without"],
    )
    windows = {"cu128": ["windows-x86_64"], "cu130": ["windows-x86_64"]}
    assert without["3.11"] == windows
    assert without["3.12"] == {"cu126": wheels["cu126"], **windows}
    assert without["3.13"]["cpu"] == ["linux-aarch64", "macos-arm64"]
    assert without["3.13"]["cu130"] == ["linux-aarch64", "windows-x86_64", "macos-arm64"]
    assert without["3.13"]["rocm6.4"] == ["macos-arm64"]  # PyPI's, which each accelerator has there


def test_wheels_that_cannot_be_used_are_left_out(compiled: Compile, tmp_path: Path) -> None:
    release = table(compiled, tmp_path)["releases"]["2.1.0"]
    assert release["wheels"]["3.11"]["cu118"] == ["linux-x86_64"]
    assert set(release["left_out"]) == {"cu118", "cu121"}
    assert set(release["left_out"]["cu118"]) == {"windows-x86_64"}


def test_cards_say_what_runs_them() -> None:
    rows = {card: row for row in TABLE["cards"] for card in row["cards"]}
    assert rows["RTX 4090"]["archs"] == ["sm_80", "sm_86"]
    assert "machine" not in rows["H100"]
    assert rows["GH200"] == rows["H100"] | {"machine": "aarch64", "cards": ["GH200"]}
    assert rows["Jetson Orin NX"]["own_builds"]
    assert rows["Jetson Orin NX"]["archs"] == []
    mi300, mi50, none = (rows[name] for name in ("MI300X", "MI50", "RX 6700 XT"))
    assert (mi300["accelerators"][0], mi300["torch"]) == ("rocm6.0", "2.3.0")
    assert (mi50["accelerators"][-1], mi50["torch"]) == (
        "rocm6.3",
        "2.1.0",
    )  # ROCm 6.4 has no libraries for it
    assert (none["accelerators"], none.get("torch")) == ([], None)
    assert rows["Arc B580"]["torch"] == "2.7.0"
    names = yaml.safe_load((ROOT / "data/cards.yml").read_text())
    listed = [
        card
        for maker in names.values()
        for row in maker["series"]
        for card in row["cards"] + row.get("more", [])
    ]
    assert sorted(rows) == sorted(listed)


def test_a_release_that_cards_do_not_name_is_like_the_newest(
    compiled: Compile, data: Path, tmp_path: Path
) -> None:
    cards = yaml.safe_load((data / "cards.yml").read_text())
    cards["amd"]["wheels"][-1]["torch"] = ["9.9"]
    (data / "cards.yml").write_text(yaml.safe_dump(cards))
    assert table(compiled, tmp_path)["cards"] == TABLE["cards"]


@pytest.mark.parametrize("page", ["builds.md", "builds.zh-CN.md"])
def test_the_page_names_all_keys(page: str) -> None:
    """And its example is true."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    assert sorted(key for row in rows for key in re.findall("`(.*?)`", row)) == sorted(
        TABLE.keys() - {"schema"}
    )
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert run(sys.executable, "-c", example, cwd=ROOT / "rules").stdout == "True\n"


def test_the_menu_begins_with_what_has_the_newest_torch() -> None:
    """In a family: the oldest accelerator of the newest torch first, then older releases, the newest first."""
    rows = TABLE["defaults"]["3.12"]
    cuda = [key for key in rows if TABLE["accelerators"][key]["family"] == "cuda"]
    assert cuda[:2] == ["cu126", "cu130"]
    assert cuda[-1] == "cu118"
    assert next(iter(rows)) == "cpu"
    assert list(rows)[-1] == "xpu"


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("builds", "    cu126: [linux-x86_64", "    cu999: [linux-x86_64", ": cu999 is not known"),
        ("builds", "    cu128: [sm_70", "    cu999: [sm_70", ": cu999 is not known"),
        ("builds", "cpu: [windows-x86_64]", "cpu: [windows-x86_64, solaris]", "cpu: solaris is not known"),
        ("builds", "cpu: [windows-x86_64]", "cpu: [macos-arm64]", "cpu: macos-arm64 is not known"),
        ("builds", "cpu: [windows-x86_64]", "cpu: windows-x86_64", "/wheels/cpu: 'windows-x86_64' is not of type 'array'"),
        ("builds", '["3.11", "3.12"', "[3.11, 3.12", "/pythons/0: 3.11 is not of type 'string'"),
        ("builds", "  torchvision: 0.29.2\n", "  torchvisoin: 0.29.2\n", "'torchvisoin' was unexpected"),
        ("builds", "\n2.14.0:", "\n2.14.1:", "2.14.1 is there twice"),
        ("builds", "\n2.15.0:", "\n2.13.9:", "the newest release must be first"),
        ("builds", "  triton: {rocm: triton-rocm, xpu: triton-xpu}\n", "", "triton names a package for [] and there are builds for ['rocm', 'xpu']"),
        ("builds", "2.15.0:", "2.15.0: [", "builds.yml cannot be read"),
        ("companions", "  0.28.0:", "  0.99.0:", "torchvision 0.99.0 belongs to no release in builds.yml"),
        ("companions", "accelerators: [cpu, cu126", "accelerators: [cpu, cu127", "torchaudio 2.11.0: cu127 is not known"),
        ("companions", "- {accelerators: [cu126", "- {accelerators: [cu127", "torchcodec 0.16.0: cu127 is not known"),
        ("companions", "[linux-aarch64, windows-x86_64]", "[linux-arm64, windows-x86_64]", "torchcodec 0.4.0: linux-arm64 is not known"),
        ("mirrors", "[cpu, cu121,", "[cpu, cu122,", "mirrors.yml: sjtu: cu122 is not known"),
        ("mirrors", "format: flat", "format: round", "'round' is not one of ['simple', 'flat']"),
        ("accelerators", '"13": {linux', '"14": {linux', "cu130: drivers/cuda lacks the major release of CUDA 13.0"),
        ("accelerators", "checked: 2026-11-23", "checked: last week", "accelerators.yml: drivers/checked"),
        ("accelerators", "checked: 2026-11-23", "checked: 2026-11-31", "'2026-11-31' is not a 'date'"),
        ("accelerators", "family: xpu", "family: cpu", "accelerators must be grouped by family"),
        ("platforms", "system: windows", "system: dos", "'dos' is not one of"),
        ("cards", 'codename: Battlemage, kind: desktop, menu: true, torch: "2.7"', 'codename: Battlemage, kind: desktop, menu: true, torch: "1.7"', "cards.yml: Arc B: builds.yml has no torch 1.7"),
        ("cards", '- torch: ["2.5"]\n      architectures: [gfx900', '- torch: ["2.5"]\n      architectures: [gfx901', "cards.yml: gfx900: torch 2.5.1 for rocm6.1 breaks the order of releases"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(
    compiled: Compile, data: Path, tmp_path: Path, file: str, old: str, new: str, says: str
) -> None:
    edit(data / f"{file}.yml", old, new)
    done = compiled()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("compile: ")
    assert says in line
    assert not (tmp_path / "builds.json").exists()


def test_editors_can_use_the_schemas() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    for file in sorted((ROOT / "data").glob("*.yml")):
        assert file.read_text(encoding="utf-8").startswith(
            f"# yaml-language-server: $schema=schemas/{file.stem}.json\n"
        )
        schema = ROOT / f"data/schemas/{file.stem}.json"
        run(check, "--check-metaschema", schema, cwd=ROOT)
        run(check, "--schemafile", schema, file, cwd=ROOT)
