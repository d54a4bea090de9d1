"""Projects that people could have before they adopt the template: pyproject.toml by name, and what else they have.

They were made for the tests, after what public projects with uv and torch look like.
"""

from pathlib import Path

OFFICIAL = "https://download.pytorch.org/whl"

PROJECTS: dict[str, str] = {}

PROJECTS["src"] = """\
[project]
name = "tide-model"
version = "0.3.0"
description = "Tides from buoys"
readme = "README.md"
requires-python = ">=3.11"
license = "Apache-2.0"
authors = [{ name = "Ada Tide", email = "ada@example.com" }]
dependencies = [
    "numpy>=1.26",
    "torch==2.9.1",  # the one that the paper used
    "torchvision",
    "cycler",
]

[project.scripts]
tide = "tide_model.cli:main"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[dependency-groups]
dev = ["pytest>=8"]

[tool.uv.sources]
torch = { index = "pytorch-cu126" }
torchvision = { index = "pytorch-cu126" }

[[tool.uv.index]]
name = "pytorch-cu126"
url = "https://download.pytorch.org/whl/cu126"
explicit = true

[tool.ruff]
line-length = 100
"""

PROJECTS["flat"] = """\
[project]
name = "lens"
version = "1.0"
requires-python = ">=3.10,<3.14"
dependencies = ["torch>=2.6,<2.9", "six"]

[build-system]
requires = ["setuptools>=70"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
packages = ["lens"]
"""

PROJECTS["no-package"] = """\
[project]
name = "homework"
version = "0.1.0"
description = "Add your description here"
requires-python = ">=3.12"
dependencies = [
    "matplotlib>=3.10",
    "torch>=2.7.0",
]
"""

PROJECTS["guide"] = """\
# Two builds by platform, as uv's guide has it.
[project]
name = "two-builds"
version = "0.1.0"
requires-python = ">=3.12"
dependencies = [
  "torch>=2.9.1",
  "torchvision>=0.24.1",
]

[tool.uv.sources]
torch = [
  { index = "pytorch-cpu", marker = "sys_platform != 'linux'" },
  { index = "pytorch-cu128", marker = "sys_platform == 'linux'" },
]
torchvision = [
  { index = "pytorch-cpu", marker = "sys_platform != 'linux'" },
  { index = "pytorch-cu128", marker = "sys_platform == 'linux'" },
]
six = { git = "https://git.example.com/six" }

[[tool.uv.index]]
name = "pytorch-cpu"
url = "https://download.pytorch.org/whl/cpu"
explicit = true

[[tool.uv.index]]
name = "pytorch-cu128"
url = "https://download.pytorch.org/whl/cu128"
explicit = true
"""

PROJECTS["poetry-core"] = """\
[build-system]
requires = ["poetry-core>=2"]
build-backend = "poetry.core.masonry.api"

[tool.poetry]
packages = [{ include = "strider" }]

[project]
name = "strider"
dynamic = ["version"]
requires-python = ">=3.10"
dependencies = [
    # the network
    "torch==2.7.1+cu118",
    "torchaudio==2.7.1+cu118",
    # reading
    "pillow>=11",  # spectrograms
    # no more than that
]
optional-dependencies.plot = [
    "matplotlib",
]

[tool.poetry.group.unused]
optional = true
"""

PROJECTS["dynamic"] = """\
[project]
name = "quiet-net"
dynamic = ["version", "dependencies"]
requires-python = ">=3.10"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[tool.setuptools.dynamic]
version = { attr = "quiet_net.__version__" }
dependencies = { file = ["requirements.txt"] }

[tool.setuptools.packages.find]
where = ["src"]
"""

PROJECTS["own-names"] = """\
[project]
name = "shop"
version = "0"
requires-python = ">=3.11"
dependencies = ["torch", "kiwisolver", "jinja2"]

[[tool.uv.index]]
name = "company"
url = "https://packages.example.com/simple"
explicit = true

[[tool.uv.index]]
name = "torch-wheels"   # for the cluster
url = "https://download.pytorch.org/whl/cu126"

# what is ours
[tool.uv.sources]
kiwisolver = { index = "company" }
jinja2 = { index = "torch-wheels" }
torch = { index = "torch-wheels" }

[tool.uv]
# settings come late here
prerelease = "if-necessary"
default-groups = ["dev", "docs"]
environments = ["sys_platform == 'linux'"]

[dependency-groups]
docs = ["pygments"]
dev = [
    "pytest",
    { include-group = "docs" },
]
"""

PROJECTS["transitive"] = """\
[project]
name = "readers"
version = "2.1"
requires-python = ">=3.10"
dependencies = ["embedder"]

[tool.uv]
package = false
constraint-dependencies = ["networkx<3.5"]
override-dependencies = ["six>=1.16"]
sources = { embedder = { path = "vendored" } }

[tool.pytest.ini_options]
addopts = "-q"
"""

PROJECTS["tabs"] = """\
[project]
name\t= "tabular"
version\t= "0.1"
requires-python\t= ">=3.12"
dependencies\t= [
\t"torch",
\t"networkx",
]
\t
[tool]
\t[tool.black]
\tline-length = 100
\t[tool.uv]
\tdev-dependencies = [
\t\t"pytest",
\t]
"""

PROJECTS["index-first"] = """\
[[tool.uv.index]]
name = "pytorch-cpu"
url = "https://download.pytorch.org/whl/cpu"
explicit = true

[tool.uv.sources]
torch = { index = "pytorch-cpu" }

[tool.uv]
# We install this ourselves.
no-build-package = ["numpy"]

[dependency-groups]
lint = ["pygments"]

[project]
name = "index-first"
version = "0.1.0"
requires-python = ">=3.12"
dependencies = ["torch"]
"""

PROJECTS["dotted"] = """\
[project]
name = "dots"
version = "0.1"
requires-python = ">=3.12"
dependencies = ["torch>=2.8", "six"]

[tool.uv]
sources.torch = { index = "cpu-wheels" }
sources.six = { index = "mine" }
index = [
    { name = "cpu-wheels", url = "https://download.pytorch.org/whl/cpu", explicit = true },
    { name = "mine", url = "https://packages.example.com/simple", explicit = true },
]
exclude-newer-package = { six = false }
conflicts = [[{ extra = "a" }, { extra = "b" }]]
pip.no-annotate = true

[project.optional-dependencies]
a = ["networkx<3.5"]
b = ["networkx>=3.5"]
"""

PROJECTS["sub-tables"] = """\
[project]
name = "subs"
version = "0.1"
requires-python = ">=3.11"
dependencies = ["torch", "torchvision", "filelock"]

[tool.uv]
python-preference = "system"
conflicts = [
    [
        { group = "old" },
        { group = "new" },
    ],
]

[tool.uv.sources.torch]
index = "nju"
marker = "sys_platform == 'linux'"

[[tool.uv.sources.torchvision]]
index = "nju"

[tool.uv.sources.filelock]
index = "company"

[[tool.uv.index]]
name = "nju"
url = "https://mirror.nju.edu.cn/pytorch/whl/cu126"
explicit = true

[[tool.uv.index]]
name = "company"
url = "https://packages.example.com/simple"
explicit = true

[dependency-groups]
old = ["networkx<3.5"]
new = ["networkx>=3.5"]
"""

PROJECTS["workspace"] = """\
[project]
name = "root"
version = "0.1"
requires-python = ">=3.12"
dependencies = ["leaf"]

[tool.uv.workspace]
members = ["packages/*"]

[tool.uv.sources]
leaf = { workspace = true }
"""

PROJECTS["in-china"] = """\
[project]
name = "south"
version = "0.1"
requires-python = ">=3.12"
dependencies = ["torch"]

[[tool.uv.index]]
url = "https://pypi.tuna.tsinghua.edu.cn/simple"  # near
default = true

[[tool.uv.index]]
name = "sjtu"
url = "https://mirror.sjtu.edu.cn/pytorch-wheels/cpu"
explicit = true
# nothing follows
"""

PROJECTS["extra-index-url"] = """\
[project]
name = "older"
version = "0.1"
requires-python = ">=3.10"
dependencies = ["torch==2.5.1", "torchaudio==2.5.1"]

[tool.uv]
extra-index-url = ["https://download.pytorch.org/whl/cu121"]
index-strategy = "unsafe-best-match"
dev-dependencies = ["pytest"]
"""

PROJECTS["custom-mirror"] = """\
[project]
name = "inside"
version = "0.1"
requires-python = ">=3.12"
dependencies = ["torch"]

[project.optional-dependencies]
vision = ["torchvision"]

[tool.uv]
index-url = "https://packages.example.com/simple"

[tool.uv.sources]
torch = { index = "torch" }
torchvision = { index = "torch" }

[[tool.uv.index]]
name = "torch"
url = "https://wheels.example.com/torch/cu130/"
explicit = true
format = "flat"
"""

FILES: dict[str, dict[str, str]] = {
    "src": {
        "src/tide_model/__init__.py": "",
        "src/tide_model/cli.py": "def main(): ...\n",
        "README.md": "# Tides\n",
    },
    "flat": {"lens/__init__.py": ""},
    "poetry-core": {"strider/__init__.py": '__version__ = "1"\n'},
    "dynamic": {"src/quiet_net/__init__.py": '__version__ = "1"\n', "requirements.txt": "torch\n"},
    "transitive": {
        "vendored/pyproject.toml": '[project]\nname = "embedder"\nversion = "0"\nrequires-python = ">=3.10"\ndependencies = ["torch>=2"]\n'
    },
    "workspace": {
        "packages/leaf/pyproject.toml": '[project]\nname = "leaf"\nversion = "0"\nrequires-python = ">=3.12"\ndependencies = ["torch"]\n'
    },
}
"""What else is in their folders."""


def make(name: str, folder: Path, text: str | None = None) -> Path:
    """Write a project into a folder."""
    for place, content in {"pyproject.toml": text or PROJECTS[name], **FILES.get(name, {})}.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
    return folder
