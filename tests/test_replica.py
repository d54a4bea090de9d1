"""The replica is what it says: uv resolves against it, and its pages, files and the record agree."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version
from replica import ACCELERATORS, FACTS, PLANTED, UNHASHED, WITH_EVIDENCE, Replica, Request, stub_wheel
from uv import find_uv_bin

HERE = Path(__file__).parent

MARKERS = {
    "linux-x86_64": "sys_platform == 'linux' and platform_machine == 'x86_64'",
    "linux-aarch64": "sys_platform == 'linux' and platform_machine == 'aarch64'",
    "windows": "sys_platform == 'win32' and platform_machine == 'AMD64'",
    "macos": "sys_platform == 'darwin' and platform_machine == 'arm64'",
}

PROJECT = """\
[project]
name = "project"
version = "0.1.0"
requires-python = ">={oldest},<{newest}"
dependencies = {dependencies}

[dependency-groups]
dev = ["pytest>=8"]

[tool.uv]
environments = {environments}

[[tool.uv.index]]
name = "pytorch"
url = "{url}"
explicit = true
{options}

[tool.uv.sources]
torch = {{ index = "pytorch", marker = "sys_platform != 'darwin'" }}
torchvision = {{ index = "pytorch", marker = "sys_platform != 'darwin'" }}
torchaudio = {{ index = "pytorch", marker = "sys_platform != 'darwin'" }}
triton-rocm = {{ index = "pytorch", marker = "sys_platform != 'darwin'" }}
triton-xpu = {{ index = "pytorch", marker = "sys_platform != 'darwin'" }}
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Replica]:
    with Replica() as replica:
        yield replica


@pytest.fixture
def replica(served: Replica) -> Iterator[Replica]:
    """The module's replica, with an empty log."""
    served.requests.clear()
    yield served
    served.answers.clear()


class Project:
    """A uv project in a folder of its own, on the replica's default index, with nothing else to be found."""

    def __init__(self, folder: Path, replica: Replica) -> None:
        self.folder = folder
        self.environment = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_DEFAULT_INDEX": replica.pypi_url,
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
        }

    def write(
        self,
        url: str,
        *dependencies: str,
        environments: tuple[str, ...] = tuple(MARKERS),
        pythons: tuple[str, str] = ("3.11", "3.15"),
        options: str = "",
    ) -> Project:
        text = PROJECT.format(
            url=url,
            dependencies=list(dependencies),
            environments=[MARKERS[name] for name in environments],
            oldest=pythons[0],
            newest=pythons[1],
            options=options,
        )
        (self.folder / "pyproject.toml").write_text(text, "utf-8")
        return self

    def uv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [find_uv_bin(), *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )

    def lock(self) -> list[dict[str, Any]]:
        done = self.uv("lock")
        assert done.returncode == 0, done.stderr
        return tomllib.loads((self.folder / "uv.lock").read_text("utf-8"))["package"]


@pytest.fixture
def project(tmp_path: Path, replica: Replica) -> Project:
    return Project(tmp_path, replica)


def versions(packages: list[dict[str, Any]], name: str) -> dict[str, set[str]]:
    """The locked versions of a package, each with the platform tags of its wheels."""
    return {
        package["version"]: {
            tag.platform
            for wheel in package["wheels"]
            for tag in parse_wheel_filename(unquote(wheel["url"].rsplit("/", 1)[1]))[3]
        }
        for package in packages
        if package["name"] == name
    }


@pytest.mark.parametrize("layout", ["official", "relative", "flat"])
def test_lock(replica: Replica, project: Project, layout: str) -> None:
    url = {"official": replica.url, "relative": replica.relative_url, "flat": replica.flat_url}[layout]
    options = 'format = "flat"' if layout == "flat" else ""
    project.write(url.format(accelerator="cu130"), "torch==2.13.0", "numpy", "matplotlib", options=options)
    packages = project.lock()

    assert versions(packages, "torch") == {
        "2.13.0": {"macosx_14_0_arm64"},
        "2.13.0+cu130": {"manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64"},
    }
    index = url.format(accelerator="cu130")
    from_index = {(p["name"], p["version"]) for p in packages if p["source"].get("registry") == index}
    assert from_index == {("torch", "2.13.0+cu130")}
    assert {"matplotlib", "numpy", "jinja2", "pytest", "triton", "nvidia-cudnn-cu13"} <= {
        p["name"] for p in packages
    }
    assert not {(p["name"], p["version"]) for p in packages} & PLANTED.items()
    hashed = ["hash" in wheel for p in packages if p["version"] == "2.13.0+cu130" for wheel in p["wheels"]]
    assert not any(hashed) if layout == "flat" else all(hashed)

    # Who was asked what: the index for torch alone, and its files' host only in the official format.
    asked = {request for request in replica.requests if request.server == "index"}
    directory = urlsplit(index).path
    if layout == "flat":
        assert Request("index", f"{directory}/") in asked
    else:
        assert {request.path for request in asked if request.path.endswith("/")} == {f"{directory}/torch/"}
    files = [request.path for request in replica.requests if request.server == "files"]
    assert bool(files) is (layout == "official")
    assert all(
        path.startswith("/whl/cu130/torch-2.13.0+cu130-") and path.endswith(".metadata") for path in files
    )
    assert Request("pypi", "/simple/numpy/") in replica.requests


def test_planted_packages_win_without_explicit(replica: Replica, project: Project) -> None:
    """The trap works: an index that is not explicit would give the planted packages."""
    project.write(replica.url.format(accelerator="cu130"), "torch==2.13.0", environments=("linux-x86_64",))
    text = (project.folder / "pyproject.toml").read_text("utf-8")
    (project.folder / "pyproject.toml").write_text(text.replace("explicit = true", ""), "utf-8")
    assert versions(project.lock(), "jinja2") == {PLANTED["jinja2"]: {"any"}}


@pytest.mark.parametrize(
    ("accelerator", "aarch64"),
    [("cpu", {"manylinux_2_17_aarch64", "manylinux2014_aarch64"}), ("cu124", {"linux_aarch64"})],
)
def test_aarch64_without_local_version(
    replica: Replica, project: Project, accelerator: str, aarch64: set[str]
) -> None:
    url = replica.url.format(accelerator=accelerator)
    linux = ("linux-x86_64", "linux-aarch64")
    project.write(url, "torch==2.5.1", "torchvision==0.20.1", environments=linux, pythons=("3.11", "3.13"))
    packages = project.lock()
    assert versions(packages, "torch") == {"2.5.1": aarch64, f"2.5.1+{accelerator}": {"linux_x86_64"}}
    assert versions(packages, "torchvision").keys() == {"0.20.1", f"0.20.1+{accelerator}"}
    assert {p["source"]["registry"] for p in packages if p["name"] in ("torch", "torchvision")} == {url}


def test_platform_without_the_build_is_an_error(replica: Replica, project: Project) -> None:
    project.write(replica.url.format(accelerator="cu129"), "torch==2.13.0")  # no Windows
    done = project.uv("lock")
    assert done.returncode != 0
    assert "2.13.0+cu129" in done.stderr


@pytest.mark.parametrize(("accelerator", "triton"), [("rocm7.2", "triton-rocm"), ("xpu", "triton-xpu")])
def test_triton_packages_stand_beside_torch(
    replica: Replica, project: Project, accelerator: str, triton: str
) -> None:
    url = replica.url.format(accelerator=accelerator)
    companions = ["torchvision==0.29.0", "torchaudio==2.11.0", triton]
    packages = project.write(url, "torch==2.14.0", *companions, environments=("linux-x86_64",)).lock()
    assert versions(packages, "torch").keys() == {f"2.14.0+{accelerator}"}
    assert versions(packages, triton) == {"3.8.0": {"manylinux_2_28_x86_64"}}
    # Not named as a dependency, it is looked for on the default index, where the name is another thing.
    project.write(url, "torch==2.14.0", environments=("linux-x86_64",))
    assert project.uv("lock").returncode != 0


@pytest.mark.parametrize("accelerator", ["cu118", "cu121"])
@pytest.mark.parametrize(("torch", "works"), [("2.1.0", False), ("2.1.1", False), ("2.1.2", True)])
def test_triton_without_a_marker_keeps_windows_out(
    replica: Replica, project: Project, accelerator: str, torch: str, works: bool
) -> None:
    """pytorch#114042: the wheels for Linux ask for triton everywhere, and there is none for Windows."""
    url, pythons = replica.url.format(accelerator=accelerator), ("3.11", "3.12")
    linux = ("linux-x86_64", "macos")
    packages = project.write(url, f"torch=={torch}", environments=linux, pythons=pythons).lock()
    assert versions(packages, "torch").keys() == {torch, f"{torch}+{accelerator}"}
    (project.folder / "uv.lock").unlink()
    project.write(url, f"torch=={torch}", environments=(*linux, "windows"), pythons=pythons)
    done = project.uv("lock")
    assert (done.returncode == 0) is works
    assert ("triton==2.1.0" in done.stderr) is not works


class Links(HTMLParser):
    """The links of a page: their attributes and text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if data.strip():
            attributes, text = self.found[-1]
            self.found[-1] = attributes, text + data


class Client:
    """Plain GET over kept connections."""

    def __init__(self) -> None:
        self.connections: dict[str, http.client.HTTPConnection] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections.values():
            connection.close()

    def get(self, url: str) -> tuple[int, bytes]:
        parts = urlsplit(url)
        connection = self.connections.setdefault(
            parts.netloc, http.client.HTTPConnection(parts.netloc, timeout=30)
        )
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def page(self, url: str) -> list[tuple[dict[str, str | None], str]]:
        status, body = self.get(url)
        assert status == 200, url
        return Links(body).found


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as client:
        yield client


def check_project_pages(client: Client, root: str, *, unhashed: bool = False) -> set[str]:
    """Follow every link below the root of an index; return the file names."""
    names = set()
    for attributes, project in client.page(f"{root}/"):
        assert project == canonicalize_name(project)
        page = urljoin(f"{root}/", attributes["href"])
        for link, filename in client.page(page):
            name, version, _, _ = parse_wheel_filename(filename)
            assert name == project
            url, _, digest = urljoin(page, link["href"]).partition("#")
            assert "+" not in url
            assert unquote(url).endswith(f"/{filename}")
            assert digest.startswith("sha256=") or (unhashed and (name, version.public) in UNHASHED)
            status, content = client.get(url)
            assert status == 200
            assert digest in ("", f"sha256={hashlib.sha256(content).hexdigest()}")
            with zipfile.ZipFile(BytesIO(content)) as archive:
                info = "-".join(filename.split("-")[:2]) + ".dist-info"
                assert f"Version: {version}\n" in (metadata := archive.read(f"{info}/METADATA").decode())
            if core := link.get("data-core-metadata"):
                status, served = client.get(f"{url}.metadata")
                assert (status, served.decode()) == (200, metadata)
                assert (
                    core == link["data-dist-info-metadata"] == f"sha256={hashlib.sha256(served).hexdigest()}"
                )
            if requires_python := link.get("data-requires-python"):
                assert f"Requires-Python: {requires_python}\n" in metadata
            names.add(filename)
    return names


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_pages(replica: Replica, client: Client, accelerator: str) -> None:
    expected = replica.wheels(accelerator)
    assert check_project_pages(client, replica.url.format(accelerator=accelerator), unhashed=True) == expected
    flat = replica.flat_url.format(accelerator=accelerator)
    assert {text for _, text in client.page(f"{flat}/")} == expected
    assert "+" not in client.get(f"{flat}/")[1].decode()
    assert client.get(flat)[0] == 301


def test_relative_and_default_index_pages(replica: Replica, client: Client) -> None:
    for root, accelerator in (
        (replica.relative_url.format(accelerator="cu124"), "cu124"),
        (replica.pypi_url, None),
    ):
        assert check_project_pages(client, root) == replica.wheels(accelerator)
    flat = replica.flat_url.format(accelerator="cu124")
    for link, _ in client.page(f"{flat}/")[:20]:
        assert client.get(urljoin(f"{flat}/", link["href"]))[0] == 200
    listed = client.page(urljoin(replica.url, "/whl/"))
    assert tuple(text for _, text in listed) == ACCELERATORS


def test_some_hashes_are_missing(replica: Replica, client: Client) -> None:
    links = client.page(replica.url.format(accelerator="cu128") + "/torch/")
    unhashed = {text for link, text in links if "#" not in link["href"]}
    assert {filename.split("-")[1] for filename in unhashed} == {"2.7.1+cu128"}
    assert len(unhashed) < len(links) / 10


def test_missing(replica: Replica, client: Client) -> None:
    root = replica.url.format(accelerator="cpu")
    (link, _), *_ = client.page(f"{root}/torch/")
    assert client.get(f"{root}/nothing/")[0] == 404
    assert client.get(replica.url.format(accelerator="cu999") + "/torch/")[0] == 404
    assert client.get(urljoin(link["href"], "torch-0.0.1-py3-none-any.whl"))[0] == 403
    assert client.get(replica.pypi_url + "/pytorch-triton-xpu/")[0] == 404
    with pytest.raises(KeyError):
        replica.wheels("cu999")


def test_planned_answers(replica: Replica, client: Client) -> None:
    page = replica.url.format(accelerator="cpu") + "/torch/"
    replica.answers["/whl/cpu/torch/"] = 503
    assert client.get(page)[0] == 503
    replica.answers["/whl/cpu/torch/"] = b"<html>"
    assert client.get(page) == (200, b"<html>")
    replica.answers.clear()
    assert len(client.page(page)) > 100
    assert replica.requests == [Request("index", "/whl/cpu/torch/")] * 3


FILENAMES = """
cpu torch-2.1.0+cpu-cp310-cp310-linux_x86_64.whl
cpu torch-2.1.0-cp310-none-macosx_10_9_x86_64.whl
cpu torch-2.5.1+cpu-cp313-cp313-linux_x86_64.whl
cpu torch-2.5.1-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl
cpu torch-2.6.0+cpu-cp312-cp312-manylinux_2_28_aarch64.whl
cpu torch-2.6.0-cp312-none-macosx_11_0_arm64.whl
cpu torch-2.7.0+cpu-cp312-cp312-win_arm64.whl
cpu torch-2.7.0-cp313-cp313t-macosx_14_0_arm64.whl
cpu torch-2.10.0-cp314-cp314-macosx_14_0_arm64.whl
cpu torch-2.11.0-cp312-cp312-macosx_11_0_arm64.whl
cpu torch-2.15.0+cpu-cp315-cp315-win_amd64.whl
cpu torchaudio-2.10.0-cp312-cp312-manylinux_2_28_aarch64.whl
cpu torchvision-0.29.2+cpu-py3-none-win_amd64.whl
cu124 torch-2.4.0-cp312-cp312-linux_aarch64.whl
cu124 torch-2.5.1+cu124-cp312-cp312-win_amd64.whl
cu124 torch-2.5.1-cp312-cp312-linux_aarch64.whl
cu126 torch-2.6.0+cu126-cp312-cp312-linux_aarch64.whl
cu126 torch-2.6.0+cu126-cp312-cp312-manylinux_2_28_x86_64.whl
cu128 torch-2.7.0+cu128-cp312-cp312-manylinux_2_28_aarch64.whl
cu129 torch-2.13.0+cu129-cp312-cp312-manylinux_2_28_aarch64.whl
cu129 torchaudio-2.11.0+cu129-cp312-cp312-manylinux_2_28_aarch64.whl
cu130 torch-2.13.0+cu130-cp315-cp315-manylinux_2_28_aarch64.whl
cu130 torch-2.13.0+cu130-cp315-cp315-manylinux_2_28_x86_64.whl
cu130 torchaudio-2.11.0+cu130-cp312-cp312-manylinux_2_28_aarch64.whl
cu130 torchvision-0.24.1-cp312-cp312-manylinux_2_28_aarch64.whl
cu130 torchvision-0.25.0+cu130-cp312-cp312-manylinux_2_28_aarch64.whl
cu132 torch-2.14.1+cu132-cp315-cp315-win_amd64.whl
cu132 torch-2.15.0+cu132-cp315-cp315-manylinux_2_28_aarch64.whl
rocm6.4 pytorch_triton_rocm-3.5.1-cp312-cp312-manylinux_2_28_x86_64.whl
rocm7.1 torchaudio-2.11.0+rocm7.1-cp312-cp312-manylinux_2_28_x86_64.whl
rocm7.14 rocm-7.14.0-py3-none-manylinux_2_28_x86_64.whl
xpu torch-2.12.0+xpu-cp312-cp312-linux_x86_64.whl
xpu triton_xpu-3.8.0-cp312-cp312-win_amd64.whl
"""
ABSENT = """
cpu torch-2.5.1+cpu-cp313-cp313-win_amd64.whl
cpu torch-2.12.0-cp312-none-macosx_11_0_arm64.whl
cpu torch-2.14.1-cp315-none-macosx_14_0_arm64.whl
cpu torch-2.15.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl
cpu torchvision-0.20.1+cpu-cp313-cp313-linux_x86_64.whl
cpu torchvision-0.28.0+cpu-cp315-cp315-manylinux_2_28_x86_64.whl
cu124 torch-2.4.1-cp312-cp312-linux_aarch64.whl
cu126 torch-2.14.1+cu126-cp312-cp312-manylinux_2_28_aarch64.whl
cu129 torch-2.9.1+cu129-cp312-cp312-win_amd64.whl
cu130 torch-2.13.0+cu130-cp315-cp315-win_amd64.whl
cu130 torch-2.15.0+cu130-cp312-cp312-manylinux_2_28_x86_64.whl
cu132 torch-2.12.0+cu132-cp312-cp312-manylinux_2_28_aarch64.whl
cu132 torch-2.15.0+cu132-cp312-cp312-win_amd64.whl
cu132 torchaudio-2.11.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl
rocm6.1 torchvision-0.19.0+rocm6.1-cp312-cp312-linux_x86_64.whl
xpu torch-2.5.1+xpu-cp312-cp312-linux_x86_64.whl
xpu torch-2.6.0+xpu-cp312-cp312-win_amd64.whl
"""


def test_file_names(replica: Replica) -> None:
    """Names read from the record by hand: what exists and, as important, what does not."""
    for line in FILENAMES.split("\n")[1:-1]:
        accelerator, filename = line.split()
        assert filename in replica.wheels(accelerator), line
    for line in ABSENT.split("\n")[1:-1]:
        accelerator, filename = line.split()
        assert filename not in replica.wheels(accelerator), line


def test_default_index_has_what_the_record_says(replica: Replica) -> None:
    names = [parse_wheel_filename(filename) for filename in replica.wheels(None)]
    for release in FACTS["torch"]:
        torch = "torch", Version(release["version"])
        tags = {tag for name, version, _, tags in names if (name, version) == torch for tag in tags}
        for machine, pythons in release["pythons"].items():
            found = {tag.interpreter for tag in tags if tag.platform in release["platform_tags"][machine]}
            recorded = {python.rstrip("t") for python in pythons} - {"3.8", "3.9"}
            assert found == {f"cp{python.replace('.', '')}" for python in recorded}, (torch, machine)
    numpy = {tag.interpreter for name, _, _, tags in names if name == "numpy" for tag in tags}
    assert numpy >= {f"cp3{minor}" for minor in range(10, 16)}


READ = """\
torchvision: 0.98.0
torchaudio: 2.11.0
requires_python: ">=3.10"
requires: {{rocm98.0: ['triton-rocm==9.8.0; platform_system == "Linux"']}}
wheels:
  cpu: [torch-98.0.0+cpu-py3-none-win_amd64.whl]
  rocm98.0:
    - torch-98.0.0+rocm98.0-{tag}-manylinux_2_28_x86_64.whl
    - torchvision-0.98.0+rocm98.0-cp310-abi3-manylinux_2_28_x86_64.whl
  pypi: [torch-98.0.0-2-{tag}-macosx_14_0_arm64.whl]
"""
READ_AGAIN = """\
torchvision: {torchvision}
torchaudio: {torchaudio}
requires_python: "{requires_python}"
requires: {{}}
wheels:
  cpu: [torch-{version}+cpu-py3-none-win_amd64.whl]
"""


def test_releases_beyond_the_record(tmp_path: Path) -> None:
    """A release that refresh has read, new wheels of one that is recorded, and a release that only data/ has."""
    minor = sys.version_info.minor
    python, tag = f"3.{minor}", f"cp3{minor}-cp3{minor}"
    recorded = FACTS["torch"][0]
    shutil.copytree(HERE / "facts", tmp_path / "tests/facts")
    (tmp_path / "tests/lib").mkdir()
    shutil.copy(HERE / "lib/replica.py", tmp_path / "tests/lib")
    (tmp_path / "tests/facts/releases").mkdir(exist_ok=True)
    for version, text in {
        "98.0.0": READ.format(tag=tag),
        recorded["version"]: READ_AGAIN.format(**recorded),
    }.items():
        (tmp_path / f"tests/facts/releases/{version}.yml").write_text(text, "utf-8")
    table = json.loads((HERE.parent / "rules/builds.json").read_text("utf-8"))
    rocm = next(key for key, row in table["accelerators"].items() if row["family"] == "rocm")
    table["releases"]["99.0.0"] = {
        "companions": {
            "torchvision": {"version": "0.99.0", "without": {}},
            "torchaudio": {"version": "99.0.0", "without": {python: {rocm: ["linux-x86_64"]}}},
        },
        "triton": {"rocm": "triton-rocm"},
        "macos": {python: ["macos-arm64"]},
        "macos_oldest": 15,
        "wheels": {python: {"cpu": ["linux-x86_64", "windows-x86_64"], rocm: ["linux-x86_64"]}},
    }
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/builds.json").write_text(json.dumps(table), "utf-8")
    spec = importlib.util.spec_from_file_location("replica_of_more", tmp_path / "tests/lib/replica.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert {*WITH_EVIDENCE, "98.0.0"} == set(module.WITH_EVIDENCE)
    with module.Replica() as replica:
        assert replica.wheels("cpu") - Replica().wheels("cpu") == {
            f"torch-{recorded['version']}+cpu-py3-none-win_amd64.whl",
            "torch-98.0.0+cpu-py3-none-win_amd64.whl",
            *(
                f"{name}+cpu-{tag}-{platform_tag}.whl"
                for name in ("torch-99.0.0", "torchvision-0.99.0", "torchaudio-99.0.0")
                for platform_tag in ("manylinux_2_28_x86_64", "win_amd64")
            ),
        }
        assert not [name for name in replica.wheels(rocm) if name.startswith("torchaudio-99")]
        # Their projects can be locked, with what stands beside torch, and with macOS from the default index.
        for torch, torchvision, accelerator, triton in (
            ("98.0.0", "0.98.0", "rocm98.0", "9.8.0"),
            ("99.0.0", "0.99.0", rocm, "99.0.0"),
        ):
            project = Project(tmp_path / torch, replica)
            project.folder.mkdir()
            linux = [
                f"{name}; sys_platform == 'linux'" for name in (f"torchvision=={torchvision}", "triton-rocm")
            ]
            url = replica.url.format(accelerator=accelerator)
            places = {"environments": ("linux-x86_64", "macos"), "pythons": (python, f"3.{minor + 1}")}
            packages = project.write(url, f"torch=={torch}", *linux, **places).lock()
            assert versions(packages, "torch").keys() == {torch, f"{torch}+{accelerator}"}
            assert versions(packages, "torchvision").keys() == {f"{torchvision}+{accelerator}"}
            assert versions(packages, "triton-rocm").keys() == {triton}


def test_stub_wheel() -> None:
    arguments = ("Typing-Extensions", "1.0+cpu", "py2.py3-none-any", ["numpy"], ">=3.10", {"a.py": "x = 1\n"})
    filename, content = stub_wheel(*arguments)
    assert filename == "typing_extensions-1.0+cpu-py2.py3-none-any.whl"
    assert content == stub_wheel(*arguments)[1]
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        metadata = archive.read("typing_extensions-1.0+cpu.dist-info/METADATA").decode().splitlines()
        assert archive.read("a.py") == b"x = 1\n"
    assert {"Requires-Dist: numpy", "Requires-Python: >=3.10"} <= set(metadata)


def test_real_wheel_is_served_and_installed(tmp_path: Path, client: Client) -> None:
    """A wheel on disk takes the stub's place, and both kinds install: here one of each."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("the replica's CPU wheels for this machine have other names")
    tag = next(tag for tag in sys_tags() if tag.platform == "manylinux_2_28_x86_64")
    files = {"torch/__init__.py": "__version__ = '2.13.0+cpu'\nreal = 1\n"}
    filename, content = stub_wheel("torch", "2.13.0+cpu", str(tag), ["jinja2"], files=files)
    (tmp_path / filename).write_bytes(content)
    with Replica(extra={"cpu": [tmp_path / filename]}) as replica:
        links = client.page(replica.url.format(accelerator="cpu") + "/torch/")
        [link] = [link for link, text in links if text == filename]
        assert client.get(link["href"].partition("#")[0]) == (200, content)
        assert link["href"].endswith(hashlib.sha256(content).hexdigest())

        project = Project(tmp_path / "project", replica)
        project.folder.mkdir()
        python = f"3.{sys.version_info.minor}", f"3.{sys.version_info.minor + 1}"
        url = replica.url.format(accelerator="cpu")
        project.write(
            url, "torch==2.13.0", "torchvision==0.28.0", environments=("linux-x86_64",), pythons=python
        )
        done = project.uv("sync")
        assert done.returncode == 0, done.stderr
        code = "import torch, torchvision, PIL; print(torch.real, torch.__version__, torchvision.__version__)"
        assert project.uv("run", "python", "-c", code).stdout.split() == ["1", "2.13.0+cpu", "0.28.0+cpu"]
        assert Request("files", f"/whl/cpu/{filename}") in replica.requests


def test_stub_torch_says_which_build_it_is(replica: Replica, client: Client) -> None:
    built = {}
    for accelerator, version in (
        ("cpu", "2.13.0"),
        ("cu130", "2.13.0"),
        ("rocm7.2", "2.13.0"),
        ("xpu", "2.13.0"),
    ):
        filename = f"torch-{version}+{accelerator}-cp312-cp312-manylinux_2_28_x86_64.whl"
        _, content = client.get(replica.flat_url.format(accelerator=accelerator) + f"/{filename}")
        with zipfile.ZipFile(BytesIO(content)) as archive:
            exec(archive.read("torch/version.py"), built.setdefault(accelerator, {}))
    assert {name: values["__version__"] for name, values in built.items()} == {
        name: f"2.13.0+{name}" for name in built
    }
    assert [built[name]["cuda"] for name in built] == [None, "13.0", None, None]
    assert [built[name]["hip"] for name in built] == [None, None, "7.2", None]
    assert [built[name]["xpu"] is None for name in built] == [True, True, True, False]
