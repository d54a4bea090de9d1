"""Remake the pictures of the READMEs: the terminal of scripted runs, as SVG.

    uv run scripts/pictures.py

The script answers the questionnaire by keyboard, and test-uv runs on the torch wheel that scripts/try.py finds. The
second picture's GPU is an nvidia-smi that reports one.
"""

import io
import os
import subprocess
import sys
import tempfile
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text
from terminal import DOWN, ENTER, Terminal
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / ".github/pictures"
COLUMNS = 100

NVIDIA_SMI = """#!/bin/sh
case "$1" in
*compute_cap*) echo "580.65.06, 9.0, NVIDIA H100" ;;
*) echo "580.65.06, NVIDIA H100" ;;
esac
"""

# Rich's own format takes fonts from the network.
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def colour(name: str) -> str | None:
    """Return Rich's name for a colour of the terminal emulator: an ANSI name or six hexadecimal digits."""
    if name == "default":
        return None
    if len(name) == 6 and set(name) <= set("0123456789abcdef"):
        return f"#{name}"
    return name.replace("brown", "yellow").replace("bright", "bright_")


def picture(terminal: Terminal, title: str, file: Path) -> None:
    """Write what is on the screen of a terminal to an SVG file."""
    screen = terminal.screen
    console = Console(width=screen.columns, record=True, file=io.StringIO(), force_terminal=True)
    last = max(row for row, line in enumerate(terminal.lines) if line)
    for row in range(last + 1):
        text = Text()
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        for (fg, bg, bold, reverse), run in groupby(cells, attrgetter("fg", "bg", "bold", "reverse")):
            style = Style(color=colour(fg), bgcolor=colour(bg), bold=bold, reverse=reverse)
            # Not every font of a viewer has the microphone that Copier puts before a question.
            text.append("".join(cell.data for cell in run).replace("🎤", "? "), style)
        text.rstrip()
        console.print(text, no_wrap=True, crop=False)
    svg = console.export_svg(title=title, theme=SVG_EXPORT_THEME, code_format=SVG, unique_id=file.stem)
    file.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")
    print(file.relative_to(ROOT))


def questionnaire(scratch: Path) -> Terminal:
    """Answer the first questions and open the menu of accelerators."""
    copy = [sys.executable, "-m", "copier", "copy", "--vcs-ref=HEAD", ROOT, scratch / "myproj"]
    terminal = Terminal(copy, scratch, os.environ, columns=COLUMNS, rows=28)
    terminal.wait("What is the project called?")
    terminal.press(ENTER)
    terminal.wait("Which Python should it run on?")
    terminal.press(DOWN, DOWN, ENTER)
    terminal.wait("xpu ")
    terminal.press(DOWN)
    return terminal


def test_uv(scratch: Path) -> Terminal:
    """Run test-uv on the CPU, and again when the project pins a build for GPUs that is not installed yet."""
    project, programs = scratch / "myproj", scratch / "bin"
    subprocess.run([sys.executable, ROOT / "scripts/try.py", project], check=True, stdout=sys.stderr)
    programs.mkdir()
    place = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PYTHON")}
    path = os.pathsep.join([str(programs), str(Path(find_uv_bin()).parent), os.environ["PATH"]])
    place |= {"PATH": path, "PS1": "$ "}
    terminal = Terminal(["bash", "--norc", "--noprofile"], project, place, columns=COLUMNS, rows=28)
    terminal.wait("$")
    terminal.press("uv run test-uv | head -n 12", ENTER)
    terminal.wait(lambda: terminal.lines.count("$") == 1)
    recopy = ["copier", "recopy", "--defaults", "--overwrite", "--quiet", "--vcs-ref=HEAD"]
    subprocess.run(
        [sys.executable, "-m", *recopy, "--data=mirror=official", "--data=accelerator=cu130"],
        cwd=project,
        check=True,
    )
    (programs / "nvidia-smi").write_text(NVIDIA_SMI)
    (programs / "nvidia-smi").chmod(0o755)
    terminal.press("uv run --no-sync test-uv --quiet", ENTER)
    terminal.wait(lambda: terminal.lines.count("$") == 1 and "--quiet" in "\n".join(terminal.lines))
    return terminal


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, title, make in (
            ("questionnaire", "copier copy gh:org/torch-uv-template myproj", questionnaire),
            ("test-uv", "myproj", test_uv),
        ):
            scratch = Path(folder) / name
            scratch.mkdir()
            picture(make(scratch), title, PICTURES / f"{name}.svg")


if __name__ == "__main__":
    main()
