"""Fixtures: the template as a folder, rendered projects, a replica of PyTorch's index and a real wheel."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

import pytest
import yaml
from copier import run_copy
from jinja2 import Environment
from replica import Replica
from support import EXHAUSTIVE, REAL_TORCH
from templates import this_template, torch_wheel


@pytest.fixture(scope="session", autouse=True)
def rendering_is_fast() -> Iterator[None]:
    """Compile a text once for all renders, and read YAML by libyaml: together they are most of Copier's time."""
    compiled: dict[tuple[object, ...], CodeType] = {}
    compile_one = Environment.compile

    def compile(self: Environment, source: str, name: str | None = None, *arguments: object) -> object:
        if not isinstance(source, str):
            return compile_one(self, source, name, *arguments)
        settings = self.trim_blocks, self.lstrip_blocks, self.keep_trailing_newline, self.optimized
        key = source, name, type(self), *settings, *sorted(self.extensions)
        if key not in compiled:
            compiled[key] = compile_one(self, source, name, *arguments)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", compile)
        patch.setattr(yaml, "SafeLoader", yaml.CSafeLoader)
        yield


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder of this run that all its processes see."""
    folder = factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def uv_cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep stub wheels, and a torch for each place that it comes from, out of the user's cache: gigabytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(shared_folder(tmp_path_factory) / "uv-cache"))
        yield


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests often wait for a terminal or for files."""
    return (os.cpu_count() or 1) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove uv's cache when all processes are done."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory and "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(factory.getbasetemp() / "uv-cache", ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only exhaustive runs take."""
    if EXHAUSTIVE:
        return
    left_out = [item for item in items if item.get_closest_marker("exhaustive")]
    items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", autouse=True)
def copier_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Copier from the user's settings and from the cache of repositories, which all processes share.

    Two workers that give one URL to two repositories would else get each other's.
    """
    folder = tmp_path_factory.mktemp("copier")
    (folder / "settings.yml").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPIER_CACHE_DIR", str(folder / "cache"))
        patch.setenv("COPIER_SETTINGS_PATH", str(folder / "settings.yml"))
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as a plain folder: Copier reads it as it is, without a clone."""
    return this_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def render(template: Path, tmp_path: Path) -> Callable[..., Path]:
    """Render a project, by default in the folder `project`; what is not answered keeps its default.

    Nothing is trusted.
    """

    def render(folder: str = "project", /, **answers: object) -> Path:
        run_copy(str(template), tmp_path / folder, data=answers, defaults=True, quiet=True, unsafe=False)
        return tmp_path / folder

    return render


@pytest.fixture(scope="session")
def copier_template_paths() -> list[str]:
    """What pytest-copier takes for the template."""
    return ["copier.yml", "data", "rules", "template"]


@pytest.fixture(scope="session")
def replica() -> Iterator[Replica]:
    with Replica() as replica:
        yield replica


@pytest.fixture(scope="session")
def real_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real CPU wheel of torch for the running Python, alone in its folder.

    Where there is none the tests are skipped, but fail in CI.
    """
    if wheel := torch_wheel(tmp_path_factory.mktemp("real-wheel"), f"torch=={REAL_TORCH}+cpu"):
        return wheel
    reason = f"no real wheel of torch {REAL_TORCH}+cpu for this Python in reach"
    return pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="session")
def real_answers(real_wheel: Path) -> dict[str, object]:
    """Answers of a project on the real wheel, whose folder is a flat mirror."""
    return {
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "torch_version": REAL_TORCH,
        "platforms": ["linux-x86_64", "macos-arm64"],
        "mirror": "custom",
        "mirror_url": str(real_wheel.parent),
    }


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums of what tests counted with record_property."""
    counted: dict[str, int] = {}
    for report in terminalreporter.getreports("passed"):
        for name, count in report.user_properties if report.when == "call" else ():
            counted[name] = counted.get(name, 0) + count
    for name, count in counted.items():
        terminalreporter.write_line(f"{name}: {count}")
