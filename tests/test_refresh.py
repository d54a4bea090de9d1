"""scripts/refresh.py against the replica: what it reports, what it writes, and when it keeps its hands off."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from copier import run_copy
from replica import Replica
from support import ROOT, run


@pytest.fixture(scope="module")
def replica():
    """A replica of its own: these tests change its answers."""
    with Replica() as replica:
        yield replica


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "data", tmp_path / "data"))


def run_refresh(
    replica: Replica, data: Path, *options: str, index: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script on a copy of data/, with the replica in the place of both indexes."""
    places = ["--index", index or replica.url, "--pypi", replica.pypi_url, "--data", data]
    return run(sys.executable, ROOT / "scripts/refresh.py", *places, *options, cwd=ROOT, check=False)


@pytest.fixture
def refresh(replica: Replica, data: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    replica.answers.clear()
    return partial(run_refresh, replica, data)


@pytest.fixture(scope="module")
def text_without_marks(replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> str:
    """data/torch.yml without `?`, as a first refresh against the replica writes it."""
    replica.answers.clear()
    data = Path(shutil.copytree(ROOT / "data", tmp_path_factory.mktemp("verified") / "data"))
    assert run_refresh(replica, data, "--write").returncode == 1
    return (data / "torch.yml").read_text()


@pytest.fixture
def verified(text_without_marks: str, data: Path) -> str:
    """The same, put into the copy of data/."""
    (data / "torch.yml").write_text(text_without_marks)
    return text_without_marks


def releases(text: str) -> dict[str, dict[str, list[str]]]:
    """Release -> name of a line -> words, `?` left out."""
    blocks = yaml.safe_load(text.replace("?", ""))["torch_releases"]["default"]
    return {
        version: {line.split()[0]: line.split()[1:] for line in block.splitlines()}
        for version, block in blocks.items()
    }


def test_only_unverified_cells_differ_from_the_replica(refresh, data: Path) -> None:
    before = (data / "torch.yml").read_text()
    done = refresh("--write")
    assert done.returncode == 1
    expected, version = [], ""
    for line in before.splitlines():
        if match := re.match(r" +(\d\S*): \|", line):
            version = match[1]
        name, *words = line.split() or [""]
        if not name.startswith(("#", "archs@")):  # no file name tells architectures
            expected += [f"{version} {name} {word[:-1]}" for word in words if word.endswith("?")]
    assert len(expected) > 20
    assert done.stdout.splitlines() == [f"{cell}: seen, no longer unverified" for cell in expected]
    assert done.stderr == "refresh: not in data/accelerators.yml: rocm5.5 rocm7.14\n"
    after = (data / "torch.yml").read_text()
    assert after == "".join(
        line if line.startswith("#") or "archs@" in line else line.replace("?", "")
        for line in before.splitlines(keepends=True)
    )

    again = refresh("--write", "--remove")
    assert (again.returncode, again.stdout) == (0, "")
    assert (data / "torch.yml").read_text() == after


def test_without_write_nothing_is_written(refresh, data: Path) -> None:
    before = (data / "torch.yml").read_bytes()
    assert refresh().returncode == 1
    assert (data / "torch.yml").read_bytes() == before


def test_written_file_renders(verified: str, data: Path, template: Path, tmp_path: Path) -> None:
    table = rendered(template, data, tmp_path, accelerator="cu130", torch_version="2.14.1")
    assert table["project"]["dependencies"][0] == "torch==2.14.1"
    # Linux on Arm was unverified for cu130 and has been seen now.
    assert "sys_platform == 'linux' and platform_machine == 'aarch64'" in table["tool"]["uv"]["environments"]


def test_what_data_lacks_comes_back(verified: str, refresh, data: Path) -> None:
    text = re.sub(r"    2\.13\.0: \|\n(      .*\n)+", "", verified)  # a release
    text = re.sub(r"(    2\.12\.1: \|\n(?:      .*\n)*?)      cu130 .*\n", r"\1", text)  # an accelerator
    text = re.sub(
        r"(    2\.9\.1: \|\n(?:      .*\n)*?      cu126 .*) windows-x86_64", r"\1", text
    )  # a platform
    text = re.sub(r"(    2\.8\.0: \|\n      python .*) 3\.13", r"\1", text)  # a Python
    assert len(text) < len(verified) - 500
    (data / "torch.yml").write_text(text)
    done = refresh("--write")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "2.13.0: new release, with torchvision 0.28.0 and torchaudio 2.11.0: review it",
        "2.12.1 cu130: appeared linux-x86_64 linux-aarch64 windows-x86_64",
        "2.9.1 cu126: appeared windows-x86_64",
        "2.8.0 python: appeared 3.13",
    ]
    assert releases((data / "torch.yml").read_text()) == releases(verified)
    assert (data / "torch.yml").read_text() == verified


def page(*files: str, metadata: str = "") -> bytes:
    """A page that lists files; with `metadata` they have metadata files, in a folder of that URL."""
    attribute = 'data-core-metadata="true" ' if metadata else ""
    links = "".join(
        f'<a {attribute}href="{metadata or "https://example.com"}/{quote(name)}">{name}</a><br>\n'
        for name in files
    )
    return f"<!DOCTYPE html>\n<html><body>\n{links}</body></html>\n".encode()


def listed(replica: Replica, accelerator: str | None, project: str) -> list[str]:
    return sorted(name for name in replica.wheels(accelerator) if name.startswith(f"{project}-"))


def answer(replica: Replica, accelerator: str, project: str, *more: str, **metadata: str) -> None:
    """Add files to the page of a project, with metadata files if `metadata` has their folder's URL."""
    old, new = page(*listed(replica, accelerator, project)), page(*more, **metadata)
    tail = b"</body></html>\n"
    replica.answers[f"/whl/{accelerator}/{project}/"] = old.removesuffix(tail) + new.partition(b"<body>\n")[2]


def rendered(template: Path, data: Path, folder: Path, **answers: str) -> dict:
    """Render a project from the template with other data; return its pyproject.toml."""
    changed = Path(shutil.copytree(template, folder / "template"))
    shutil.copy(data / "torch.yml", changed / "data/torch.yml")
    run_copy(str(changed), folder / "project", data=answers, defaults=True, quiet=True)
    return tomllib.loads((folder / "project/pyproject.toml").read_text())


def test_a_new_release_goes_to_the_top(
    verified: str, refresh, replica: Replica, data: Path, template: Path, tmp_path: Path
) -> None:
    linux = [f"cp3{minor}-cp3{minor}-manylinux_2_28_x86_64" for minor in (13, 14, 15)]
    windows = ["cp314-cp314-win_amd64"]
    for accelerator, tags in {"cpu": linux + windows, "cu132": linux}.items():
        answer(replica, accelerator, "torch", *(f"torch-2.16.0+{accelerator}-{tag}.whl" for tag in tags))
    others = [f"torch-{version}-{linux[0]}.whl" for version in ("2.16.0rc1", "2.17.0.dev20261123", "2.0.1")]
    answer(replica, "cu130", "torch", *others, "torch-2.17.0+cu130-cp314-cp314t-manylinux_2_28_x86_64.whl")
    mac = "torch-2.16.0-cp314-none-macosx_15_0_arm64.whl"
    replica.answers["/simple/torch/"] = page(*listed(replica, None, "torch"), mac)
    done = refresh("--write")
    assert done.stdout.splitlines() == [
        "2.16.0: new release, with torchvision 0.29.2 and torchaudio 2.11.0: review it"
    ]
    text = (data / "torch.yml").read_text()
    new, *others = releases(text).items()
    assert new == (
        "2.16.0",
        {
            "python": ["3.14"],
            "python@linux-x86_64": ["3.13", "3.15"],
            "torchvision": ["0.29.2"],
            "torchaudio": ["2.11.0"],
            "torchaudio-lacks": ["3.15", "cu132"],
            "triton@rocm": ["triton-rocm"],
            "triton@xpu": ["triton-xpu"],
            "macos": ["macos-arm64"],
            "macos-oldest": ["15"],
            "cpu": ["linux-x86_64", "windows-x86_64"],
            "cu132": ["linux-x86_64"],
        },
    )
    assert dict(others) == releases(verified)
    assert text.endswith(verified[verified.index("2.15.0: |") :])
    table = rendered(template, data, tmp_path, python_version="3.14")
    assert table["project"]["dependencies"][0] == "torch==2.16.0"
    assert table["project"]["requires-python"] == ">=3.14,<3.15"


def test_metadata_tells_what_belongs_to_a_new_release(
    verified, refresh, replica: Replica, data: Path
) -> None:
    """Companions that pin it, and a new name for the build of triton."""
    folder = replica.url.partition("/whl")[0] + "/metadata"
    tag = "cp314-cp314-manylinux_2_28_x86_64"
    for name, accelerator, requires in (
        ("torch-2.16.0+rocm7.2", "rocm7.2", 'triton-amd==4.0; platform_system == "Linux"'),
        ("torchvision-0.30.0+cpu", "cpu", "torch==2.16.0"),
        ("torchvision-0.31.0+cpu", "cpu", "torch==2.17.0"),
    ):
        project = name.partition("-")[0]
        wheels = [f"{name}-{tag}.whl"]
        if project == "torchvision":
            wheels = [f"torchvision-{version}+cpu-{tag}.whl" for version in ("0.30.0", "0.31.0")]
        answer(replica, accelerator, project, *wheels, metadata=folder)
        text = f"Metadata-Version: 2.1\nName: {project}\nVersion: 1\nRequires-Dist: {requires}\n"
        replica.answers[f"/metadata/{name}-{tag}.whl.metadata"] = text.encode()
    answer(replica, "cpu", "torch", f"torch-2.16.0+cpu-{tag}.whl")
    done = refresh("--write")
    assert done.stdout.splitlines() == [
        "2.16.0: new release, with torchvision 0.30.0 and torchaudio 2.11.0: review it"
    ]
    new = releases((data / "torch.yml").read_text())["2.16.0"]
    assert new["torchvision"] == ["0.30.0"]
    assert new["torchvision-lacks"] == ["rocm7.2"]
    assert new["triton@rocm"] == ["triton-amd"]
    assert "macos" not in new

    (data / "torch.yml").write_text(verified)
    replica.answers[f"/metadata/torchvision-0.30.0+cpu-{tag}.whl.metadata"] = 503
    done = refresh("--write", "--remove")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert (data / "torch.yml").read_text() == verified


def without(text: bytes, *versions: str) -> bytes:
    """A page without the links of some releases."""
    lines = text.decode().splitlines(keepends=True)
    return "".join(line for line in lines if not any(f"-{version}" in line for version in versions)).encode()


BROKEN = {
    "503": ("cu126/torch", lambda whole: 503, "answers 503"),
    "403": ("cu126/torch", lambda whole: 403, "is missing or lists no wheel"),
    "no links": ("cu126/torch", lambda whole: b"<html><body>Sign in</body></html>", "lists no wheel"),
    "empty": ("cu126/torch", lambda whole: b"", "breaks off"),
    "truncated": ("cu126/torch", lambda whole: whole[:-4000], "breaks off"),
    "half": ("cu126/torch", lambda whole: without(whole, "2.7", "2.8", "2.9"), "has lost"),
    "one release": ("rocm7.0/torch", lambda whole: whole.replace(b"torch-", b"other-"), "lists no wheel"),
    "companion 403": ("cu126/torchaudio", lambda whole: 403, "is missing or lists no wheel"),
    "companion half": ("cu126/torchvision", lambda whole: without(whole, "0.22", "0.23", "0.24"), "has lost"),
    "PyPI half": ("pypi/torch", lambda whole: without(whole, "2.7", "2.8", "2.9"), "has lost"),
}


@pytest.mark.parametrize(("place", "broken", "says"), BROKEN.values(), ids=BROKEN)
def test_a_half_read_index_changes_nothing(
    refresh, replica: Replica, data: Path, place: str, broken: Callable[[bytes], int | bytes], says: str
) -> None:
    before = (data / "torch.yml").read_bytes()
    accelerator, project = place.split("/")
    whole = page(*listed(replica, None if accelerator == "pypi" else accelerator, project))
    path = "/simple/torch/" if accelerator == "pypi" else f"/whl/{accelerator}/{project}/"
    replica.answers[path] = broken(whole)
    done = refresh("--write", "--remove")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(r"refresh: .*; nothing is changed", line)
    assert ("macos" if accelerator == "pypi" else accelerator) in line
    assert says in line
    assert (data / "torch.yml").read_bytes() == before
    assert not list(data.glob("*.new"))


def test_an_index_out_of_reach_changes_nothing(refresh, data: Path) -> None:
    before = (data / "torch.yml").read_bytes()
    done = refresh("--write", "--remove", index="http://127.0.0.1:9/whl/{accelerator}")
    assert done.returncode == 2
    assert re.fullmatch(r"refresh: \S+ cannot be read \(\w+\); nothing is changed\n", done.stderr)
    assert (data / "torch.yml").read_bytes() == before


def test_what_vanished_is_kept_unless_told_otherwise(
    verified: str, refresh, replica: Replica, data: Path
) -> None:
    torch, torchvision = (page(*listed(replica, "cu126", name)) for name in ("torch", "torchvision"))
    replica.answers["/whl/cu126/torch/"] = without(torch, "2.13.0")
    replica.answers["/whl/cu126/torchvision/"] = without(torchvision, "0.27.1")
    gone = [
        "2.13.0 cu126: vanished linux-x86_64 linux-aarch64 windows-x86_64",
        "2.12.1 torchvision: vanished cu126",
    ]
    done = refresh("--write")
    assert (done.returncode, done.stdout.splitlines()) == (1, gone)
    assert (data / "torch.yml").read_text() == verified
    done = refresh("--write", "--remove")
    assert (done.returncode, done.stdout.splitlines()) == (1, gone)
    expected = releases(verified)
    del expected["2.13.0"]["cu126"]
    expected["2.12.1"]["torchvision-lacks"] = ["cu126"]
    assert releases((data / "torch.yml").read_text()) == expected
    assert refresh("--write", "--remove").returncode == 0


def test_what_no_longer_exists_for_a_new_build_is_written(
    verified: str, refresh, replica: Replica, data: Path
) -> None:
    """A build of torch that appears without torchaudio, and with fewer Pythons."""
    tag = "cp312-cp312-manylinux_2_28_x86_64"
    answer(replica, "rocm7.0", "torch", f"torch-2.11.0+rocm7.0-{tag}.whl")
    done = refresh("--write")
    assert sorted(done.stdout.splitlines()) == [
        "2.11.0 rocm7.0: appeared linux-x86_64",
        "2.11.0 torchaudio: has no wheels for rocm7.0",
        "2.11.0 torchvision: has no wheels for rocm7.0",
    ]
    expected = releases(verified)
    expected["2.11.0"]["torchvision-lacks"] = ["rocm7.0"]
    expected["2.11.0"]["torchaudio-lacks"] = ["cu129", "rocm7.0", "rocm7.1"]
    expected["2.11.0"]["rocm7.0"] = ["linux-x86_64"]
    assert releases((data / "torch.yml").read_text()) == expected
    assert refresh("--write", "--remove").returncode == 0
