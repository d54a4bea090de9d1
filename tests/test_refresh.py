"""scripts/refresh.py against the replica: what it reports, what it writes, and when it keeps its hands off."""

import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
import yaml
from copier import run_copy
from entries import edited, written
from packaging.utils import parse_wheel_filename
from packaging.version import Version
from refresh import main
from replica import Replica
from support import ROOT, run

PLATFORMS = yaml.safe_load((ROOT / "data/platforms.yml").read_text())
FACTS = yaml.safe_load((ROOT / "data/accelerators.yml").read_text())
BUILDS = yaml.safe_load((ROOT / "data/builds.yml").read_text())
NEWEST = next(iter(BUILDS))
NEXT = f"{Version(NEWEST).major}.{Version(NEWEST).minor + 1}.0"  # a release that does not exist
TAGS = {
    "linux-x86_64": "manylinux_2_28_x86_64",
    "linux-aarch64": "manylinux_2_28_aarch64",
    "windows-x86_64": "win_amd64",
}


class Done(NamedTuple):
    """What a run ended with."""

    returncode: int
    stdout: str
    stderr: str


class Place(NamedTuple):
    """A copy of what refresh reads and writes, and the replica that it reads from."""

    replica: Replica
    folder: Path

    @property
    def builds(self) -> Path:
        return self.folder / "data/builds.yml"

    @property
    def companions(self) -> Path:
        return self.folder / "data/companions.yml"

    def text(self) -> str:
        return self.builds.read_text() + self.companions.read_text()

    def evidence(self) -> dict[str, dict]:
        files = sorted(self.folder.glob("tests/facts/releases/*.yml"))
        return {file.stem: yaml.safe_load(file.read_text()) for file in files}

    def refresh(self, *options: str, index: str | None = None) -> Done:
        """Run the script, in this process: that is three times as fast."""
        places = ["--index", index or self.replica.url, "--pypi", self.replica.pypi_url]
        folders = ["--data", str(self.folder / "data"), "--facts", str(self.folder / "tests/facts")]
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            status = main([*places, *folders, *options])
        return Done(status, stdout.getvalue(), stderr.getvalue())

    def is_compiled(self) -> bool:
        paths = ["--data", self.folder / "data", "--output", self.folder / "rules/builds.json"]
        return (
            run(
                sys.executable, ROOT / "scripts/compile.py", "--check", *paths, cwd=ROOT, check=False
            ).returncode
            == 0
        )


@pytest.fixture(scope="module")
def replica() -> Iterator[Replica]:
    """A replica of its own: these tests change its answers."""
    with Replica() as replica:
        yield replica


@pytest.fixture
def place(replica: Replica, tmp_path: Path) -> Place:
    replica.answers.clear()
    shutil.copytree(ROOT / "data", tmp_path / "data")
    (tmp_path / "rules").mkdir()
    shutil.copy(ROOT / "rules/builds.json", tmp_path / "rules")
    return Place(replica, tmp_path)


def page(*files: str, metadata: str = "", attributes: str = "") -> bytes:
    """A page that lists files; with `metadata` they have metadata files, in a folder of that URL."""
    attributes += ' data-core-metadata="true"' if metadata else ""
    links = "".join(
        f'<a href="{metadata or "https://example.com"}/{quote(name)}"{attributes}>{name}</a><br>\n'
        for name in files
    )
    return f"<!DOCTYPE html>\n<html><body>\n{links}</body></html>\n".encode()


def listed(replica: Replica, where: str, project: str) -> list[str]:
    wheels = replica.wheels(None if where == "pypi" else where)
    return sorted(name for name in wheels if name.startswith(f"{project}-"))


def path_of(where: str, project: str) -> str:
    return f"/simple/{project}/" if where == "pypi" else f"/whl/{where}/{project}/"


def answer(replica: Replica, where: str, *more: str, **how: str) -> None:
    """Add files of one project to its page; the page is a simple one then, without hashes."""
    project = more[0].partition("-")[0]
    path, tail = path_of(where, project), b"</body></html>\n"
    old = replica.answers.get(path, page(*listed(replica, where, project)))
    replica.answers[path] = old.removesuffix(tail) + page(*more, **how).partition(b"<body>\n")[2]


def torch(version: str, accelerator: str, pythons: list[str], *platforms: str) -> list[str]:
    numbers = [python.replace(".", "") for python in pythons]
    return [
        f"torch-{version}+{accelerator}-cp{number}-cp{number}-{TAGS[platform]}.whl"
        for number in numbers
        for platform in platforms
    ]


def on_macos(version: str, pythons: list[str], macos: int = 15) -> list[str]:
    numbers = [python.replace(".", "") for python in pythons]
    return [f"torch-{version}-cp{number}-cp{number}-macosx_{macos}_0_arm64.whl" for number in numbers]


def metadata(replica: Replica, file: str, *requires: str) -> None:
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    text = f"Metadata-Version: 2.1\nName: {file.partition('-')[0]}\nVersion: 1\n{lines}"
    replica.answers[f"/metadata/{file}.metadata"] = text.encode()


def test_the_replica_has_nothing_new(place: Place) -> None:
    before = place.text()
    done = place.refresh("--write", "--remove")
    assert (done.returncode, done.stdout) == (0, "")
    assert place.text() == before
    assert place.evidence() == {}
    pages = {
        f"{where}/{project}": [
            file
            for file in listed(place.replica, where, project)
            if not re.search(r"cp3\d-|cp3\d\dt|win_arm64", file)
        ]
        for where in ("pypi", *FACTS["accelerators"])
        for project in ("torch", "torchvision", "torchaudio", "torchcodec")
    }
    empty = [name for name, wheels in pages.items() if not wheels]
    assert {"cu132/torchaudio", "rocm7.2/torchcodec"} <= {*empty}
    wheels = sum(map(len, pages.values()))
    assert (
        f"refresh: saw {wheels} wheels on {len(pages)} pages; pages without any: {' '.join(empty)}\n"
        in done.stderr
    )
    assert "refresh: not in data/accelerators.yml: rocm5.5 rocm7.14\n" in done.stderr


@pytest.fixture
def lacking(place: Place) -> Place:
    """Data that lacks a release, an accelerator, a platform, a Python, and wheels of a companion."""
    text = place.builds.read_text()
    for pattern, replacement in (
        (r"^2\.13\.0:\n(  .*\n)+\n", ""),
        (r"(^2\.12\.1:\n(?:  .*\n)*?)    cu130: .*\n", r"\1"),
        (r"(^2\.9\.1:\n(?:  .*\n)*?    cu126: .*), windows-x86_64", r"\1"),
        (r'(^2\.8\.0:\n  pythons: .*), "3.13"', r"\1"),
    ):
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count == 1
    place.builds.write_text(text)
    text = place.companions.read_text()
    for pattern, replacement in (
        (r"^  0\.28\.0: .*\n", ""),
        (r"(^  0\.16\.0:\n(?:    .*\n)*?    accelerators: .*), cu130", r"\1"),
    ):
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count == 1
    place.companions.write_text(
        text.replace("torchvision:\n", 'torchvision:\n  0.26.0: {pythons: ["3.11"]}\n')
    )
    return place


def test_what_data_lacks_comes_back(lacking: Place) -> None:
    done = lacking.refresh()
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "2.13.0: new release, with torchvision 0.28.0 and torchaudio 2.11.0 and torchcodec 0.16.0",
        "2.12.1 linux-x86_64: appeared cu130",
        "2.12.1 linux-aarch64: appeared cu130",
        "2.12.1 windows-x86_64: appeared cu130",
        "2.9.1 windows-x86_64: appeared cu126",
        *(f"2.8.0 {platform}: appeared 3.13" for platform in list(PLATFORMS)[:4]),
        "torchvision 0.28.0: has no wheels for 3.15",
        "torchvision 0.26.0: appeared 3.10 3.12 3.13 3.14",
        "torchcodec 0.16.0: appeared cu130/3.10 cu130/3.11 cu130/3.12 cu130/3.13 cu130/3.14",
    ]
    assert lacking.evidence() == {}
    assert (
        lacking.text() != (ROOT / "data/builds.yml").read_text() + (ROOT / "data/companions.yml").read_text()
    )

    again = lacking.refresh("--write")
    assert (again.returncode, again.stdout) == (1, done.stdout)
    for file in (lacking.builds, lacking.companions):
        assert file.read_text() == (ROOT / "data" / file.name).read_text()
    assert lacking.is_compiled()
    assert lacking.refresh("--write").returncode == 0


def test_evidence_is_what_appeared(lacking: Place) -> None:
    """Of a release that was known, only the wheels that are new."""
    known = {"requires": {"rocm7.1": ["triton-rocm==3.7.0"]}, "wheels": {"cpu": ["torch-2.12.1-old.whl"]}}
    (lacking.folder / "tests/facts/releases").mkdir(parents=True)
    (lacking.folder / "tests/facts/releases/2.12.1.yml").write_text(yaml.safe_dump(known))
    lacking.refresh("--write")
    found = lacking.evidence()
    with_torchcodec = {version for version, row in BUILDS.items() if row.get("torchcodec") == "0.16.0"}
    assert set(found) == {"2.13.0", "2.12.1", "2.11.0", "2.9.1", "2.8.0"} | with_torchcodec
    assert found["2.12.1"]["requires"] == known["requires"]
    assert list(found["2.12.1"]["wheels"]) == ["cpu", "cu130"]
    assert found["2.12.1"]["wheels"]["cpu"] == known["wheels"]["cpu"]
    of_cu130 = [
        file
        for project in ("torch-2.12.1+", "torchvision-0.27.1+", "torchaudio-2.11.0+", "torchcodec-0.16.0+")
        for file in lacking.replica.wheels("cu130")
        if file.startswith(project) and not re.search(r"cp3\d\dt|cp39|cp315|win_arm64", file)
    ]
    assert found["2.12.1"]["wheels"]["cu130"] == sorted(of_cu130)
    assert {file.split("-")[0] for file in found["2.11.0"]["wheels"]["cu128"]} == {"torchvision"}
    assert {file.split("-")[2] for file in found["2.8.0"]["wheels"]["xpu"]} == {"cp313"}
    assert found["2.8.0"]["requires"]["xpu"][0].startswith("pytorch-triton-xpu==")
    assert found["2.8.0"]["torchvision"] == "0.23.0"


def publish(replica: Replica) -> None:
    """Publish a release of torch with a companion of its own and a new stand-in for triton."""
    folder = replica.url.partition("/whl")[0] + "/metadata"
    pythons = ["3.12", "3.13", "3.14", "3.15"]
    answer(replica, "cpu", *torch(NEXT, "cpu", pythons, "linux-x86_64", "linux-aarch64"))
    answer(replica, "cpu", *torch(NEXT, "cpu", pythons[:3], "windows-x86_64"))
    answer(replica, "cu132", *torch(NEXT, "cu132", pythons, "linux-x86_64"))
    rocm = torch(NEXT, "rocm7.2", pythons, "linux-x86_64")
    answer(replica, "rocm7.2", *rocm, metadata=folder)
    for file in rocm:
        metadata(replica, file, "filelock", 'triton-amd==4.0; platform_system == "Linux"')
    answer(replica, "pypi", *on_macos(NEXT, pythons[:3]), f"torch-{NEXT}-cp314-cp314-win_amd64.whl")
    # What does not count: no stable release, one that is too old, a free-threaded Python.
    answer(
        replica,
        "cu130",
        *(torch(version, "cu130", ["3.14"], "linux-x86_64")[0] for version in (f"{NEXT}rc1", "2.0.1")),
    )
    answer(replica, "cu130", f"torch-{NEXT}+cu130-cp314-cp314t-manylinux_2_28_x86_64.whl")

    own = {where: f"+{where}" for where in ("cpu", "cu132")} | {"pypi": ""}
    tags = {"cpu": [*TAGS.values()], "cu132": [TAGS["linux-x86_64"]], "pypi": ["macosx_12_0_arm64"]}
    for where, local in own.items():
        for number, pin in (("0.99.0", f"torch=={NEXT}"), ("0.99.1", f"torch>{NEXT}")):
            files = [f"torchvision-{number}{local}-py3-none-{tag}.whl" for tag in tags[where]]
            answer(replica, where, *files, metadata=folder)
            for file in files:
                metadata(replica, file, "numpy", pin)


ENTRY = """\
{version}:
  pythons: ["3.12", "3.13", "3.14"]
  more_pythons: {{linux-x86_64: ["3.15"], linux-aarch64: ["3.15"]}}
  torchvision: 0.99.0
  torchaudio: {torchaudio}
  torchcodec: {torchcodec}
  triton: {{rocm: triton-amd}}
  macos: {{platforms: [macos-arm64], oldest: 15}}
  wheels:
    cpu: [linux-x86_64, linux-aarch64, windows-x86_64]
    cu132: [linux-x86_64]
    rocm7.2: [linux-x86_64]

"""


def test_a_new_release_is_one_entry(place: Place, template: Path) -> None:
    publish(place.replica)
    builds, companions = place.builds.read_text(), place.companions.read_text()
    done = place.refresh("--write", "--today", "2031-02-03")
    torchaudio = BUILDS[NEWEST]["torchaudio"]
    torchcodec = max((row["torchcodec"] for row in BUILDS.values() if "torchcodec" in row), key=Version)
    assert done.stdout.splitlines() == [
        f"{NEXT}: new release, with torchvision 0.99.0 and torchaudio {torchaudio} and torchcodec {torchcodec}",
        "torchvision 0.99.0: has no wheels for rocm7.2",
    ]
    assert not re.search(rf"{NEXT}|2\.0\.1", done.stderr)
    entry = ENTRY.format(version=NEXT, torchaudio=torchaudio, torchcodec=torchcodec)
    assert place.builds.read_text() == builds.replace(f"\n{NEWEST}:", f"\n{entry}{NEWEST}:")
    line = "  0.99.0: {accelerators: [cpu, cu132]}\n"
    assert place.companions.read_text() == companions.replace("torchvision:\n", f"torchvision:\n{line}")
    assert place.is_compiled()
    assert place.refresh("--write").returncode == 0

    project = rendered(place, template, python_version="3.14")
    assert project["project"]["dependencies"][0] == f"torch=={NEXT}"
    assert project["project"]["requires-python"] == ">=3.14,<3.15"


def rendered(place: Place, template: Path, **answers: str) -> dict:
    """Render a project from the template with the data of a place; return its pyproject.toml."""
    changed = Path(shutil.copytree(template, place.folder / "template"))
    for name in ("data", "rules"):
        shutil.copytree(place.folder / name, changed / name, dirs_exist_ok=True)
    run_copy(str(changed), place.folder / "project", data=answers, defaults=True, quiet=True)
    return tomllib.loads((place.folder / "project/pyproject.toml").read_text())


def test_evidence_is_what_the_replica_serves(place: Place) -> None:
    """Evidence names what was seen, and a replica of it has what data/ says, no more and no less."""
    publish(place.replica)
    answer(place.replica, "rocm7.0", *torch("2.11.0", "rocm7.0", BUILDS["2.11.0"]["pythons"], "linux-x86_64"))
    place.refresh("--write", "--today", "2031-02-03")
    file = place.folder / f"tests/facts/releases/{NEXT}.yml"
    line = (
        f"# What PyTorch's index and PyPI listed of torch {NEXT} on 2031-02-03, read by scripts/refresh.py."
    )
    assert file.read_text().splitlines()[0] == line
    found = place.evidence()[NEXT]
    assert set(place.evidence()) == {"2.11.0", NEXT}
    assert found["torchvision"] == "0.99.0"
    assert found["requires"] == {"rocm7.2": ['triton-amd==4.0; platform_system == "Linux"']}
    assert list(found["wheels"]) == ["cpu", "cu132", "rocm7.2", "pypi"]
    names = {
        where: [parse_wheel_filename(name) for name in names] for where, names in found["wheels"].items()
    }
    assert {str(version) for name, version, _, _ in names["cu132"] if name == "torch"} == {f"{NEXT}+cu132"}
    pythons = {tag.interpreter for name, _, _, tags in names["cpu"] for tag in tags if name == "torch"}
    assert pythons == {"cp312", "cp313", "cp314", "cp315"}
    assert {name for name, *_ in names["rocm7.2"]} == {"torch", "torchaudio"}
    assert f"torch-{NEXT}-cp314-cp314-win_amd64.whl" in found["wheels"]["pypi"]
    assert f"torch-{NEXT}-cp312-cp312-macosx_15_0_arm64.whl" in found["wheels"]["pypi"]

    shutil.copytree(ROOT / "tests/facts", place.folder / "tests/facts", dirs_exist_ok=True)
    (place.folder / "tests/lib").mkdir()
    shutil.copy(ROOT / "tests/lib/replica.py", place.folder / "tests/lib")
    served = run(
        sys.executable, "-c", SERVE, place.folder, ROOT / "scripts/refresh.py", cwd=place.folder / "tests/lib"
    )
    assert served.stdout == f"True 0 {''!r}\n"


SERVE = f"""
import subprocess, sys
from replica import WITH_EVIDENCE, Replica
folder, script = sys.argv[1:]
with Replica() as replica:
    command = [sys.executable, script, "--index", replica.url, "--pypi", replica.pypi_url, "--data", f"{{folder}}/data"]
    done = subprocess.run(command, capture_output=True, text=True)
    print({NEXT!r} in WITH_EVIDENCE, done.returncode, repr(done.stdout))
"""


def test_metadata_that_cannot_be_read_changes_nothing(place: Place) -> None:
    publish(place.replica)
    before = place.text()
    for file, broken in ((r"torchvision-0\.99\.0.*", 503), (r"torch-.*rocm7.2.*", b"<html>Sign in</html>")):
        publish(place.replica)
        for path in [path for path in place.replica.answers if re.fullmatch(f"/metadata/{file}", path)]:
            place.replica.answers[path] = broken
        done = place.refresh("--write", "--remove")
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(
            r"refresh: \S+\.metadata cannot be read \(\w+\); nothing is changed\n", done.stderr
        )
    assert place.text() == before
    assert place.evidence() == {}


def test_without_metadata_the_release_before_tells(place: Place) -> None:
    """Companions and stand-ins; that it is a guess is said."""
    answer(place.replica, "cpu", *torch(NEXT, "cpu", ["3.14"], "linux-x86_64"))
    answer(place.replica, "xpu", *torch(NEXT, "xpu", ["3.14"], "linux-x86_64"))
    answer(place.replica, "xpu", *torch(NEXT, "cpu", ["3.14"], "windows-x86_64"))  # no XPU build
    answer(place.replica, "pypi", *on_macos(NEXT, ["3.14"], macos=11))
    companion = BUILDS[NEWEST]["torchvision"]
    for where in ("pypi", *FACTS["accelerators"]):  # no metadata on any page
        place.replica.answers[path_of(where, "torchvision")] = page(
            *listed(place.replica, where, "torchvision")
        )
    done = place.refresh("--write")
    assert done.stdout.splitlines()[0].startswith(f"{NEXT}: new release, with torchvision {companion} and ")
    assert f"refresh: {NEXT}: torchvision {companion} is a guess, since there is no metadata\n" in done.stderr
    entry = yaml.safe_load(place.builds.read_text())[NEXT]
    assert entry["triton"] == {
        "xpu": next(row["triton"]["xpu"] for row in BUILDS.values() if "triton" in row)
    }
    assert entry["macos"] == {"platforms": ["macos-arm64"]}
    assert entry["wheels"] == {"cpu": ["linux-x86_64"], "xpu": ["linux-x86_64"]}


@pytest.mark.parametrize(
    ("macos", "linux"), [([], ["3.13", "3.14"]), (["3.13"], ["3.14"])], ids=["no macOS", "no common Python"]
)
def test_half_a_release_waits(place: Place, macos: list[str], linux: list[str]) -> None:
    before = place.text()
    answer(place.replica, "cpu", *torch(NEXT, "cpu", linux, "linux-x86_64"))
    place.replica.answers["/simple/torch/"] = page(
        *listed(place.replica, "pypi", "torch"), *on_macos(NEXT, macos)
    )
    done = place.refresh("--write")
    assert (done.returncode, done.stdout) == (0, "")
    assert (
        f"refresh: {NEXT}: waits for macOS on PyPI, or for a Python that every platform has\n" in done.stderr
    )
    assert place.text() == before


def test_wheels_for_the_stable_abi_count_for_later_pythons(place: Place) -> None:
    """For every Python that data/ knows, and for one that only this torch has."""
    abi3 = [f"torch-{NEXT}+cpu-cp312-abi3-manylinux_2_28_{machine}.whl" for machine in ("x86_64", "aarch64")]
    answer(place.replica, "cpu", *abi3, *torch(NEXT, "cpu", ["3.20"], "windows-x86_64"))
    answer(place.replica, "pypi", f"torch-{NEXT}-cp310-abi3-macosx_15_0_arm64.whl")
    place.refresh("--write")
    entry = yaml.safe_load(place.builds.read_text())[NEXT]
    pythons = json.loads((ROOT / "rules/builds.json").read_text())["pythons"]
    assert entry["pythons"] == ["3.20"]
    assert entry["more_pythons"]["linux-x86_64"] == [
        python for python in pythons if Version(python) >= Version("3.12")
    ]
    assert entry["more_pythons"]["macos-arm64"] == pythons
    assert place.refresh().returncode == 0


def test_yanked_wheels_do_not_count(place: Place) -> None:
    """They make a page whole, though: nobody lost them."""
    answer(place.replica, "cpu", *torch(NEXT, "cpu", ["3.14"], "linux-x86_64"), attributes=' data-yanked=""')
    answer(place.replica, "pypi", *on_macos(NEXT, ["3.14"]))
    assert place.refresh().returncode == 0
    gone = ("2.6.0", "2.7.0", "2.7.1", "2.8.0")
    old, yanked = [], []
    for file in listed(place.replica, "cu126", "torch"):
        (yanked if file.startswith(tuple(f"torch-{version}" for version in gone)) else old).append(file)
    place.replica.answers["/whl/cu126/torch/"] = page(*old)
    answer(place.replica, "cu126", *yanked, attributes=' data-yanked="broken"')
    done = place.refresh()
    assert done.returncode == 1
    assert "2.7.1 linux-x86_64: vanished cu126" in done.stdout.splitlines()
    assert {line.partition(" ")[0] for line in done.stdout.splitlines()} == {*gone}


def without(text: bytes, *versions: str) -> bytes:
    """A page without the links of some releases."""
    lines = text.decode().splitlines(keepends=True)
    return "".join(line for line in lines if not any(f"-{version}" in line for version in versions)).encode()


def as_json(*files: str, tail: str = "}") -> Callable[[BaseHTTPRequestHandler], None]:
    """A page of files in JSON, or the beginning of one."""
    entries = [{"filename": name, "url": f"../../{name}", "hashes": {}} for name in files]
    text = json.dumps({"meta": {"api-version": "1.1"}, "name": "torch", "files": entries})
    body = (text.removesuffix("}") + tail).encode()

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def test_a_page_in_json(place: Place) -> None:
    files = listed(place.replica, "pypi", "torch")
    place.replica.answers["/simple/torch/"] = as_json(*files)
    assert place.refresh().returncode == 0
    place.replica.answers["/simple/torch/"] = as_json(*files, tail="")
    done = place.refresh("--write")
    assert done.returncode == 2
    assert re.fullmatch(
        r"refresh: \S+/simple/torch/ cannot be read \(\w+\); nothing is changed\n", done.stderr
    )


BROKEN = {
    "503": ("cu126/torch", lambda whole: 503, "answers 503"),
    "403": ("cu126/torch", lambda whole: 403, "is missing or lists no wheel"),
    "no links": ("cu126/torch", lambda whole: b"<html><body>Sign in</body></html>", "lists no wheel"),
    "empty": ("cu126/torch", lambda whole: b"", "is cut off"),
    "truncated": ("cu126/torch", lambda whole: whole[:-4000], "is cut off"),
    "half": (
        "cu126/torch",
        lambda whole: without(whole, "2.7", "2.8", "2.9"),
        "has lost 2.7.0, 2.7.1, 2.8.0",
    ),
    "one release": ("rocm7.0/torch", lambda whole: whole.replace(b"torch-", b"other-"), "lists no wheel"),
    "companion 403": ("cu126/torchaudio", lambda whole: 403, "is missing or lists no wheel"),
    "companion half": ("cu126/torchvision", lambda whole: without(whole, "0.22", "0.23", "0.24"), "has lost"),
    "PyPI half": ("pypi/torch", lambda whole: without(whole, "2.7", "2.8", "2.9"), "has lost"),
    "PyPI 404": ("pypi/torchaudio", lambda whole: 404, "is missing or lists no wheel"),
}


@pytest.mark.parametrize(("where", "broken", "says"), BROKEN.values(), ids=BROKEN)
def test_a_half_read_index_changes_nothing(
    place: Place, where: str, broken: Callable[[bytes], int | bytes], says: str
) -> None:
    publish(place.replica)  # there would be something to write
    before = place.text()
    whole = page(*listed(place.replica, *where.split("/")))
    place.replica.answers[path_of(*where.split("/"))] = broken(whole)
    done = place.refresh("--write", "--remove")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(r"refresh: .*; nothing is changed", line)
    assert (path_of(*where.split("/")) if "lists" not in says and "lost" not in says else where) in line
    assert says in line
    assert place.text() == before
    assert place.evidence() == {}


def test_an_index_out_of_reach_changes_nothing(place: Place) -> None:
    before = place.text()
    done = place.refresh("--write", "--remove", index="http://127.0.0.1:9/whl/{accelerator}")
    assert done.returncode == 2
    assert re.fullmatch(r"refresh: \S+ cannot be read \(\w+\); nothing is changed\n", done.stderr)
    assert place.text() == before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (f"{NEWEST}: [", "builds.yml cannot be read"),
        (f"{NEWEST}: {{pythons: 3.14}}", "builds.yml"),
        (None, "builds.yml cannot be read"),
    ],
    ids=["no YAML", "wrong", "missing"],
)
def test_data_that_cannot_be_read(place: Place, wrong: str | None, says: str) -> None:
    place.builds.write_text(wrong) if wrong else place.builds.unlink()
    done = place.refresh("--write")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert says in line
    assert line.endswith("; nothing is changed")


def test_blank_lines_and_comments_stay(place: Place) -> None:
    """Also in an entry that changes; and what says the same in other words."""
    superfluous = "torchvision:\n  0.25.0:  # all of them\n    pythons: " + json.dumps(
        BUILDS["2.10.0"]["pythons"]
    )
    other_words = place.companions.read_text().replace("torchvision:", superfluous, 1)
    place.companions.write_text(other_words)
    text = place.builds.read_text()
    for pattern, replacement in (
        (r"^(2\.12\.1:)(\n(?:  .*\n)*?)    cu130: .*\n", r"# Before.\n\1  # a release\n\n  # Pythons.\2"),
        (r"^(2\.9\.1:\n(?:  .*\n)*?    cu126: .*), windows-x86_64\]", r"\1]  # beside it"),
        (r"^    cu128: ", "    # within\n\n    cu128: "),
    ):
        assert re.search(pattern, text, re.MULTILINE)
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    text = re.sub(r"^  wheels:", "  wheels:  # on the index", text, flags=re.MULTILINE) + "\n# The end.\n\n"
    place.builds.write_text(text)
    assert place.refresh("--write").returncode == 1
    assert place.companions.read_text() == other_words
    assert yaml.safe_load(place.builds.read_text()) == BUILDS
    cu130 = "    cu130: [linux-x86_64, linux-aarch64, windows-x86_64]\n"
    following = text.index("    cu132: ", text.index("2.12.1:"))
    expected = text[:following] + cu130 + text[following:]
    assert place.builds.read_text() == expected.replace("]  # beside it", ", windows-x86_64]  # beside it")
    assert place.refresh("--write").returncode == 0


def test_what_vanished_is_kept_unless_told_otherwise(place: Place) -> None:
    torch, torchvision = (page(*listed(place.replica, "cu126", name)) for name in ("torch", "torchvision"))
    place.replica.answers["/whl/cu126/torch/"] = without(torch, "2.13.0")
    place.replica.answers["/whl/cu126/torchvision/"] = without(torchvision, "0.27.1")
    gone = [
        *(f"2.13.0 {platform}: vanished cu126" for platform in TAGS),
        "torchvision 0.27.1: vanished cu126",
    ]
    before = place.text()
    done = place.refresh("--write")
    assert (done.returncode, done.stdout.splitlines()) == (1, gone)
    assert place.text() == before
    done = place.refresh("--write", "--remove")
    assert (done.returncode, done.stdout.splitlines()) == (1, gone)
    text = (ROOT / "data/builds.yml").read_text()
    start = text.index("\n2.13.0:")
    lost = "    cu126: [linux-x86_64, linux-aarch64, windows-x86_64]\n"
    assert place.builds.read_text() == text[:start] + text[start:].replace(lost, "", 1)
    others = [key for key in BUILDS["2.12.1"]["wheels"] if key != "cu126"]
    companions = yaml.safe_load(place.companions.read_text())
    assert companions["torchvision"]["0.27.1"] == {"accelerators": others}
    assert place.is_compiled()
    assert place.evidence() == {}
    assert place.refresh("--write", "--remove").returncode == 0


def test_a_release_that_vanished(place: Place) -> None:
    """With its companions, whose gaps nobody needs any more."""
    for where in ("pypi", *FACTS["accelerators"]):
        whole = page(*listed(place.replica, where, "torch"))
        place.replica.answers[path_of(where, "torch")] = without(whole, "2.13.0")
    before = place.text()
    done = place.refresh("--write")
    assert (done.returncode, done.stdout) == (1, "2.13.0: vanished\n")
    assert place.text() == before
    assert place.refresh("--write", "--remove").stdout == done.stdout
    assert yaml.safe_load(place.builds.read_text()) == {
        key: row for key, row in BUILDS.items() if key != "2.13.0"
    }
    assert "0.28.0" not in place.companions.read_text()
    assert place.is_compiled()
    assert place.refresh("--write", "--remove").returncode == 0


def test_a_wheel_that_vanished_alone(place: Place) -> None:
    """An entry states each accelerator with each Python, so --remove takes out what costs least."""
    gone = r"torch-2\.12\.1\+cu130-cp314-cp314-manylinux_2_28_x86_64"
    files = listed(place.replica, "cu130", "torch")
    place.replica.answers["/whl/cu130/torch/"] = page(*(file for file in files if not re.match(gone, file)))
    before = place.text()
    done = place.refresh("--write")
    assert (done.returncode, done.stdout) == (1, "2.12.1 linux-x86_64: vanished cu130/3.14\n")
    assert place.text() == before
    assert place.refresh("--write", "--remove").returncode == 1
    entry = yaml.safe_load(place.builds.read_text())["2.12.1"]
    assert "linux-x86_64" not in entry["wheels"]["cu130"]
    assert entry["pythons"] == BUILDS["2.12.1"]["pythons"]
    assert place.refresh("--write", "--remove").returncode == 0


def test_a_new_build_without_companions(place: Place) -> None:
    pythons = BUILDS["2.11.0"]["pythons"]
    answer(place.replica, "rocm7.0", *torch("2.11.0", "rocm7.0", pythons, "linux-x86_64"))
    done = place.refresh("--write")
    assert done.stdout.splitlines() == [
        "2.11.0 linux-x86_64: appeared rocm7.0",
        "torchvision 0.26.0: has no wheels for rocm7.0",
    ]
    builds, companions = (
        yaml.safe_load(place.builds.read_text()),
        yaml.safe_load(place.companions.read_text()),
    )
    assert builds["2.11.0"]["wheels"]["rocm7.0"] == ["linux-x86_64"]
    assert companions["torchvision"]["0.26.0"] == {"accelerators": [*BUILDS["2.11.0"]["wheels"]]}
    assert "rocm7.0" not in companions["torchaudio"]["2.11.0"]["accelerators"]
    assert list(place.evidence()["2.11.0"]["wheels"]) == ["rocm7.0"]
    assert place.refresh("--write", "--remove").returncode == 0


def test_a_new_platform_without_a_companion(place: Place) -> None:
    assert BUILDS["2.12.0"]["wheels"]["cu132"] == ["linux-x86_64", "windows-x86_64"]
    answer(place.replica, "cu132", *torch("2.12.0", "cu132", BUILDS["2.12.0"]["pythons"], "linux-aarch64"))
    done = place.refresh("--write")
    assert done.stdout.splitlines() == [
        "2.12.0 linux-aarch64: appeared cu132",
        "torchvision 0.27.0 linux-aarch64: has no wheels for cu132",
    ]
    gap = "{without: [{accelerators: [cu132], platforms: [linux-aarch64]}]}"
    assert f"  0.27.0: {gap}\n" in place.companions.read_text()
    assert place.refresh("--write").returncode == 0


@pytest.mark.parametrize(
    ("places", "python", "gone", "entry"),
    [
        (
            ["rocm7.1", "rocm7.2"],
            "cp312",
            "rocm7.1/3.12 rocm7.2/3.12",
            '{without: [{accelerators: [rocm7.1, rocm7.2], pythons: ["3.12"]}]}',
        ),
        (["pypi"], "cp314", "pypi/3.14", '{pythons: ["3.10", "3.11", "3.12", "3.13"]}'),
    ],
    ids=["ROCm", "macOS"],
)
def test_a_companion_without_single_wheels(
    place: Place, places: list[str], python: str, gone: str, entry: str
) -> None:
    for where in places:
        files = listed(place.replica, where, "torchvision")
        kept = [
            file for file in files if not re.match(rf"torchvision-0\.27\.1(\+.*)?-{python}-{python}-", file)
        ]
        place.replica.answers[path_of(where, "torchvision")] = page(*kept)
    done = place.refresh("--write", "--remove")
    assert done.stdout.splitlines()[-1] == f"torchvision 0.27.1: vanished {gone}"
    text = (ROOT / "data/companions.yml").read_text()
    assert place.companions.read_text() == text.replace("  0.20.1:", f"  0.27.1: {entry}\n  0.20.1:", 1)
    assert place.refresh().returncode == 0


def test_a_new_build_for_some_pythons_waits(place: Place) -> None:
    before = place.text()
    answer(place.replica, "rocm7.0", *torch("2.11.0", "rocm7.0", ["3.12"], "linux-x86_64"))
    done = place.refresh("--write")
    assert (done.returncode, done.stdout) == (0, "")
    assert "refresh: 2.11.0 linux-x86_64: left out until all have the same Pythons: rocm7.0\n" in done.stderr
    assert place.text() == before


def test_the_oldest_macos_is_corrected(place: Place) -> None:
    files = [name.replace("macosx_11_0", "macosx_13_0") for name in listed(place.replica, "pypi", "torch")]
    old = [name for name in listed(place.replica, "pypi", "torch") if not name.startswith("torch-2.9.1-")]
    new = [name for name in files if name.startswith("torch-2.9.1-")]
    place.replica.answers["/simple/torch/"] = page(*old, *new)
    done = place.refresh("--write")
    assert done.stdout == "2.9.1: macOS 13 is the oldest, no longer 11\n"
    text = (ROOT / "data/builds.yml").read_text()
    start = text.index("\n2.9.1:")
    changed = text[start:].replace("{platforms: [macos-arm64]}", "{platforms: [macos-arm64], oldest: 13}", 1)
    assert place.builds.read_text() == text[:start] + changed
    assert place.refresh("--write").returncode == 0


def test_a_python_that_one_accelerator_lacks_waits(place: Place) -> None:
    """Although there would be more wheels with it and without that accelerator."""
    before, release = place.text(), BUILDS["2.12.1"]
    builds = [key for key, platforms in release["wheels"].items() if "linux-x86_64" in platforms]
    assert len(builds) * len(release["pythons"]) < (len(builds) - 1) * (len(release["pythons"]) + 1)
    for accelerator in builds[:-1]:
        answer(place.replica, accelerator, *torch("2.12.1", accelerator, ["3.15"], "linux-x86_64"))
    done = place.refresh("--write")
    assert (done.returncode, done.stdout) == (0, "")
    assert "refresh: 2.12.1 linux-x86_64: left out until all have the same Pythons: 3.15\n" in done.stderr
    assert place.text() == before


def test_new_entries_look_like_the_others() -> None:
    builds, companions = ((ROOT / f"data/{name}.yml").read_text() for name in ("builds", "companions"))
    for version, entry in yaml.safe_load(builds).items():
        if not entry.keys() & {"numpy", "left_out"}:  # which only people write
            assert f"\n{written(version, entry, 0)}\n" in builds
    for releases in yaml.safe_load(companions).values():
        for number, entry in releases.items():
            assert f"\n{written(number, entry, 2)}" in companions


@pytest.mark.parametrize("number", ["3.0.0", "2.0.2", "1.9.0"], ids=["first", "between", "last"])
def test_an_entry_has_its_place(number: str) -> None:
    """The newest first, a blank line between two."""
    text = "# Head.\n\n2.1.0:\n  a: [x]\n\n2.0.0:\n  a: [x]  # note\n"
    old = yaml.safe_load(text)
    new = dict(sorted((old | {number: {"a": ["3.10"]}}).items(), reverse=True))
    result = edited(text, old, new)
    assert list(yaml.safe_load(result).items()) == list(new.items())
    assert re.search(rf"\n\n{number}: .*\n(\n\d|$)", result)
    assert edited(result, new, old) == text


@pytest.mark.parametrize(("day", "due"), [("2026-11-23", 0), ("2027-03-23", 0), ("2027-03-24", 2)])
def test_facts_that_people_check(place: Place, day: str, due: int) -> None:
    """After 120 days, refresh reminds; that is no difference."""
    file = place.folder / "data/accelerators.yml"
    text, count = re.subn(r"checked: [\d-]+", "checked: 2026-11-23", file.read_text())
    assert count == 2
    file.write_text(text)
    done = place.refresh("--today", day)
    assert (done.returncode, done.stdout) == (0, "")
    lines = [
        line for line in done.stderr.splitlines() if "last checked on 2026-11-23: compare them with" in line
    ]
    assert len(lines) == due
    if due:
        assert lines[0].startswith("refresh: driver floors were last checked")
        assert lines[0].endswith(FACTS["drivers"]["source"])
        assert lines[1].startswith("refresh: GPU architectures were last checked")
        assert "RELEASE.md" in lines[1]
