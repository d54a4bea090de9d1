"""Check the tag of a release and print its notes: `uv run scripts/release.py v0.2.0`.

The release workflow runs this on a tag that was pushed. The notes are the tag's section of CHANGELOG.md.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import keepachangelog
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def release(tag: str) -> Version:
    """Return the version that a tag names.

    Raises:
        ValueError: Copier would not read the tag as a version, or it does not look like `v1.2.3`.
    """
    try:
        version = Version(tag)
    except InvalidVersion:
        version = None
    if version is None or tag != f"v{version}":
        raise ValueError(
            f"{tag} is not a release: use v and a normalized PEP 440 version, for example v0.2.0"
        )
    return version


def notes(tag: str, changelog: Path) -> str:
    """Return the section of CHANGELOG.md for a tag, without the heading.

    Raises:
        ValueError: The tag is not annotated, not the newest, or has no dated section in the changelog.
    """
    version = release(tag)
    if git("cat-file", "-t", f"refs/tags/{tag}") != "tag":
        raise ValueError(f"{tag} is not annotated, which Copier needs: make it by `git tag --annotate {tag}`")
    newest = max(map(release, git("tag", "--list", "v*").split()))
    if version < newest and not version.is_prerelease:
        raise ValueError(
            f"{tag} is older than v{newest}, so projects would never get it: use a newer version"
        )
    section = keepachangelog.to_raw_dict(str(changelog)).get(str(version))
    if not section or not section["metadata"].get("release_date"):
        raise ValueError(
            f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD`: write it, then tag again"
        )
    return section["raw"].strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tag")
    try:
        print(notes(parser.parse_args().tag, ROOT / "CHANGELOG.md"))
    except ValueError as error:
        print(f"release.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
