"""What is measured: this template, an empty one, and one with our questions and files as fixed text; and a real torch.

Tests render and install the same.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def working_tree() -> list[Path]:
    """Return the files that git knows or would add."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


PARTS = {"copier.yml", "data", "rules", "template", "scripts", ".gitattributes"}
"""What Copier and adopt.py read; the other files would only be copied from clone to clone."""


def this_template(folder: Path) -> Path:
    """Copy the template as it is in the working tree, without its history."""
    return copied([file for file in working_tree() if file.relative_to(ROOT).parts[0] in PARTS], folder)


def copied(files: list[Path], folder: Path) -> Path:
    """Copy files of the working tree into a folder."""
    for file in files:
        place = folder / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return folder


def empty_template(folder: Path) -> Path:
    """Make a template that asks nothing and renders its answers file alone."""
    (folder / "template").mkdir(parents=True)
    (folder / "copier.yml").write_text("_subdirectory: template\n")
    answers = folder / "template" / "{{ _copier_conf.answers_file }}.jinja"
    answers.write_text("{{ _copier_answers | to_nice_yaml -}}\n")
    return folder


def fixed_template(folder: Path, ours: Path) -> Path:
    """Make a template with our questions and files and nothing to compute: the defaults as fixed text."""
    copy(ours, folder / "template")
    answers = yaml.safe_load((folder / "template/.copier-answers.yml").read_text())
    (folder / "template/.copier-answers.yml").unlink()
    questions: dict[str, object] = {"_subdirectory": "template"}
    for name, answer in answers.items():
        if not name.startswith("_"):
            choices = answer if isinstance(answer, list) else [answer]
            questions[name] = {
                "type": "str",
                "help": name,
                "default": answer,
                "multiselect": isinstance(answer, list),
            }
            if answer and name not in ("project_name", "description"):
                questions[name]["choices"] = choices
    (folder / "copier.yml").write_text(yaml.safe_dump(questions, sort_keys=False))
    empty_answers = "{{ _copier_answers | to_nice_yaml -}}\n"
    (folder / "template/{{ _copier_conf.answers_file }}.jinja").write_text(empty_answers)
    return folder


def as_repository(template: Path, tag: str = "0.1.0") -> Path:
    """Commit all of a folder, which may be a repository already, and tag it as a version."""
    identity = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com"]
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "-m", "x"],
        ["tag", "-a", tag, "-m", "x"],
    ):
        subprocess.run(["git", *identity, *command], cwd=template, check=True)
    return template


def copy(template: Path, project: Path) -> None:
    """Render with defaults, as a process of its own that may keep compiled bytecode."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", str(template), str(project)]
    subprocess.run(command, check=True, capture_output=True, env=environment)


def torch_wheel(folder: Path, requirement: str = "torch") -> Path | None:
    """Fetch a CPU wheel of torch for the running Python into `folder`.

    It comes from where pip finds wheels offline, else from PyTorch's index; None if neither has one.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    for place in (["--no-index"], ["--index-url=https://download.pytorch.org/whl/cpu", "--retries=1"]):
        subprocess.run([*pip, *place, requirement], capture_output=True)
        for wheel in folder.glob("torch-*.whl"):
            return wheel
    return None
