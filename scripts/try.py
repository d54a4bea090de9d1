"""Try the template: copy it, install the project and run test-uv.

    uv run scripts/try.py [FOLDER] [COPIER OPTION...]

Without FOLDER the project goes to a new temporary folder; options such as `--data accelerator=cu126` go to
`copier copy`. If PyTorch's index cannot be reached, the wheel of torch that pip finds offline (in a find-links
folder of its configuration) goes into a folder that serves as a mirror.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from packaging.utils import parse_wheel_filename
from uv import find_uv_bin

TEMPLATE = Path(__file__).resolve().parent.parent
INDEX = "https://download.pytorch.org/whl/cpu/torch/"
MACHINES = {
    "x86_64": "linux-x86_64",
    "aarch64": "linux-aarch64",
    "amd64": "windows-x86_64",
}  # by platform tag


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Show a command and run it; a failure ends the script with the command's exit status."""
    words = [str(word) for word in command]
    print("$", shlex.join([Path(words[0]).stem, *words[1:]]), flush=True)
    # uv run puts its own environment here, which is not the new project's.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    status = subprocess.run(words, cwd=cwd, env=environment).returncode
    if status:
        sys.exit(status)


def index_in_reach() -> bool:
    """Say whether PyTorch's own index answers within ten seconds."""
    try:
        with urllib.request.urlopen(urllib.request.Request(INDEX, method="HEAD"), timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def local_mirror(folder: Path) -> dict[str, str]:
    """Put the torch wheel that pip finds offline into `folder`; return the answers that fit it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-index", "--no-deps"]
    found = subprocess.run([*pip, "--dest", folder, "torch"], capture_output=True, text=True)
    if found.returncode:
        sys.exit(
            f"try.py: {INDEX} cannot be reached, and pip finds no wheel of torch without it:\n{found.stderr}"
        )
    (wheel,) = folder.glob("*.whl")
    _, version, _, tags = parse_wheel_filename(wheel.name)
    tag = next(iter(tags))
    machine = next(name for ending, name in MACHINES.items() if tag.platform.endswith(ending))
    return {
        "python_version": f"3.{tag.interpreter.removeprefix('cp3')}",
        "torch_version": version.public,
        "accelerator": version.local or "cpu",
        "platforms": json.dumps([machine, "macos-arm64"]),
        "mirror": "custom",
        "mirror_url": str(folder),
    }


def main() -> None:
    arguments = sys.argv[1:]
    named = arguments and not arguments[0].startswith("-")
    project = Path(arguments.pop(0) if named else tempfile.mkdtemp(prefix="torch-uv-") + "/myproj").resolve()
    if project.exists() and any(project.iterdir()):
        sys.exit(f"try.py: {project} is not empty: name a folder that does not exist yet")

    answers = {} if index_in_reach() else local_mirror(project.parent / f"{project.name}-wheels")
    data = [word for name, value in answers.items() for word in ("--data", f"{name}={value}")]
    copier = [sys.executable, "-m", "copier", "copy", "--defaults", "--vcs-ref=HEAD", *data, *arguments]
    run(*copier, TEMPLATE, project)
    run("git", "init", "--quiet", "--initial-branch=main", cwd=project)
    run(find_uv_bin(), "sync", cwd=project)
    run(find_uv_bin(), "run", "test-uv", cwd=project)
    print(f"\nThe project is in {project}")


if __name__ == "__main__":
    main()
