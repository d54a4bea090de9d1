"""Run tests with the lowest or the newest Copier and uv that the template supports.

    uv run scripts/versions.py lowest|newest [PYTEST ARGUMENT...]

Without arguments for pytest, it runs the tests of rendered files. Copier's lowest version is in copier.yml, uv's in
rules/derived.jinja, which puts it into projects. The environment is temporary.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent
TESTS = [f"tests/test_{name}.py" for name in ("rendered", "ci", "locks", "update")]


def lowest() -> dict[str, str]:
    """Return the lowest versions by package."""
    copier = re.search(r'^_min_copier_version: "(.+?)"', (ROOT / "copier.yml").read_text(), re.MULTILINE)
    uv = re.search(r'set uv_version = "(.+?)"', (ROOT / "rules/derived.jinja").read_text())
    assert copier
    assert uv
    return {"copier": copier[1], "uv": f"{uv[1]}.0"}


def main() -> None:
    if sys.argv[1:2] not in (["lowest"], ["newest"]):
        sys.exit("usage: versions.py lowest|newest [PYTEST ARGUMENT...]")
    versions = lowest()
    if sys.argv[1] == "newest":
        packages = ["--upgrade", *versions]
    else:
        packages = [f"{name}=={version}" for name, version in versions.items()]

    uv = find_uv_bin()
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        # Not for pytest: the projects of the tests have environments of their own.
        place = os.environ | {"UV_PROJECT_ENVIRONMENT": folder}
        same = f"--python={sys.version_info.major}.{sys.version_info.minor}"
        subprocess.run([uv, "sync", "--quiet", same], cwd=ROOT, env=place, check=True)
        subprocess.run([uv, "pip", "install", f"--python={python}", *packages], check=True)
        sys.exit(subprocess.run([python, "-m", "pytest", *(sys.argv[2:] or TESTS)], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
