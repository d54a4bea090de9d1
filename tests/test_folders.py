"""Folders of wheels as mirror: what they hold decides what can be chosen, and refusals say what that is."""

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from printed import macro
from reading import answers, pyproject
from replica import Replica, stub_wheel
from support import NEWEST, TABLE, refusal, uv

Render = Callable[..., Path]
NOT_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="paths are written otherwise there")
LINUX, ARM, WINDOWS = "manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64"


def machines(project: Path) -> set[str]:
    """What the project is for, as values of sys_platform and platform_machine."""
    markers = pyproject(project)["tool"]["uv"]["environments"]
    return {" ".join(marker.split("'")[1::2]) for marker in markers}


@pytest.fixture
def wheels(tmp_path: Path) -> Callable[..., str]:
    """Make a folder of wheels that are names alone; return its path."""

    def wheels(*names: str, folder: str = "wheels") -> str:
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / f"{name}.whl").touch()
        return str(tmp_path / folder)

    return wheels


def torch(python: str, *, version: str = "2.13.0+cpu", platform: str = LINUX, name: str = "torch") -> str:
    return f"{name}-{version}-cp{python}-cp{python}-{platform}"


def test_a_folder_is_read_as_releases(wheels: Callable[..., str]) -> None:
    """Less what it lacks: Pythons, platforms, and companions."""
    vision, other, first = (
        TABLE["releases"]["2.13.0"]["companions"]["torchvision"]["version"],
        "2.12.0",
        "2.13.0",
    )
    url = wheels(
        torch("312"),
        torch("312", platform=ARM, version=first),  # without a local version, as some for Arm
        torch("311"),
        torch("312", name="torchvision", version=f"{vision}+cpu"),
        torch("312", version=f"{other}+cu126"),
    )
    found = json.loads(macro("folder", "releases_in", url))
    assert {version: row["wheels"] for version, row in found.items()} == {
        first: {"3.12": {"cpu": ["linux-x86_64", "linux-aarch64"]}, "3.11": {"cpu": ["linux-x86_64"]}}
    }
    lacks = {"3.12": {"cpu": ["linux-aarch64"]}, "3.11": {"cpu": ["linux-x86_64"]}}
    assert found[first]["companions"]["torchvision"] == {"version": vision, "without": lacks}
    found = json.loads(macro("folder", "releases_in", url, accelerator="cu126"))
    assert {version: row["wheels"] for version, row in found.items()} == {
        first: {"3.12": {"cu126": ["linux-aarch64"]}},
        other: {"3.12": {"cu126": ["linux-x86_64"]}},
    }


@pytest.mark.parametrize("folder", ["wheels", "wh[1]", "we ird", "we%20ird"])
def test_a_folder_is_told_from_a_url(wheels: Callable[..., str], tmp_path: Path, folder: str) -> None:
    path = wheels(torch("312"), folder=folder)
    escaped = path.replace(" ", "%20").replace("[", "%5B").replace("]", "%5D")
    assert macro("folder", "folder_format", path) == "flat"
    assert (macro("folder", "folder_format", f"file://{escaped}") == "flat") == ("%" not in folder)
    assert macro("folder", "folder_format", f"{path}/missing") == ""
    (tmp_path / folder / "torch").mkdir()
    (tmp_path / folder / "torch/index.html").touch()
    assert macro("folder", "folder_format", path) == "simple"


def test_each_accelerator_may_have_its_folder(wheels: Callable[..., str]) -> None:
    url = wheels(torch("312"), folder="whl/cpu").replace("/cpu", "/{accelerator}")
    wheels(torch("312", version="2.13.0+cu126"), folder="whl/cu126")
    assert json.loads(macro("folder", "accelerators_in", url)) == ["cpu", "cu126"]
    found = json.loads(macro("folder", "releases_in", url))
    assert found["2.13.0"]["wheels"] == {"3.12": {"cpu": ["linux-x86_64"], "cu126": ["linux-x86_64"]}}


def test_xpu_takes_the_codec_of_the_cpu(wheels: Callable[..., str]) -> None:
    codec = torch(
        "312",
        name="torchcodec",
        version=f"{TABLE['releases']['2.13.0']['companions']['torchcodec']['version']}+cpu",
    )
    for key, lacks in ("xpu", {}), ("cu126", {"3.12": {"cu126": ["linux-x86_64"]}}):
        url = wheels(torch("312", version=f"2.13.0+{key}"), codec, folder=key)
        found = json.loads(macro("folder", "releases_in", url, accelerator=key))
        assert found["2.13.0"]["companions"]["torchcodec"]["without"] == lacks


@pytest.mark.parametrize(
    ("accelerator", "python", "says"),
    [
        ("cpu", "3.11", ""),
        ("cpu", "3.13", "use python_version=3.11 or python_version=3.12: URL holds torch-2.12.0+cpu-cp312, torch-2.12.0+cu126-cp312, torch-2.13.0+cpu-cp311, torch-2.13.0+cpu-cp312"),
        ("cu126", "3.12", ""),
        ("xpu", "3.12", "use accelerator=cpu or accelerator=cu126: URL holds torch-2.12.0+cpu-cp312, torch-2.12.0+cu126-cp312, torch-2.13.0+cpu-cp311, torch-2.13.0+cpu-cp312"),
    ],
)  # fmt: skip
def test_what_a_folder_lacks_is_said(
    wheels: Callable[..., str], accelerator: str, python: str, says: str
) -> None:
    older = (torch("312", version=f"2.12.0+{key}") for key in ("cpu", "cu126"))
    url = wheels(torch("312"), torch("311"), *older)
    given = {"accelerator": accelerator, "python_version": python, "torch_version": "2.13.0"}
    assert macro("folder", "folder_problem", url, **given) == says.replace("URL", url)


def test_more_than_four_wheels_are_not_listed(wheels: Callable[..., str]) -> None:
    url = wheels(*(torch("312", version=f"2.{number}.0+cu126") for number in range(4, 9)))
    assert macro("folder", "folder_problem", url).endswith("torch-2.7.0+cu126-cp312, …")
    (Path(url) / f"{torch('312', version='2.8.0+cu126')}.whl").unlink()
    assert macro("folder", "folder_problem", url).endswith("torch-2.7.0+cu126-cp312")
    assert macro("folder", "folder_problem", wheels("numpy", folder="other")).endswith("other holds no torch")


def test_a_folder_in_place_of_pypi_needs_no_torch(wheels: Callable[..., str]) -> None:
    url = wheels("numpy-2.3.4-cp312-cp312-win_amd64")
    assert macro("mirrors", "url_problem", url, "pypi", "") == ""
    assert macro("mirrors", "url_problem", url, "pytorch", "").endswith(f": {url} holds no torch")
    elsewhere = macro("mirrors", "url_problem", wheels(torch("312"), folder="cpu").replace("cpu", "{accelerator}"), "pytorch", "", accelerator="cu126")  # fmt: skip
    assert elsewhere.startswith("use accelerator=cpu: ")


def test_macos_takes_what_stands_for_pypi(wheels: Callable[..., str]) -> None:
    url = wheels(torch("312", version="2.13.0", platform="macosx_14_0_arm64"))
    given = {"python_version": "3.12", "torch_version": "2.13.0"}
    both = ["macos-arm64", "macos-x86_64"]
    assert json.loads(macro("folder", "torch_for_macos", url, both, **given)) == ["macos-arm64"]
    assert json.loads(macro("folder", "torch_for_macos", "https://example.com", both, **given)) == both


def test_one_wheel_decides_everything(render: Render, wheels: Callable[..., str]) -> None:
    url = wheels(torch("311"))
    project = render(mirror="custom", mirror_url=url, python_version="3.11")
    saved = answers(project)
    assert (saved["torch_version"], saved["mirror_format"]) == ("2.13.0", "flat")
    assert pyproject(project)["project"]["requires-python"] == ">=3.11,<3.12"
    assert machines(project) == {"linux x86_64", "darwin arm64"}  # macOS takes PyPI's
    index = {"name": "pytorch", "url": url, "format": "flat", "explicit": True}
    assert pyproject(project)["tool"]["uv"]["index"] == [index]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "use python_version=3.11: URL holds torch-2.13.0+cpu-cp311"),
        ({"python_version": "3.13"}, "use python_version=3.11: URL holds torch-2.13.0+cpu-cp311"),
        ({"python_version": "3.11", "accelerator": "cu126"}, "use accelerator=cpu: URL holds torch-2.13.0+cpu-cp311"),
        ({"python_version": "3.11", "torch_version": "2.14.1"}, "torch 2.14.1 for Python 3.11 is not in URL: use torch_version=2.13.0"),
        ({"python_version": "3.11", "companions": ["torchvision"]}, "torchvision 0.28.0 has no cpu wheels in URL: leave it out of companions"),
        ({"python_version": "3.11", "platforms": ["windows-x86_64"]}, "add linux-x86_64: windows-x86_64 has no cpu wheels of torch 2.13.0 for Python 3.11 in URL"),
        ({"python_version": "3.11", "switch_to": ["cu126"]}, "torch 2.13.0 has no cu126 wheels for Python 3.11: leave it out of switch_to"),
    ],
    ids=lambda value: ",".join(f"{name}={word}" for name, word in value.items()) if isinstance(value, dict) else "",
)  # fmt: skip
def test_refusals_name_what_is_there(
    render: Render, wheels: Callable[..., str], given: dict, says: str
) -> None:
    url = wheels(torch("311"))
    assert refusal(render, mirror="custom", mirror_url=url, **given).endswith(f": {says.replace('URL', url)}")


def test_a_folder_without_torch_is_refused(render: Render, wheels: Callable[..., str]) -> None:
    url = wheels("numpy-2.3.4-cp312-cp312-win_amd64")
    message = refusal(render, mirror="custom", mirror_url=url)
    assert message.endswith(f"use another folder or accelerator: {url} holds no torch")


def test_only_releases_in_the_folder_can_be_had(render: Render, wheels: Callable[..., str]) -> None:
    """The newest for the Python chosen; the others that are there can be chosen."""
    url = wheels(torch("312", version="2.12.0+cpu"), torch("312", version="2.11.0+cpu"), torch("311"))
    custom = {"mirror": "custom", "mirror_url": url}
    assert answers(render("newest", **custom))["torch_version"] == "2.12.0"
    assert answers(render("older", **custom, torch_version="2.11.0"))["torch_version"] == "2.11.0"
    assert answers(render("other", **custom, python_version="3.11"))["torch_version"] == "2.13.0"
    message = refusal(render, **custom, torch_version="2.13.0")
    assert message.endswith(f"torch 2.13.0 for Python 3.12 is not in {url}: use torch_version=2.12.0")


def test_platforms_are_those_of_the_wheels(render: Render, wheels: Callable[..., str]) -> None:
    url = wheels(torch("312", platform=WINDOWS), torch("312", version="2.13.0", platform=ARM))
    project = render(mirror="custom", mirror_url=url, ci="none")
    assert machines(project) == {"win32 AMD64", "linux aarch64", "darwin arm64"}


def test_other_builds_of_a_wheel_are_none(render: Render, wheels: Callable[..., str]) -> None:
    """Free-threaded Pythons, other machines, and another release that starts alike."""
    url = wheels(
        "torch-2.13.0+cpu-cp312-cp312t-manylinux_2_28_x86_64",
        "torch-2.13.0+cpu-cp312-cp312-linux_s390x",
        "torch-2.13.0.post1+cpu-cp312-cp312-manylinux_2_28_x86_64",
        "torchvision-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64",
    )
    assert "holds torch-2.13.0" in refusal(render, mirror="custom", mirror_url=url)


def test_companions_are_those_in_the_folder(render: Render, wheels: Callable[..., str]) -> None:
    url = wheels(torch("312"), torch("312", name="torchvision", version="0.28.0+cpu"))
    custom = {"mirror": "custom", "mirror_url": url}
    project = render(**custom, companions=["torchvision"])
    assert "torchvision==0.28.0" in pyproject(project)["project"]["dependencies"]
    assert "torchaudio 2.11.0 has no cpu wheels in " in refusal(render, **custom, companions=["torchaudio"])


def test_a_companion_of_an_older_python_names_it(render: Render, wheels: Callable[..., str]) -> None:
    url = wheels(torch("312"), torch("311"), torch("311", name="torchvision", version="0.28.0+cpu"))
    custom = {"mirror": "custom", "mirror_url": url, "companions": ["torchvision"]}
    assert refusal(render, **custom).endswith(
        f"no cpu wheels for Python 3.12 in {url}: leave it out of companions or use python_version=3.11"
    )
    assert pyproject(render(**custom, python_version="3.11"))["project"]["requires-python"] == ">=3.11,<3.12"


def test_a_companion_in_the_folder_for_some_machines_leaves_the_others_out(
    render: Render, wheels: Callable[..., str]
) -> None:
    url = wheels(
        torch("312"), torch("312", platform=WINDOWS), torch("312", name="torchcodec", version="0.16.0+cpu")
    )
    custom = {"mirror": "custom", "mirror_url": url}
    assert machines(render("without", **custom)) == {"linux x86_64", "win32 AMD64", "darwin arm64"}
    assert machines(render("with", **custom, companions=["torchcodec"])) == {"linux x86_64", "darwin arm64"}
    message = refusal(render, **custom, companions=["torchcodec"], platforms=["windows-x86_64"])
    assert (
        "add linux-x86_64 or leave torchcodec out of companions: windows-x86_64 has no cpu wheels" in message
    )


def test_xpu_takes_the_cpu_s_torchcodec(render: Render, wheels: Callable[..., str]) -> None:
    """So does PyTorch's own index."""
    codec = torch("312", name="torchcodec", version="0.16.0+cpu")
    url = wheels(torch("312", version="2.13.0+xpu"), codec)
    custom = {"mirror": "custom", "mirror_url": url, "companions": ["torchcodec"]}
    project = render(**custom, accelerator="xpu")
    assert "torchcodec==0.16.0" in pyproject(project)["project"]["dependencies"]
    url = wheels(torch("312", version="2.13.0+cu130"), codec, folder="cuda")
    message = refusal(render, **custom | {"mirror_url": url}, accelerator="cu130")
    assert f"torchcodec 0.16.0 has no cu130 wheels in {url}" in message


# A folder for each accelerator --------------------------------------------------------------------------------


@pytest.fixture
def several(wheels: Callable[..., str]) -> str:
    wheels(torch("312"), torch("311"), folder="whl/cpu")
    wheels(torch("312", version="2.13.0+cu126"), folder="whl/cu126")
    return wheels(torch("311", version="2.13.0+cu130"), folder="whl/cu130").replace("cu130", "{accelerator}")


def test_several_accelerators(render: Render, several: str) -> None:
    project = render(mirror="custom", mirror_url=several, switch_to=["cu126"])
    urls = [index["url"] for index in pyproject(project)["tool"]["uv"]["index"]]
    assert urls == [several.replace("{accelerator}", key) for key in ("cu126", "cpu")]
    assert pyproject(project)["project"]["requires-python"] == ">=3.12,<3.13"
    assert answers(render("gpu", mirror="custom", mirror_url=several, accelerator="cu126"))["torch_version"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"switch_to": ["cu130"]}, "torch 2.13.0 has no cu130 wheels for Python 3.12: leave it out of switch_to or use switch_to=[\"cu126\"]"),
        ({"accelerator": "cu130"}, "use python_version=3.11: URL holds torch-2.13.0+cu130-cp311"),
        ({"accelerator": "cu132"}, "use accelerator=cpu or accelerator=cu126 or accelerator=cu130: URL has no folder with wheels of cu132"),
    ],
)  # fmt: skip
def test_refusals_of_accelerators(render: Render, several: str, given: dict, says: str) -> None:
    message = refusal(render, mirror="custom", mirror_url=several, **given)
    assert message.endswith(f": {says.replace('URL', several)}")


# How a folder is written ---------------------------------------------------------------------------------------


@NOT_WINDOWS
@pytest.mark.parametrize("folder", ["wheels", "wh[1]", "wh*", "we ird", "轮子"])
@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}"])
def test_spellings_of_a_folder(render: Render, wheels: Callable[..., str], folder: str, form: str) -> None:
    path = wheels(torch("312"), folder=folder)
    wheels(torch("312", version="2.14.1+cpu"), folder="wh1")  # what wh[1] would find as a pattern
    url = form.format(path)
    saved = answers(render(mirror="custom", mirror_url=url))
    assert (saved["torch_version"], saved["mirror_format"], saved["mirror_url"]) == ("2.13.0", "flat", url)


@NOT_WINDOWS
def test_a_url_with_its_blanks_escaped(render: Render, wheels: Callable[..., str]) -> None:
    url = f"file://{wheels(torch('312'), folder='a b[1]')}".translate({32: "%20", 91: "%5B", 93: "%5D"})
    assert answers(render(mirror="custom", mirror_url=url))["torch_version"] == "2.13.0"


@NOT_WINDOWS
@pytest.mark.parametrize("form", ["{}#b", "file://{}#b", "FILE://{}", "file:{}", "~{}"])
def test_what_uv_does_not_find_is_refused(render: Render, wheels: Callable[..., str], form: str) -> None:
    path = wheels(torch("312"))
    wheels(torch("312"), folder="wheels#b")
    url = form.format(path)
    message = refusal(render, mirror="custom", mirror_url=url)
    assert f"use https://example.com/whl/{{accelerator}} or /srv/wheels: {json.dumps(url)}" in message


def test_a_folder_of_pages_is_a_simple_mirror(render: Render, tmp_path: Path) -> None:
    (tmp_path / "simple/torch").mkdir(parents=True)
    (tmp_path / "simple/torch/index.html").touch()
    saved = answers(render(mirror="custom", mirror_url=str(tmp_path / "simple")))
    assert (saved["mirror_format"], saved["torch_version"]) == ("simple", NEWEST)


# With uv -------------------------------------------------------------------------------------------------------


@NOT_WINDOWS
@pytest.mark.parametrize("form", ["{}", "file://{}"])
@pytest.mark.parametrize("folder", ["wheels", "wh[1]"])
def test_uv_locks_a_project_with_a_gap_between_its_pythons(
    render: Render, replica: Replica, tmp_path: Path, folder: str, form: str
) -> None:
    """Wheels for 3.11 and 3.13 are none for 3.12, for which uv could not lock."""
    (tmp_path / folder).mkdir()
    for python in ("311", "313"):
        name, content = stub_wheel("torch", "2.13.0+cpu", f"cp{python}-cp{python}-{LINUX}")
        (tmp_path / folder / name).write_bytes(content)
    url = form.format(tmp_path / folder)
    custom = {
        "mirror": "custom",
        "mirror_url": url,
        "pypi_mirror": "custom",
        "pypi_mirror_url": replica.pypi_url,
    }
    project = render(**custom, python_version="3.11", platforms=["linux-x86_64"])
    assert pyproject(project)["project"]["requires-python"] == ">=3.11,<3.14,!=3.12.*"
    uv("lock", cwd=project)
    locked = tomllib.loads((project / "uv.lock").read_text())["package"]
    (torch,) = (package for package in locked if package["name"] == "torch")
    assert torch["version"] == "2.13.0+cpu"
    assert len(torch["wheels"]) == 2
