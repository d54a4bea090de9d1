"""buildah in docker's place: the commands of pages run as they stand, on base images that are made of this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

LEFT_OUT = ("site-packages", "test", "tests", "config-*", "__pycache__", "*.a", "share", "idlelib", "tkinter")
PROGRAMS = ("sh", "env", "touch", "useradd")
SETTINGS = ("login.defs", "default/useradd", "pam.d", "ssl/certs/ca-certificates.crt")

# Containers run without network on a root that nobody can write to, as the user of the image.
STAND_IN = r"""#!/usr/bin/env bash
set -euo pipefail
folder=$(cd "$(dirname "$0")/.." && pwd)
export TMPDIR=$folder/cache
buildah=(buildah --root "$folder/images" --runroot "$folder/run")
case "$1 ${2-}" in
"build "*) exec "${buildah[@]}" build --layers --isolation chroot --pull-never "${@:2}" ;;
"run --rm") ;;
*) exit 64 ;;
esac
image=$3
container=$("${buildah[@]}" from --pull-never "$image")
trap '"${buildah[@]}" rm "$container" > /dev/null' EXIT
config() { "${buildah[@]}" inspect --format "$1" "$container" | sed "/^$/d"; }
root=$("${buildah[@]}" mount "$container")
mapfile -t variables < <(config '{{range .OCIv1.Config.Env}}{{println .}}{{end}}')
mapfile -t command < <(config '{{range .OCIv1.Config.Cmd}}{{println .}}{{end}}')
user=$(config '{{.OCIv1.Config.User}}')
[ $# -gt 3 ] && command=("${@:4}")
unshare --mount --net --pid --fork sh -ec '
    root=$1 user=$2
    shift 2
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    mount -t proc proc "$root/proc"
    exec chroot --userspec="$user:$user" "$root" env -i "$@"
' - "$root" "$user" ${variables[@]+"${variables[@]}"} ${command[@]+"${command[@]}"}
"""


def docker(folder: Path, python: str, uv: str, **variables: str) -> Iterator[str]:
    """Make a command `docker` and two images, of Python and of uv; yield its folder.

    The tests are skipped where there is no buildah, or where it may not mount.
    """
    if not shutil.which("buildah") or os.geteuid() != 0 or sys.base_prefix == "/usr":
        pytest.skip("no buildah that may mount, or no Python that can be copied")
    command = folder / "bin/docker"
    command.parent.mkdir()
    (folder / "cache").mkdir()
    command.write_text(STAND_IN)
    command.chmod(0o755)
    copy_python(folder / "python")
    (folder / "uv").mkdir()
    shutil.copy(find_uv_bin(), folder / "uv/uv")
    bare = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin", "LD_LIBRARY_PATH": "/usr/local/lib"}
    try:
        make(folder, "python", python, bare | variables)
        make(folder, "uv", uv, {})
        yield str(command.parent)
    finally:
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in reversed([place for place in mounted if Path(place).is_relative_to(folder)]):
            subprocess.run(["umount", place], check=True)
        shutil.rmtree(folder)


def make(folder: Path, source: str, image: str, variables: dict[str, str]) -> None:
    """Make an image of a folder."""
    buildah = ["buildah", "--root", folder / "images", "--runroot", folder / "run"]

    def run(*words: str | Path) -> str:
        return subprocess.check_output([*buildah, *words], text=True).strip()

    container = run("from", "scratch")
    run("add", container, folder / source, "/")
    run("config", *(f"--env={name}={value}" for name, value in variables.items()), container)
    run("commit", "--rm", container, image)


def copy_python(root: Path) -> None:
    """Copy the running Python, a shell and what they and uv need into a folder like a system's root."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "etc", "home", "proc", "root", "sys", "tmp", "var/tmp"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o777)
    ignored = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(sys.base_prefix, root / "usr/local", symlinks=True, ignore=ignored)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    for name in SETTINGS:
        source, place = Path("/etc", name), root / "etc" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    programs = [Path(shutil.which(name) or name) for name in PROGRAMS]
    for program in programs:
        shutil.copy(program, root / "usr/bin" / program.name)
    binaries = [
        *programs,
        find_uv_bin(),
        *(root / "usr/local").rglob("*.so*"),
        Path(sys.base_prefix, "bin/python3"),
    ]
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True).stdout
    listed += subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout.partition("libstdc++.so.6 ")[2].split("\n")[0]  # fmt: skip
    for library in sorted(set(re.findall(r"(?:=> |^\t)(/\S+)", listed, re.MULTILINE))):
        if not library.startswith(sys.base_prefix):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
