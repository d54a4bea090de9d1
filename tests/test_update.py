"""`copier update` from one build to another, on a project without edits."""

from pathlib import Path

from pytest_copier.plugin import CopierFixture
from support import commit


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
