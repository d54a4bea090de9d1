"""What rendering costs: `copier copy --defaults` of this template against an empty one, side by side.

    uv run benchmarks/render.py [--pairs N]

Each pair runs both templates once, as whole processes, in alternating order; the figure is the median of the pairs'
ratios. It is taken twice: with both templates as git repositories, which is how people use them, and as plain folders,
which leaves Copier's clone out and shows the questionnaire alone.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def this_template(folder: Path) -> Path:
    """Copy the files that git knows or would add."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def empty_template(folder: Path) -> Path:
    """Make a template that asks nothing and renders its answers file alone."""
    (folder / "template").mkdir(parents=True)
    (folder / "copier.yml").write_text("_subdirectory: template\n")
    answers = folder / "template" / "{{ _copier_conf.answers_file }}.jinja"
    answers.write_text("{{ _copier_answers | to_nice_yaml -}}\n")
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


def seconds(template: Path, scratch: Path) -> float:
    """Time one render, in seconds of wall clock."""
    project = scratch / "project"
    shutil.rmtree(project, ignore_errors=True)
    start = time.perf_counter()
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", str(template), str(project)]
    subprocess.run(command, check=True, capture_output=True)
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
        folders = this_template(scratch / "ours"), empty_template(scratch / "empty")
        print("plain folders:   ", compare(*folders, pairs, scratch), flush=True)
        print("git repositories:", compare(*map(as_repository, folders), pairs, scratch))


if __name__ == "__main__":
    main()
