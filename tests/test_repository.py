"""What holds across the files of this repository."""

import sys
from pathlib import Path

import yaml
from support import ROOT, commands, run


def test_ci_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci/run").read_text().splitlines()
    (block,) = commands(readme, "More")
    assert set(block.splitlines()) <= set(script)


def test_nothing_needs_trust() -> None:
    """Reading the project's own answers file is allowed; tests render and update with unsafe=False."""
    settings = {
        name.value: value
        for document in yaml.compose_all((ROOT / "copier.yml").read_text())
        if isinstance(document, yaml.MappingNode)
        for name, value in document.value
        if name.value.startswith("_")
    }
    assert not set(settings) & {"_tasks", "_migrations", "_jinja_extensions"}
    assert [place.value for _, place in settings["_external_data"].value] == [
        "{{ _copier_conf.answers_file }}"
    ]


def test_the_table_is_fresh_and_as_its_schema_says() -> None:
    run(sys.executable, "scripts/compile.py", "--check", cwd=ROOT)
    check = Path(sys.executable).with_name("check-jsonschema")
    run(check, "--schemafile", "rules/builds.schema.json", "rules/builds.json", cwd=ROOT)


def test_ruff_is_content() -> None:
    ruff = Path(sys.executable).with_name("ruff")
    run(ruff, "check", ".", cwd=ROOT)
    run(ruff, "format", "--check", ".", cwd=ROOT)


def test_what_github_reads_is_valid() -> None:
    folder = ROOT / ".github/ISSUE_TEMPLATE"
    check = Path(sys.executable).with_name("check-jsonschema")
    run(check, "--builtin-schema=vendor.dependabot", ROOT / ".github/dependabot.yml", cwd=ROOT)
    forms = sorted(set(folder.iterdir()) - {folder / "config.yml"})
    assert len(forms) == 2
    run(check, "--builtin-schema=vendor.github-issue-forms", *forms, cwd=ROOT)
    run(check, "--builtin-schema=vendor.github-issue-config", folder / "config.yml", cwd=ROOT)
    for form in forms:
        fields = [field for field in yaml.safe_load(form.read_text())["body"] if field["type"] != "markdown"]
        assert len({field["id"] for field in fields}) == len(fields)
    build = (folder / "build.yml").read_text()
    assert ".copier-answers.yml" in build
    assert "uv run test-uv --json" in build
