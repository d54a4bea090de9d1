"""A terminal of a given size, in which a command runs and gets keys. Not on Windows."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

DOWN, UP, ENTER, SPACE, INTERRUPT = "\x1b[B", "\x1b[A", "\r", " ", "\x03"


class Terminal:
    """Run a command; `lines` is what a person sees, `status` its exit status when it has ended."""

    def __init__(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        environment: Mapping[str, str],
        *,
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        program, *arguments = map(str, command)
        self._process = pexpect.spawn(
            program,
            arguments,
            cwd=str(cwd),
            env={**environment, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(rows)},
            dimensions=(rows, columns),
        )
        # Programs ask a terminal where its cursor is, to know how many rows they have.
        self.screen.write_process_input = self._process.send
        self.status: int | None = None

    @property
    def lines(self) -> list[str]:
        """The screen from top to bottom, without blanks at the ends of lines."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def all_lines(self) -> list[str]:
        """The lines that have scrolled off the top, and the screen."""
        above = (
            "".join(row[column].data for column in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        )
        return [*above, *self.lines]

    def read(self, seconds: float = 0.1) -> bool:
        """Show what the command prints within so many seconds; say whether it printed anything."""
        if self.status is not None:
            return False
        try:
            self._stream.feed(self._process.read_nonblocking(65536, timeout=seconds))
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            self._process.wait()
            self.status = self._process.exitstatus
            if self.status is None:
                self.status = -self._process.signalstatus
            return False
        return True

    def wait(self, until: str | Callable[[], bool], seconds: float = 60) -> None:
        """Read until a text is on the screen or a condition holds; TimeoutError, with the screen, if it does not."""
        holds = until if callable(until) else lambda: until in "\n".join(self.lines)
        end = time.monotonic() + seconds
        while not holds():
            if not self.read() and (self.status is not None or time.monotonic() > end):
                if holds():
                    break
                raise TimeoutError(
                    f"waited for {until!r}, and this is on the screen:\n" + "\n".join(self.lines)
                )

    def settle(self) -> None:
        """Read until nothing more is printed."""
        while self.read(0.15):
            pass

    def send(self, keys: str) -> None:
        """Press keys without looking at the screen; a command that has ended ignores them."""
        try:
            self._process.send(keys)
        except OSError:
            self.read()

    def press(self, *keys: str) -> None:
        """Press keys one by one, each after the screen shows the effect of the one before."""
        for key in keys:
            self.send(key)
            self.settle()

    def end(self, seconds: float = 60) -> int:
        """Wait for the command to end; return its exit status."""
        self.wait(lambda: self.status is not None, seconds)
        assert self.status is not None
        return self.status
