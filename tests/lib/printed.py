"""Files and macros of the template, printed in this process: what Copier renders, without the half second it takes.

test_matrix.py compares a sample with what Copier writes.
"""

from typing import Any

import yaml
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from support import PYTHON, ROOT, TABLE, default_release, questions

JINJA = SandboxedEnvironment(
    loader=FileSystemLoader(ROOT),
    extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
SHOWN = {
    "data": {},
    "defaults": False,
    "settings": {"defaults": {}},
    "os": "linux",
    "overwrite": False,
    "dst_path": "/no/such/folder",
}
"""What Copier tells templates of a run in which people are asked."""
BUILDS = TABLE | {"machine": {name: [] for name in TABLE["machine"]}}
"""The table, for a machine of which nothing is known."""
CHOICES = {name: question["choices"] for name, question in questions().items() if "choices" in question}
FIXED = {
    "builds": BUILDS,
    "_copier_conf": SHOWN,
    "previous": {},
    "saved": {},
    "folder_releases": {},
    "project_name": "project",
    "package_path": "src/project",
    "adopted": False,
    "python_version": PYTHON,
    "accelerator": "cpu",
    "mirror": "official",
    "mirror_url": "",
    "mirror_format": "simple",
    "pypi_mirror": "official",
    "pypi_mirror_url": "",
    "switch_to": [],
    "companions": [],
    "platforms": [name for name, row in TABLE["platforms"].items() if row["default"]],
    "ci": "github",
    "container": "none",
    "language": "en",
    "license": "MIT",
    "description": "A PyTorch project",
    "author_name": "",
    "author_email": "",
}


def context(**answers: Any) -> dict[str, Any]:
    """What a file of the template sees: the defaults of all questions, and these answers."""
    chosen = {name: answers.get(name, FIXED[name]) for name in ("python_version", "accelerator")}
    torch = default_release(chosen["accelerator"], chosen["python_version"])
    return FIXED | {"torch_version": torch, "_copier_answers": answers} | answers


def printed(file: str, **answers: Any) -> str:
    """Return a file of template/, by its path there, as it is for these answers."""
    return JINJA.get_template(f"template/{file}.jinja").render(context(**answers))


def macro(file: str, name: str, *arguments: object, **answers: Any) -> str:
    """Return what a macro of rules/ prints for these answers."""
    module = JINJA.get_template(f"rules/{file}.jinja").make_module(context(**answers))
    return getattr(module, name)(*arguments).strip()


def menu(question: str, **answers: Any) -> dict[str, tuple[str, str]]:
    """Value -> label and reason (empty: can be chosen) of each choice, in order."""
    given = {
        name: FIXED[name]
        for name in (
            "builds",
            "_copier_conf",
            "previous",
            "folder_releases",
            "mirror",
            "mirror_url",
            "switch_to",
            "companions",
        )
    }
    text = JINJA.from_string(CHOICES[question]).render(given | {"_copier_answers": answers} | answers)
    return {choice["value"]: (label, choice["validator"]) for label, choice in yaml.safe_load(text).items()}
