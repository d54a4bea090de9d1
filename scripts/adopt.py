# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "copier>=9.19.1,<10",  # fetches and renders the template; 9.19.0 is the first release with `ask`
#     "packaging>=24",       # reads requirements, versions and markers as the standards define them
#     "pyyaml>=6",           # reads answers files
# ]
# ///
"""Give an existing project the right build of PyTorch, and updates by Copier.

Run it in the project's folder: it says what it found, shows a diff and stops; with --write it makes the change. The
exit status is 0 if it wrote or had nothing to do, 1 if it only showed the diff, 2 if it refused.

The script runs from a URL, so its parts, scripts/adopting/, come from the template, which it fetches first.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.version import InvalidVersion, Version

HOME = "gh:org/torch-uv-template"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="adopt-", ignore_cleanup_errors=True) as temporary:
        clone = Path(temporary, "template")
        try:
            version = fetch(options.template, options.vcs_ref, clone)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "").strip().splitlines() or [error]
            print(f"adopt: git cannot fetch {options.template}: {said[-1]}", file=sys.stderr)
            return 2
        sys.path.insert(0, str(clone / "scripts"))
        try:
            from adopting.command import adopt
        except ModuleNotFoundError:
            print(
                f"adopt: version {version} of the template cannot adopt: use a newer --vcs-ref",
                file=sys.stderr,
            )
            return 2
        data = dict(item.split("=", 1) for item in options.data)
        return adopt(Path.cwd(), options.template, version, clone, data, options.write)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command's options."""
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(prog="adopt.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="make the change instead of only showing it")
    text = "an answer to one of the template's questions, such as accelerator=cu130; may be repeated"
    parser.add_argument("--data", action="append", default=[], metavar="NAME=VALUE", help=text)
    text = "the template, a git repository (default: %(default)s)"
    default = str(here) if (here / "copier.yml").exists() else HOME
    parser.add_argument("--template", default=default, metavar="PATH_OR_URL", help=text)
    parser.add_argument("--vcs-ref", metavar="REF", help="its version (default: the newest tag)")
    options = parser.parse_args(arguments)
    for item in options.data:
        if "=" not in item:
            parser.error(f"--data takes NAME=VALUE, not {item}")
    if Path(options.template).exists():
        options.template = str(Path(options.template).resolve())
    return options


def fetch(template: str, ref: str | None, folder: Path) -> str:
    """Clone the template and check its version out; return that."""
    url = re.sub(r"^gh:(.*?)/?$", r"https://github.com/\1.git", template)
    url = re.sub(r"^gl:(.*?)/?$", r"https://gitlab.com/\1.git", url)
    run_git("clone", "--quiet", url, str(folder))
    ref = ref or newest(run_git("-C", str(folder), "tag", "--list").split())
    run_git("-C", str(folder), "checkout", "--quiet", ref)
    return ref


def newest(tags: Sequence[str]) -> str:
    """The newest release, as Copier takes it."""
    versions = {}
    for tag in tags:
        try:
            versions[Version(tag)] = tag
        except InvalidVersion:
            continue
    releases = [version for version in versions if not version.is_prerelease]
    return versions[max(releases)] if releases else "HEAD"


def run_git(*arguments: str) -> str:
    """Run a git command and return what it prints."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
