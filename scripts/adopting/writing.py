"""Write all files of a change or none, whatever happens in between.

New content is first written next to git's own data. Then each file is renamed into place, pyproject.toml last; a
journal lists the new files. After an error, the change is undone; after a kill, the next run undoes it.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .project import Refusal, git

STAGE = "torch-uv-template"


def write(folder: Path, new: Path, names: list[str]) -> None:
    """Bring files from the folder `new` into a project: all of them, or none."""
    stage = stage_of(folder)
    try:
        stage.mkdir()
        for name in names:
            place = stage / "files" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new / name, place)
            if (folder / name).exists():
                shutil.copymode(folder / name, place)
        names = sorted(names, key=lambda name: (folder / name).exists())  # existing files come last
        journal = stage / "journal"
        journal.write_text(json.dumps([name for name in names if not (folder / name).exists()]))
    except BaseException as error:
        shutil.rmtree(stage, ignore_errors=True)
        if isinstance(error, OSError):
            raise Refusal(f"nothing was written: {error}") from error
        raise
    with uninterrupted():
        try:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (stage / "files" / name).replace(folder / name)
        except OSError as error:
            take_back(folder)
            raise Refusal(f"nothing was written: {error}") from error
        shutil.rmtree(stage)


def stage_of(folder: Path) -> Path:
    """The folder where files wait, on the same disk and invisible to git."""
    return Path(folder, git("rev-parse", "--git-path", STAGE, cwd=folder).strip()).absolute()


def take_back(folder: Path) -> bool:
    """Undo the unfinished change of an earlier run; say whether there was one.

    pyproject.toml is replaced last: once it is, all is written.
    """
    stage = stage_of(folder)
    if not stage.exists():
        return False
    if (stage / "files/pyproject.toml").exists() and (stage / "journal").exists():
        for name in json.loads((stage / "journal").read_text()):
            (folder / name).unlink(missing_ok=True)
            for parent in (folder / name).relative_to(folder).parents:
                if parent.name and (folder / parent).is_dir() and not any((folder / parent).iterdir()):
                    (folder / parent).rmdir()
    shutil.rmtree(stage)
    return True


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl+C and SIGTERM for a while."""
    signals = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
