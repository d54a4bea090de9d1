"""What the template costs and saves, each figure a ratio of two things measured side by side in one run.

    uv run benchmarks/run.py [--pairs N] [--write]

`--write` records the run in results.json, which README quotes. Every pair runs both sides once, in alternating order,
and a figure is the median of the pairs' ratios; bytes and packages are counted in locks and not timed. The projects
that are locked and run are rendered for the torch wheel at hand: the one that pip finds offline or, where it can be
reached, the one on PyTorch's index.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from packaging.markers import Marker
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from templates import as_repository, copy, empty_template, fixed_template, this_template, torch_wheel
from uv import find_uv_bin

RESULTS = Path(__file__).parent / "results.json"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
Side = Callable[[], object]


def run(*command: str | Path, cwd: Path) -> None:
    """Run a command; its output is shown only if it fails."""
    left_out = {"VIRTUAL_ENV", "UV_PYTHON", "PYTHONDONTWRITEBYTECODE"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def uv(*arguments: str | Path, cwd: Path) -> None:
    run(find_uv_bin(), *arguments, cwd=cwd)


def ratio(one: Side, other: Side, pairs: int, reset: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Time two sides in pairs; `reset` runs before each, untimed. Times are in seconds of wall clock."""
    times: list[tuple[float, float]] = []
    for turn in range(-1, pairs):
        pair = [0.0, 0.0]
        for side in (0, 1) if turn % 2 else (1, 0):
            reset()
            start = time.perf_counter()
            (one, other)[side]()
            pair[side] = time.perf_counter() - start
        if turn >= 0:  # the pair before fills caches
            times.append((pair[0], pair[1]))
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    figure = statistics.median(mine / yours for mine, yours in times)
    return {"ratio": round(figure, 2), "ours": round(ours, 3), "theirs": round(theirs, 3), "pairs": pairs}


# Rendering and updating --------------------------------------------------------------------------------------


def rendering(scratch: Path, pairs: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Whole processes of `copier copy --defaults`, with the templates as folders and as repositories."""
    ours, empty = this_template(scratch / "ours"), empty_template(scratch / "empty")
    fixed = fixed_template(scratch / "fixed", ours)
    project = scratch / "rendered"

    def reset() -> None:
        shutil.rmtree(project, ignore_errors=True)

    yield "render", ratio(lambda: copy(ours, project), lambda: copy(empty, project), pairs, reset)
    yield (
        "render, fixed text",
        ratio(lambda: copy(fixed, project), lambda: copy(empty, project), pairs, reset),
    )
    grown = grow(this_template(scratch / "grown"))
    yield "render, four times", ratio(lambda: copy(grown, project), lambda: copy(ours, project), pairs, reset)
    as_repository(ours), as_repository(empty)
    yield (
        "render, repository",
        ratio(lambda: copy(ours, project), lambda: copy(empty, project), pairs, reset),
    )


def grow(template: Path) -> Path:
    """Give a template four times as many releases of torch."""
    file = template / "rules/builds.json"
    table = json.loads(file.read_bytes())
    table["releases"] = {
        ".".join([version, *["0"] * turn]): release
        for turn in range(4)
        for version, release in table["releases"].items()
    }
    file.write_text(json.dumps(table))
    return template


def updating(scratch: Path, pairs: int) -> dict[str, float]:
    """`copier update --defaults` from one version to the next, in which one line of one file has changed."""
    projects = []
    for name, make in {"ours": this_template, "empty": empty_template}.items():
        template = as_repository(make(scratch / name))
        project = scratch / f"{name} project"
        copy(template, project)
        as_repository(project)
        (template / "template/NEWS.md").write_text("News\n")
        as_repository(template, "0.2.0")
        projects.append(project)

    def reset() -> None:
        for project in projects:
            run("git", "reset", "--quiet", "--hard", cwd=project)
            run("git", "clean", "--quiet", "--force", "-d", cwd=project)

    command = [sys.executable, "-m", "copier", "update", "--defaults", "--quiet"]
    ours, empty = projects
    return ratio(lambda: run(*command, cwd=ours), lambda: run(*command, cwd=empty), pairs, reset)


# A default CPU project beside `uv add torch` -----------------------------------------------------------------


def cpu_project(wheel: Path, project: Path, template: Path) -> Path:
    """Render the defaults for a wheel at hand and the machine at hand."""
    version = parse_wheel_filename(wheel.name)[1].public
    answers = {
        "python_version": PYTHON,
        "torch_version": version,
        "platforms": '["linux-x86_64"]',
        "mirror": "custom",
        "mirror_url": str(wheel.parent),
    }
    data = [f"--data={name}={answer}" for name, answer in answers.items()]
    run(sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", *data, template, project, cwd=wheel.parent)  # fmt: skip
    return project


def plain_project(project: Path, like: Path) -> Path:
    """Make the same project as `uv add torch` would: torch from PyPI, and no word on indexes or machines."""
    shutil.copytree(like, project)
    file = project / "pyproject.toml"
    text = file.read_text()
    for table, following in (
        ("[[tool.uv.index]]", "[tool.pytest"),
        ("environments = [", "# Explicit"),
    ):
        start = text.index(table)
        text = text[:start] + text[text.index(following, start) :]
    file.write_text(text)
    assert "index" not in tomllib.loads(text)["tool"]["uv"]
    return project


def downloads(project: Path, wheel: Path) -> dict[str, int]:
    """Count what `uv sync` of a locked project downloads on this machine: packages and bytes of wheels."""
    lock = tomllib.loads((project / "uv.lock").read_text())
    tags = {tag: rank for rank, tag in enumerate(sys_tags())}
    here = {package["name"]: package for package in lock["package"] if applies(package)}
    wanted, queue = set(), [project.name]
    while queue:
        package = here[queue.pop()]
        groups = package.get("dev-dependencies", {}) if package["name"] == project.name else {}
        for needed in [
            *package.get("dependencies", []),
            *(line for group in groups.values() for line in group),
        ]:
            marker = needed.get("marker")
            if needed["name"] not in wanted and (not marker or Marker(marker).evaluate()):
                wanted.add(needed["name"])
                queue.append(needed["name"])
    size = 0
    for name in wanted:
        best: tuple[int, int] | None = None
        for file in here[name]["wheels"]:
            filename = Path(file.get("url") or file["path"]).name.replace("%2B", "+")
            ranks = [tags[tag] for tag in parse_wheel_filename(filename)[3] if tag in tags]
            if ranks and (best is None or min(ranks) < best[0]):
                best = min(ranks), file.get("size") or wheel.stat().st_size
        assert best, name
        size += best[1]
    return {"packages": len(wanted), "bytes": size}


def applies(package: dict) -> bool:
    markers = package.get("resolution-markers")
    return not markers or any(Marker(marker).evaluate() for marker in markers)


def beside_uv_add(scratch: Path, pairs: int) -> Iterator[tuple[str, dict[str, float]]]:
    wheel = torch_wheel(scratch / "wheels")
    if not wheel:
        sys.exit("benchmarks: pip finds no CPU wheel of torch for this Python, offline or on PyTorch's index")
    ours = cpu_project(wheel, scratch / "project", this_template(scratch / "template"))
    plain = plain_project(scratch / "plain" / "project", ours)
    uv("lock", cwd=ours)
    uv("lock", cwd=plain)
    mine, theirs = downloads(ours, wheel), downloads(plain, wheel)
    for what in ("packages", "bytes"):
        figure = round(mine[what] / theirs[what], 3)
        yield what, {"ratio": figure, "ours": mine[what], "theirs": theirs[what]}

    def reset() -> None:
        for project in (ours, plain):
            (project / "uv.lock").unlink(missing_ok=True)

    yield "lock", ratio(lambda: uv("lock", cwd=ours), lambda: uv("lock", cwd=plain), pairs, reset)
    uv("sync", cwd=ours)
    python = ours / (".venv/Scripts/python.exe" if os.name == "nt" else ".venv/bin/python")
    for name, imports in (("test-uv", "torch"), ("test-uv, imports", "torch, numpy, matplotlib")):
        yield (
            name,
            ratio(
                lambda: run(python, "-m", "project.test_uv", cwd=ours),
                lambda imports=imports: run(python, "-c", f"import {imports}", cwd=ours),
                pairs,
            ),
        )


WORDS = {
    "render": "`copier copy` of this template against an empty one",
    "render, fixed text": "the same with our questions and files as fixed text",
    "render, four times": "`copier copy` with four times as many releases against with these",
    "render, repository": "`copier copy` from a git repository, both",
    "update": "`copier update` against an empty template's",
    "packages": "packages that a CPU project downloads against `uv add torch`",
    "bytes": "bytes that it downloads",
    "lock": "`uv lock` of a CPU project against `uv add torch`, caches filled",
    "test-uv": "`test-uv` against `import torch`",
    "test-uv, imports": "`test-uv` against `import torch, numpy, matplotlib`",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=15, help="at least 15 for a figure to quote")
    parser.add_argument("--write", action="store_true", help="record the run in results.json")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)

        def record(name: str, figure: dict[str, float]) -> None:
            figures[name] = figure
            print(
                f"{figure['ratio']:6}  {WORDS[name]}  ({figure['ours']} against {figure['theirs']})",
                flush=True,
            )

        for step in (rendering, beside_uv_add):
            (scratch / step.__name__).mkdir()
            for name, figure in step(scratch / step.__name__, options.pairs):
                record(name, figure)
        (scratch / "updating").mkdir()
        record("update", updating(scratch / "updating", options.pairs))
    if options.write:
        machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {PYTHON}"
        run_record = {"date": date.today().isoformat(), "machine": machine, "figures": figures}
        RESULTS.write_text(json.dumps(run_record, indent=2) + "\n")


if __name__ == "__main__":
    main()
