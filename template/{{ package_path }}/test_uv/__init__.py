"""Say which build of PyTorch runs here, whether it computes, and what to type if not.

`uv run test-uv --help` lists the options; in a notebook it is `test_uv.main([])`. This
belongs to the template: `copier update` keeps it in step with pyproject.toml.
"""

from .cli import main

__all__ = ["main"]
