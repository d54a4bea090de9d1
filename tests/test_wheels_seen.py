"""Every wheel that facts/wheels-seen.tsv names can be chosen, and every build that can be chosen has evidence.

The file holds what public lock files, transcripts and PyPI name. It is read here alone, and what can be chosen is
read off rules/builds.json, which the questions look everything up in.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from replica import ACCELERATORS, WITH_EVIDENCE, Replica
from support import ROOT
from wheels import Cell, cells_of

BUILDS = json.loads((ROOT / "rules/builds.json").read_text("utf-8"))
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
# Kinds of rows: what somebody saw, and what only says that a wheel should be made.
SIGHTINGS = {"file name", "promoted to PyPI", "index probe", "version string"}
NO_SIGHTINGS = {"build recipe"}
# The CUDA wheels of these require triton==2.1.0 without a marker, so that no lock with Windows works (pytorch#114042).
LEFT_OUT = [(torch, accelerator) for torch in ("2.1.0", "2.1.1") for accelerator in ("cu118", "cu121")]


class Row(NamedTuple):
    """A row, with the file's columns."""

    torch: str
    package: str
    python: str
    accelerator: str
    platform: str
    file: str
    kind: str
    source: str

    @property
    def pythons(self) -> list[str]:
        """Those that the wheel is for: every one where the row names none, and none for a free-threaded one."""
        named = re.sub(r"^cp3", "3.", self.python)
        return [python for python in PYTHONS if named in ("", python)]


def rows() -> list[Row]:
    """The sightings of wheels that this template is about."""
    with (ROOT / "tests/facts/wheels-seen.tsv").open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        found = [Row(*fields) for fields in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    assert {row.kind for row in found} <= SIGHTINGS | NO_SIGHTINGS
    return [
        row
        for row in found
        if row.kind in SIGHTINGS and row.pythons and Version(row.torch) >= Version("2.1.0")
    ]


ROWS = rows()


def chosen(row: Row, python: str) -> bool:
    """Whether somebody who answers so gets the row's wheel."""
    release = BUILDS["releases"][row.torch]
    there = (
        release["macos"].get(python, [])
        if row.platform.startswith("macos")
        else release["wheels"].get(python, {}).get(row.accelerator, [])
    )
    if row.package == "torch" or row.platform not in there:
        return row.platform in there
    companion = release["companions"][row.package]
    version = companion["version"] if row.file == "-" else parse_wheel_filename(row.file)[1].public
    lacking = companion["without"].get(python, {}).get(row.accelerator, [])
    return version == companion["version"] and row.platform not in lacking


def left_out(row: Row) -> bool:
    return (row.torch, row.accelerator) in LEFT_OUT and row.platform == "windows-x86_64"


def test_every_wheel_seen_can_be_chosen(record_property: Callable[[str, object], None]) -> None:
    checked = [row for row in ROWS if not left_out(row)]
    missing = [row for row in checked if not any(chosen(row, python) for python in row.pythons)]
    assert not missing
    # At least as many as on 2026-11-25, so that a file that is cut short is noticed.
    counts = Counter(row.package for row in checked)
    assert counts >= Counter(torch=579, torchvision=258, torchaudio=148, torchcodec=70)
    record_property("wheels seen that can be chosen", len(checked))


@pytest.mark.parametrize(("torch", "accelerator"), LEFT_OUT)
def test_wheels_that_cannot_be_used_have_the_reason(torch: str, accelerator: str) -> None:
    release = BUILDS["releases"][torch]
    assert "triton" in release["left_out"][accelerator]["windows-x86_64"]
    builds = [row[accelerator] for row in release["wheels"].values()]
    assert builds
    assert all("linux-x86_64" in row and "windows-x86_64" not in row for row in builds)


def test_the_replica_serves_every_wheel_seen(replica: Replica) -> None:
    """Names as they were seen: tags, local versions, and what has none."""
    named = [row for row in ROWS if row.file != "-"]
    pypi = replica.wheels(None)
    missing = [
        row
        for row in named
        if row.file not in (pypi if row.kind == "promoted to PyPI" else replica.wheels(row.accelerator))
    ]
    assert not missing
    assert len(named) > 900


def test_every_build_has_evidence(replica: Replica, record_property: Callable[[str, object], None]) -> None:
    """A row here, or a wheel of the replica, which is made of the record and facts/releases/."""
    for version in WITH_EVIDENCE:
        seen = {
            Cell(python, row.accelerator, row.platform)
            for row in ROWS
            for python in row.pythons
            if (row.torch, row.package) == (version, "torch")
        }
        recorded = {
            cell
            for accelerator in ACCELERATORS
            for file in replica.wheels(accelerator)
            if file.startswith((f"torch-{version}+", f"torch-{version}-"))
            for cell in cells_of(file, accelerator)
        }
        stated = {
            Cell(python, accelerator, platform)
            for python, builds in BUILDS["releases"][version]["wheels"].items()
            for accelerator, platforms in builds.items()
            for platform in platforms
        }
        assert stated <= seen | recorded, version
        record_property("builds", len(stated))
        record_property("builds that wheels-seen.tsv names", len(stated & seen))
