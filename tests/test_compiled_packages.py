"""The recipes of docs/compiled-packages.md: each is locked in a rendered project, and stays there in an update.

Where the page names a host, the test has pages of stub wheels on loopback.
"""

import functools
import io
import re
import tarfile
import threading
import tomllib
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from copier import run_copy
from reading import answers, update
from replica import Replica, stub_wheel
from support import ACCELERATORS, RELEASES, ROOT, commands, commit, has_wheels, shell, uv
from templates import as_repository, this_template

PAGE = (ROOT / "docs/compiled-packages.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "docs/compiled-packages.zh-CN.md").read_text(encoding="utf-8")
PYTHON = "3.11"
LINUX, ARM, WINDOWS = "manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64"
ANYWHERE = "py3-none-any"


def recipes(page: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", page, re.DOTALL)


def compiled(*platforms: str) -> list[str]:
    return [f"cp3{minor}-cp3{minor}-{platform}" for minor in range(10, 15) for platform in platforms]


# Folder -> project -> versions, tags and requirements, as far as uv has to choose among them.
STUBS = {
    **{
        f"astral/cu{cuda.replace('.', '')}": {
            "flash-attn": [
                (f"2.8.3+cu.{cuda}.torch.{torch}", compiled(LINUX, ARM), [f"torch=={torch}.*", "einops"])
                for torch in ("2.11", "2.12")
            ],
            "torch-scatter": [
                (f"2.1.2+cu.{cuda}.torch.{torch}", compiled(LINUX, ARM), [f"torch=={torch}.*"])
                for torch in ("2.11", "2.12")
            ],
        }
        for cuda in ("13.0", "13.2")
    },
    "whl/cu130": {
        "xformers": [("0.0.35", [f"py39-none-{LINUX}", f"py39-none-{WINDOWS}"], ["torch>=2.10", "numpy"])],
        "torchao": [("0.18.0+cu130", [f"cp310-abi3-{LINUX}"], [])],
    },
    "pypi": {
        "einops": [("0.8.2", [ANYWHERE], [])],
        "bitsandbytes": [("0.50.2", [ANYWHERE], ["torch>=2.4,<3", "numpy"])],
        "torchao": [("0.18.0", [ANYWHERE], [])],
        "triton-windows": [(version, compiled(WINDOWS), []) for version in ("3.7.1.post27", "3.8.0.post29", "3.9.0.post30")],
        "vllm": [("0.33.0", [f"cp38-abi3-{LINUX}", f"cp38-abi3-{ARM}"], ["torch==2.14.0", "torchvision==0.29.0", "torchaudio==2.11.0"])],
    },
    "pyg/torch-2.14.0+cu130.html": {"pyg-lib": [("0.9.0+pt214cu130", [f"cp310-abi3-{LINUX}", f"cp310-abi3-{WINDOWS}"], [])]},
}  # fmt: skip


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of pages of stub wheels, one for each project of a folder, or one for all of a page's."""
    root = tmp_path_factory.mktemp("stubs")
    for folder, projects in STUBS.items():
        for project, releases in projects.items():
            place = root / folder / ("" if folder.endswith(".html") else project)
            place.mkdir(parents=True, exist_ok=True)
            for version, tags, requires in releases:
                for tag in tags:
                    name, content = stub_wheel(project, version, tag, requires)
                    (place / name).write_bytes(content)
            links = (
                f'<a href="{name.name.replace("+", "%2B")}">{name.name}</a>' for name in place.glob("*.whl")
            )
            (place / "index.html").write_text(f"<!DOCTYPE html><html><body>{' '.join(links)}</body></html>")
    source = root / "pypi/flash-attn"
    source.mkdir()
    with tarfile.open(source / "flash_attn-2.8.3.post2.tar.gz", "w:gz") as archive:
        text = b"raise SystemExit('this is not to be built')\n"
        entry = tarfile.TarInfo("flash_attn-2.8.3.post2/setup.py")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    (source / "index.html").write_text(
        '<a href="flash_attn-2.8.3.post2.tar.gz">flash_attn-2.8.3.post2.tar.gz</a>'
    )
    handler = functools.partial(Quiet, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_repository(this_template(tmp_path_factory.mktemp("repository")))


@pytest.fixture(scope="module")
def index(stubs: str) -> Iterator[Replica]:
    """The replica, with what stubs has in addition on PyTorch's index."""
    with Replica() as replica:
        for project in STUBS["whl/cu130"]:
            page = f"{stubs}/whl/cu130/{project}/"
            links = [f'<a href="{page}{name}">{name}</a>' for name in names(project)]
            replica.answers[f"/whl/cu130/{project}/"] = (
                f"<html><body>{' '.join(links)}</body></html>".encode()
            )
        yield replica


def names(project: str) -> list[str]:
    return [
        stub_wheel(project, version, tag, requires)[0]
        for version, tags, requires in STUBS["whl/cu130"][project]
        for tag in tags
    ]


def written(project: Path, recipe: str) -> list[str]:
    """Write a recipe into a project where the page says; return its lines."""
    file = project / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    tables = re.findall(r"^(\[.+?\]\]?)\n(.*?)(?=^\[|\Z)", recipe, re.DOTALL | re.MULTILINE)
    assert tables
    for header, body in tables:
        lines = body.strip() + "\n"
        if header == "[project]":
            lines = re.sub(r"^dependencies = \[\n|\]\n$", "", lines)
            end = re.search(r"^dependencies = \[\n.*?(?=^\]\n)", text, re.DOTALL | re.MULTILINE).end()
            text = text[:end] + lines + text[end:]
        elif header == "[[tool.uv.index]]":
            before, mark, after = text.partition("# What PyTorch publishes")
            text = f"{before}{header}\n{lines}\n{mark}{after}"
        elif header == "[tool.uv.sources]":
            end = re.search(r"^\[tool\.uv\.sources\]\n.*?(?=\n\[|\Z)", text, re.DOTALL | re.MULTILINE).end()
            text = text[:end] + lines + text[end:]
        else:
            text += f"\n{header}\n{lines}"
    file.write_text(text, encoding="utf-8")
    return [line for line in recipe.splitlines() if line and not line.startswith(("#", "[project]", "dependencies", "]"))]  # fmt: skip


def on_loopback(recipe: str, stubs: str) -> str:
    """A recipe with the stand-ins for its hosts."""
    for host, folder in {
        "https://wheels.astral.sh/simple": "astral",
        "https://data.pyg.org/whl": "pyg",
    }.items():
        recipe = recipe.replace(host, f"{stubs}/{folder}")
    recipe = recipe.replace(".html", ".html/")
    assert "https://" not in recipe
    return recipe


def asked(recipe: str) -> dict[str, object]:
    """The answers that a recipe names in its first line."""
    words = recipe.partition("\n")[0].removeprefix("# ").split()
    return {name: yaml.safe_load(value) if "[" in value else value for name, _, value in (word.partition("=") for word in words)}  # fmt: skip


EXPECTED = {
    "flash-attn==2.8.3;": {"flash-attn": {"2.8.3+cu.13.0.torch.2.12"}, "torch-scatter": {"2.1.2+cu.13.0.torch.2.12"}},
    "pyg-lib": {"pyg-lib": {"0.9.0+pt214cu130"}},
    "xformers": {"xformers": {"0.0.35"}},
    "torchao": {"torchao": {"0.18.0", "0.18.0+cu130"}},
    "vllm": {"vllm": {"0.33.0"}, "torchvision": {"0.29.0", "0.29.0+cu130"}, "torchaudio": {"2.11.0", "2.11.0+cu130"}},
    "flash-attn==2.8.3.post2;": {"flash-attn": {"2.8.3.post2"}},
}  # fmt: skip
"""What a recipe begins with -> what the lock has to hold."""


@pytest.mark.parametrize("begins", EXPECTED)
def test_recipe_is_locked_and_stays_in_an_update(
    repository: Path, stubs: str, index: Replica, tmp_path: Path, begins: str
) -> None:
    (recipe,) = (each for each in recipes(PAGE) if f'    "{begins}' in each)
    given = asked(recipe)
    place = {"mirror": "custom", "mirror_url": index.url, "pypi_mirror": "custom", "pypi_mirror_url": index.pypi_url}  # fmt: skip
    project = tmp_path / "project"
    run_copy(
        str(repository), project, data={"python_version": PYTHON, **place, **given}, defaults=True, quiet=True
    )
    here = on_loopback(recipe, stubs)
    lines = written(project, here)
    uv("lock", cwd=project, UV_INDEX=f"{stubs}/pypi")
    locked: dict[str, set[str]] = {}
    for package in tomllib.loads((project / "uv.lock").read_text())["package"]:
        locked.setdefault(package["name"], set()).add(package["version"])
    torch = str(given["torch_version"])
    assert locked["torch"] == {torch, f"{torch}+cu130"}
    for name, versions in EXPECTED[begins].items():
        assert locked[name] == versions

    commit(project)
    other = next(
        key for key in reversed(ACCELERATORS) if key.startswith("cu") and key != "cu130" and lets(key, given)
    )
    before = tomllib.loads((project / "pyproject.toml").read_text())
    update(project, accelerator=other)
    assert answers(project)["accelerator"] == other
    after = tomllib.loads((project / "pyproject.toml").read_text())
    text = (project / "pyproject.toml").read_text().splitlines()
    assert [line for line in lines if line not in text] == []
    for table in ("extra-build-dependencies", "dependency-metadata"):
        assert after["tool"]["uv"].get(table) == before["tool"]["uv"].get(table)
    assert after["tool"]["uv"]["sources"].keys() == before["tool"]["uv"]["sources"].keys()


def lets(accelerator: str, given: dict[str, object]) -> bool:
    """Whether a project can change to an accelerator with its release and companions."""
    version = str(given["torch_version"])
    rows = [RELEASES[version]["companions"][name]["without"] for name in given.get("companions", [])]
    lacks = [row.get(PYTHON, {}).get(accelerator, []) for row in rows]
    return has_wheels(version, accelerator, PYTHON) and not any("linux-x86_64" in gone for gone in lacks)


def test_every_recipe_is_tested() -> None:
    found = [begins for recipe in recipes(PAGE) for begins in EXPECTED if f'    "{begins}' in recipe]
    assert sorted(found) == sorted(EXPECTED)
    assert len(recipes(PAGE)) == len(EXPECTED)
    assert recipes(CHINESE) == recipes(PAGE)


def test_commands_of_the_page(repository: Path, stubs: str, index: Replica, tmp_path: Path) -> None:
    """Plain uv add, in a project whose lock they change."""
    place = {"mirror": "custom", "mirror_url": index.url, "pypi_mirror": "custom", "pypi_mirror_url": index.pypi_url}  # fmt: skip
    data = {"python_version": PYTHON, "torch_version": "2.14.1", "accelerator": "cu130", **place}
    run_copy(str(repository), tmp_path / "project", data=data, defaults=True, quiet=True)
    (script,) = commands(PAGE, "From PyPI")
    shell(script, tmp_path / "project", UV_INDEX=f"{stubs}/pypi", UV_NO_SYNC="1")
    lock = tomllib.loads((tmp_path / "project/uv.lock").read_text())
    locked = {package["name"]: package["version"] for package in lock["package"]}
    assert locked["triton-windows"] == "3.8.0.post29"
    assert locked["bitsandbytes"] == "0.50.2"
    assert {p["version"] for p in lock["package"] if p["name"] == "torch"} == {"2.14.1", "2.14.1+cu130"}
