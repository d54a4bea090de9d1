"""What starting test-uv costs: the command against `python -c "import torch, numpy, matplotlib"`, side by side.

    uv run benchmarks/startup.py PROJECT [--pairs N]

PROJECT is a rendered project after `uv sync`. Each pair runs both once, as whole processes, in alternating order; the
figure is the median of the pairs' ratios.
"""

import argparse
import os
import statistics
import subprocess
import time
from pathlib import Path


def seconds(command: list[str | Path]) -> float:
    """Time a command, in seconds of wall clock; it must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--pairs", type=int, default=15, help="at least 15 for a figure to quote")
    options = parser.parse_args()
    programs = options.project.absolute() / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    ours: list[str | Path] = [programs / "test-uv"]
    imports: list[str | Path] = [programs / "python", "-c", "import torch, numpy, matplotlib"]
    times: list[tuple[float, float]] = []
    for turn in range(-1, options.pairs):
        if turn % 2:
            mine, theirs = seconds(ours), seconds(imports)
        else:
            theirs, mine = seconds(imports), seconds(ours)
        if turn >= 0:  # the pair before fills caches
            times.append((mine, theirs))
    ratio = statistics.median(mine / theirs for mine, theirs in times)
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"test-uv: {ratio:.2f} times the imports ({mine:.2f} s against {theirs:.2f} s, medians of {options.pairs} pairs)"
    )


if __name__ == "__main__":
    main()
