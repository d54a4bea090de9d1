"""Say which build of PyTorch runs here, whether it works, and what to type if not.

`uv run test-uv --help` lists the options; in a notebook, call `test_uv.main([])`. The
template owns this package: `copier update` keeps it in step with pyproject.toml.
"""

from .cli import main

__all__ = ["main"]
