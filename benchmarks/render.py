"""What rendering costs: `copier copy --defaults` of this template against an empty one, side by side.

    uv run benchmarks/render.py [--pairs N]

Each pair runs both templates once, as whole processes, in alternating order; the figure is the median of the pairs'
ratios. It is taken with both templates as plain folders, which shows the questionnaire alone, and as git repositories,
which is how people use them. A third figure is the floor: a template with the same questions and files in which
nothing is computed, every default and every file being fixed text.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def working_tree() -> list[Path]:
    """Return the files that git knows or would add."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def this_template(folder: Path) -> Path:
    """Copy the working tree as it is, without its history."""
    for file in working_tree():
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


def as_repository(template: Path) -> Path:
    """Commit all of a template and tag it."""
    identity = ["-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.com"]
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "-m", "x"],
        ["tag", "-a", "0.1.0", "-m", "x"],
    ):
        subprocess.run(["git", *identity, *command], cwd=template, check=True)
    return template


def copy(template: Path, project: Path) -> None:
    """Render with defaults, as a process of its own that may keep compiled bytecode."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", str(template), str(project)]
    subprocess.run(command, check=True, capture_output=True, env=environment)


def seconds(template: Path, scratch: Path) -> float:
    """Time one render, in seconds of wall clock."""
    project = scratch / "project"
    shutil.rmtree(project, ignore_errors=True)
    start = time.perf_counter()
    copy(template, project)
    return time.perf_counter() - start


def compare(ours: Path, empty: Path, pairs: int, scratch: Path) -> str:
    """Run the pairs and put the result into words."""
    times: list[tuple[float, float]] = []
    for turn in range(-1, pairs):
        if turn % 2:
            mine, theirs = seconds(ours, scratch), seconds(empty, scratch)
        else:
            theirs, mine = seconds(empty, scratch), seconds(ours, scratch)
        if turn >= 0:  # the pair before fills caches
            times.append((mine, theirs))
    ratio = statistics.median(mine / theirs for mine, theirs in times)
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    return (
        f"{ratio:.2f} times an empty template ({mine:.2f} s against {theirs:.2f} s, medians of {pairs} pairs)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=15, help="at least 15 for a figure to quote")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        ours, empty = this_template(scratch / "ours"), empty_template(scratch / "empty")
        fixed = fixed_template(scratch / "fixed", ours)
        print("plain folders:   ", compare(ours, empty, pairs, scratch), flush=True)
        print("fixed text:      ", compare(fixed, empty, pairs, scratch), flush=True)
        print("git repositories:", compare(as_repository(ours), as_repository(empty), pairs, scratch))


if __name__ == "__main__":
    main()
