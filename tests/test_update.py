"""`copier update` from one build to another, on a project without edits."""

import re
from pathlib import Path

import pytest
from pytest_copier.plugin import CopierFixture
from support import commit, run


def test_update_to_another_build_equals_a_fresh_render(copier: CopierFixture, tmp_path: Path) -> None:
    project = copier.copy(tmp_path / "project", project_name="project")
    commit(project.path)
    project.update(accelerator="cu130")
    fresh = copier.copy(tmp_path / "fresh", project_name="project", accelerator="cu130")
    project.assert_equal(fresh.path, ignore=[".git"])
    assert project.load_answers(project.path) == fresh.answers


def test_update_keeps_a_saved_answer_that_is_not_the_default(copier: CopierFixture, tmp_path: Path) -> None:
    project = copier.copy(tmp_path / "project", accelerator="cu118")
    commit(project.path)
    project.update(description="new")
    assert project.load_answers(project.path)["accelerator"] == "cu118"
    assert project.load_answers(project.path)["torch_version"] == "2.7.1"


def test_update_to_an_impossible_build_stops_and_says_what_to_pass(
    copier: CopierFixture, tmp_path: Path
) -> None:
    project = copier.copy(tmp_path / "project")
    commit(project.path)
    with pytest.raises(
        ValueError, match=r"cu118 ends with torch 2\.7\.1: use torch_version=2\.7\.1 or accelerator="
    ):
        project.update(accelerator="cu118")
    assert run("git", "status", "--porcelain", cwd=project.path).stdout == ""
    project.update(accelerator="cu118", torch_version="2.7.1")
    assert project.load_answers(project.path)["accelerator"] == "cu118"


def test_saved_answer_that_became_impossible_stops_the_update(copier: CopierFixture, tmp_path: Path) -> None:
    """Copier alone would take the default, cpu, and say nothing."""
    project = copier.copy(tmp_path / "project", accelerator="cu118")
    commit(project.path)
    facts = copier.template / "data/torch.yml"
    before = facts.read_text()
    facts.write_text(re.sub(r"(?m)^ +cu118 .*\n", "", before))
    try:
        run("git", "commit", "--quiet", "--all", "--message=Retire cu118", cwd=copier.template)
        run("git", "tag", "100.0.0", cwd=copier.template)
        with pytest.raises(ValueError, match=r"cu118 has no wheels for Python 3\.12: use accelerator=cu\d+$"):
            project.update()
    finally:
        facts.write_text(before)
        run("git", "tag", "--delete", "100.0.0", cwd=copier.template)
        run("git", "reset", "--quiet", "--hard", "HEAD~", cwd=copier.template)
    assert run("git", "status", "--porcelain", cwd=project.path).stdout == ""
    assert project.load_answers(project.path)["accelerator"] == "cu118"
