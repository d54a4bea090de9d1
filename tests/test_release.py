"""scripts/release.py on repositories with tags: the notes it prints, and what it refuses."""

import re
import shutil
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from packaging.version import Version
from support import ROOT, commit, run

CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- Something to come.

## [0.2.0] - 2026-12-24

### Changed

- Something that people see.

## [0.1.0] - 2026-11-23

### Added

- Something.
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/release.py", tmp_path / "scripts")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    commit(tmp_path)
    return tmp_path


def tag(repository: Path, name: str, *, annotated: bool = True) -> CompletedProcess[str]:
    """Make a tag and run the script on it."""
    run("git", "tag", *(["--annotate", "--message=x"] if annotated else []), name, cwd=repository)
    return run(sys.executable, "scripts/release.py", name, cwd=repository, check=False)


def test_notes_are_the_section_of_the_tag(repository: Path) -> None:
    first = tag(repository, "v0.1.0")
    assert (first.returncode, first.stdout) == (0, "### Added\n- Something.\n")
    second = tag(repository, "v0.2.0")
    assert (second.returncode, second.stdout) == (0, "### Changed\n- Something that people see.\n")


@pytest.mark.parametrize(
    ("name", "annotated", "says"),
    [
        ("v0.2.0", False, "v0.2.0 is not annotated"),
        ("v0.3.0", True, r"no section `## [0.3.0] - YYYY-MM-DD`"),
        ("v0.2", True, "no section"),
        ("v01.0", True, "for example v0.2.0"),
        ("0.2.0", True, "for example v0.2.0"),
        ("version-2", True, "for example v0.2.0"),
    ],
)
def test_what_is_refused(repository: Path, name: str, annotated: bool, says: str) -> None:
    done = tag(repository, name, annotated=annotated)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert says in line


def test_older_than_the_newest_is_refused(repository: Path) -> None:
    assert tag(repository, "v0.2.0").returncode == 0
    done = tag(repository, "v0.1.0")
    assert done.returncode == 1
    assert "older than v0.2.0" in done.stderr


def test_changelog_describes_the_version_of_pyproject() -> None:
    versions = re.findall(
        r"^## \[(.+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert versions == sorted(versions, key=Version, reverse=True)
    assert f'version = "{versions[0]}"' in (ROOT / "pyproject.toml").read_text()
