"""Serve the selector page as it is published: docs/, with builds.json beside it.

    uv run scripts/page.py [PORT]

Tests and scripts/screens.py open the same page in the system's browser.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Handler(SimpleHTTPRequestHandler):
    """Files of docs/; builds.json is that of rules/, which the workflow for Pages copies beside them."""

    def translate_path(self, path: str) -> str:
        if path.partition("?")[0] == "/builds.json":
            return str(ROOT / "rules/builds.json")
        return super().translate_path(path)

    def log_message(self, format: str, *args: Any) -> None:
        """Do not log requests."""


@contextmanager
def served(port: int = 0) -> Iterator[str]:
    """Serve in a thread; give the page's URL."""
    with ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(ROOT / "docs"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def program() -> str | None:
    """Find the system's browser."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the system's browser, without a window."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program())
        yield chromium
        chromium.close()


if __name__ == "__main__":
    with served(int(sys.argv[1]) if sys.argv[1:] else 8000) as url:
        print(url)
        input("Enter ends it.\n")
