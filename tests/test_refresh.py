"""scripts/refresh.py against the replica: what it reports, what it writes, and when it keeps its hands off."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from replica import Replica, stub_wheel
from support import ROOT, run


@pytest.fixture(scope="module")
def replica():
    """A replica of its own: these tests change its answers."""
    with Replica() as replica:
        yield replica


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "data", tmp_path / "data"))


@pytest.fixture
def refresh(replica: Replica, data: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the script on a copy of data/, with the replica in the place of both indexes."""
    replica.answers.clear()

    def refresh(*options: str, index: str = replica.url) -> subprocess.CompletedProcess[str]:
        places = ["--index", index, "--pypi", replica.pypi_url, "--data", data]
        return run(sys.executable, ROOT / "scripts/refresh.py", *places, *options, cwd=ROOT, check=False)

    return refresh


@pytest.fixture
def verified(refresh: Callable[..., subprocess.CompletedProcess[str]], data: Path) -> str:
    """data/torch.yml without `?`, as a first refresh against the replica writes it."""
    assert refresh("--write").returncode == 1
    return (data / "torch.yml").read_text()


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
    cells = re.findall(r"^    (\S+): \||^      (\S+) .*\?", before, re.MULTILINE)
    expected, version = [], ""
    for release, name in cells:
        version = release or version
        expected += [f"{version} {name}"] if name else []
    assert [
        line.partition(": seen, no longer unverified:")[0] for line in done.stdout.splitlines()
    ] == expected
    after = (data / "torch.yml").read_text()
    assert after == before[: before.index("torch_releases:")] + before[
        before.index("torch_releases:") :
    ].replace("?", "")

    again = refresh("--write")
    assert (again.returncode, again.stdout) == (0, "")
    assert (data / "torch.yml").read_text() == after


def test_without_write_nothing_is_written(refresh, data: Path) -> None:
    before = (data / "torch.yml").read_bytes()
    assert refresh().returncode == 1
    assert (data / "torch.yml").read_bytes() == before


def test_written_file_renders(verified: str, data: Path, template: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(template, tmp_path / "template"))
    shutil.copy(data / "torch.yml", changed / "data/torch.yml")
    run_copy(str(changed), tmp_path / "project", data={"accelerator": "cu130"}, defaults=True, quiet=True)
    table = tomllib.loads((tmp_path / "project/pyproject.toml").read_text())
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


def page(*files: str) -> bytes:
    links = "".join(
        f'<a href="https://example.com/{name.replace("+", "%2B")}">{name}</a><br>\n' for name in files
    )
    return f"<!DOCTYPE html>\n<html><body>\n{links}</body></html>\n".encode()


def with_release(replica: Replica, accelerator: str, version: str, *tags: str) -> bytes:
    """The page of torch for an accelerator, with wheels of one release more."""
    files = [name for name in replica.wheels(accelerator) if name.startswith("torch-")]
    return page(*files, *(f"torch-{version}+{accelerator}-{tag}.whl" for tag in tags))


def test_a_new_release_goes_to_the_top(
    verified: str, refresh, replica: Replica, data: Path, template, tmp_path
) -> None:
    linux = [f"cp3{minor}-cp3{minor}-manylinux_2_28_x86_64" for minor in (13, 14, 15)]
    replica.answers["/whl/cpu/torch/"] = with_release(
        replica, "cpu", "2.16.0", *linux, "cp314-cp314-win_amd64"
    )
    replica.answers["/whl/cu132/torch/"] = with_release(replica, "cu132", "2.16.0", *linux)
    replica.answers["/whl/cu130/torch/"] = with_release(replica, "cu130", "2.16.0rc1", *linux)
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
            "cpu": ["linux-x86_64", "windows-x86_64"],
            "cu132": ["linux-x86_64"],
        },
    )
    assert dict(others) == releases(verified)
    changed = Path(shutil.copytree(template, tmp_path / "template"))
    shutil.copy(data / "torch.yml", changed / "data/torch.yml")
    run_copy(str(changed), tmp_path / "project", data={"python_version": "3.14"}, defaults=True, quiet=True)
    table = tomllib.loads((tmp_path / "project/pyproject.toml").read_text())
    assert table["project"]["dependencies"][0] == "torch==2.16.0"
    assert table["project"]["requires-python"] == ">=3.14,<3.15"


def whole_page(replica: Replica) -> bytes:
    return page(*(name for name in replica.wheels("cu126") if name.startswith("torch-")))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda replica: 503, "cannot be read: 503"),
        (lambda replica: 500, "cannot be read: 500"),
        (lambda replica: 403, "is not there"),
        (lambda replica: 404, "is not there"),
        (lambda replica: b"<!DOCTYPE html><html><body>Sign in</body></html>", "lists no file"),
        (lambda replica: b"", "ends before its end"),
        (lambda replica: whole_page(replica)[:-4000], "ends before its end"),
        (
            lambda replica: page(*[f for f in replica.wheels("cu126") if f.startswith("torch-2.6")]),
            "has lost",
        ),
        (lambda replica: page(stub_wheel("jinja2", "1.0", "py3-none-any")[0]), "has lost"),
    ],
    ids=[
        "503",
        "500",
        "403",
        "404",
        "no links",
        "empty",
        "truncated",
        "half of the releases",
        "another project",
    ],
)
def test_a_half_read_index_changes_nothing(refresh, replica: Replica, data: Path, answer, says: str) -> None:
    before = (data / "torch.yml").read_bytes()
    replica.answers["/whl/cu126/torch/"] = answer(replica)
    done = refresh("--write", "--remove")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("refresh: ")
    assert line.endswith("nothing is changed")
    assert "cu126" in line
    assert says in line
    assert (data / "torch.yml").read_bytes() == before
    assert [file.name for file in data.iterdir()].count("torch.new") == 0


def test_an_index_out_of_reach_changes_nothing(refresh, data: Path) -> None:
    before = (data / "torch.yml").read_bytes()
    done = refresh("--write", "--remove", index="http://127.0.0.1:9/whl/{accelerator}")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert (data / "torch.yml").read_bytes() == before


def test_what_vanished_is_kept_unless_told_otherwise(
    verified: str, refresh, replica: Replica, data: Path
) -> None:
    files = [name for name in replica.wheels("cu126") if name.startswith("torch-")]
    replica.answers["/whl/cu126/torch/"] = page(
        *(name for name in files if not name.startswith("torch-2.13.0"))
    )
    gone = "2.13.0 cu126: vanished linux-x86_64 linux-aarch64 windows-x86_64"
    done = refresh("--write")
    assert (done.returncode, done.stdout.splitlines()) == (1, [gone])
    assert (data / "torch.yml").read_text() == verified
    done = refresh("--write", "--remove")
    assert (done.returncode, done.stdout.splitlines()) == (1, [gone])
    expected = releases(verified)
    del expected["2.13.0"]["cu126"]
    assert releases((data / "torch.yml").read_text()) == expected
