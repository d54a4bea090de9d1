"""An existing project: what is in it, and why it cannot be adopted."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from .toml_text import toml

HOME = "gh:org/torch-uv-template"


class Refusal(Exception):
    """Why a project cannot be adopted, with the way out, in one line."""


@dataclass
class Project:
    """A project as it is, and what the template knows."""

    folder: Path
    text: str
    document: dict[str, Any]
    table: dict[str, Any]
    lock: dict[str, Any]

    @property
    def uv(self) -> dict[str, Any]:
        uv: dict[str, Any] = self.document.get("tool", {}).get("uv", {})
        return uv

    @property
    def names(self) -> set[str]:
        """Packages that come from PyTorch's index."""
        return {"torch", *self.table["companions"], *self.table["triton"]}

    @property
    def sources(self) -> dict[str, list[dict[str, Any]]]:
        """Where packages come from: name -> the sources that [tool.uv.sources] has."""
        found = self.uv.get("sources", {}).items()
        return {
            canonicalize_name(name): value if isinstance(value, list) else [value] for name, value in found
        }

    def requirements(self) -> Iterator[Requirement]:
        """All requirements of the project, in every table."""
        for strings in requirement_lists(self.document).values():
            for string in strings:
                with contextlib.suppress(InvalidRequirement, TypeError):  # TypeError: { include-group = … }
                    yield Requirement(string)

    def required(self, name: str) -> list[Requirement]:
        return [
            requirement for requirement in self.requirements() if canonicalize_name(requirement.name) == name
        ]

    def locked(self, name: str) -> list[str]:
        """The versions of a package in uv.lock."""
        return [
            package["version"]
            for package in self.lock.get("package", [])
            if package["name"] == name and "version" in package
        ]

    def mirror_of(self, url: str) -> tuple[str, str, str] | None:
        """A URL's mirror, as answers mirror and mirror_url, and its accelerator; None if it is no known mirror."""
        bare = url.rstrip("/")
        for name, mirror in self.table["mirrors"].items():
            base = mirror["url"].partition("{accelerator}")[0]
            if bare == base.rstrip("/") or bare.startswith(base):
                accelerator = bare[len(base) :].partition("/")[0]
                return name, "", accelerator if accelerator in self.table["accelerators"] else ""
        return None

    def indexes(self) -> list[dict[str, Any]]:
        """PyTorch's indexes: known mirrors, and those in the sources of PyTorch's packages."""
        used = {source.get("index") for name in self.names for source in self.sources.get(name, [])}
        return [
            index
            for index in self.uv.get("index", [])
            if not index.get("default") and (self.mirror_of(index["url"]) or index.get("name") in used)
        ]

    def removable(self) -> list[dict[str, Any]]:
        """Indexes that the template replaces: PyTorch's that serve nothing else, and a mirror of PyPI."""
        others = {
            source.get("index")
            for name, sources in self.sources.items()
            if name not in self.names
            for source in sources
        }
        found = [
            index
            for index in self.indexes()
            if self.mirror_of(index["url"]) or (index.get("explicit") and index.get("name") not in others)
        ]
        default = [index for index in self.uv.get("index", []) if index.get("default")]
        return found + (default if self.pypi_mirror() else [])

    def pythons(self) -> list[str]:
        """The known Pythons that the project allows, the oldest first."""
        pythons: list[str] = self.table["pythons"]
        chosen = self.folder / ".python-version"
        if allowed := self.document["project"].get("requires-python"):
            bounds = SpecifierSet(allowed)
            here = [
                python
                for python in pythons
                if any(bounds.contains(f"{python}.{patch}") for patch in range(40))
            ]
            if not here:
                known = f"{pythons[0]} to {pythons[-1]}"
                raise Refusal(
                    f"requires-python is {allowed}, and the template knows Python {known}: change it"
                )
            return here
        text = chosen.read_text("utf-8") if chosen.exists() else ""
        return [python for python in pythons if re.search(rf"\b{re.escape(python)}\b", text)] or pythons

    def package(self) -> tuple[str, str]:
        """The folder of the package for test-uv, if there is one, and why."""
        name = re.sub("[-_.]+", "_", self.document["project"]["name"].lower())
        backend = self.uv.get("build-backend", {})
        if isinstance(module := backend.get("module-name"), str):
            name = module
        usual = [f"src/{name}", name]
        others = [f"src/{path.parent.name}" for path in sorted(self.folder.glob("src/*/__init__.py"))]
        for place in usual + (others if len(others) == 1 else []):
            package = place.rpartition("/")[2]
            if not (self.folder / place / "__init__.py").exists():
                continue
            if not re.fullmatch(r"[a-z_][a-z0-9_]*", package):
                return "", f"no test-uv: {package} is no name that the template knows how to spell"
            if list((self.folder / place).glob("test_uv*")):
                return "", f"no test-uv: {place}/test_uv is there already"
            if place.startswith("src/") and not self.is_installed:
                return "", f"no test-uv: {place} is not installed, since there is no build system"
            return place, f"{place}/__init__.py is there"
        return "", "no test-uv: there is no package"

    @property
    def is_installed(self) -> bool:
        """Whether uv installs the project itself."""
        return bool(self.uv.get("package", "build-system" in self.document))

    def script(self, package: str) -> str:
        """The module of test-uv, if [project.scripts] can have it."""
        project = self.document["project"]
        scripts = project.get("scripts", {})
        written = scripts == {} or re.search(r"^\[project\.scripts\]", self.text, re.MULTILINE)
        dynamic = {"scripts"} & set(project.get("dynamic", []))
        if package and self.is_installed and written and not dynamic and "test-uv" not in scripts:
            return f"{package.rpartition('/')[2]}.test_uv"
        return ""

    def default_index(self) -> str:
        """The URL of the project's default index, if it has one."""
        urls = [index["url"] for index in self.uv.get("index", []) if index.get("default")]
        return str([*urls, self.uv.get("index-url", "")][0])

    def pypi_mirror(self) -> str:
        """The mirror of PyPI that the default index is, if the template can print it as the project has it."""
        used = {source.get("index") for sources in self.sources.values() for source in sources}
        for name, mirror in self.table["pypi_mirrors"].items():
            for index in self.uv.get("index", []):
                plain = index.keys() <= {"name", "url", "default"} and index.get("name") not in used
                if plain and index.get("default") and index["url"].rstrip("/") == mirror["url"].rstrip("/"):
                    return str(name)
        return ""

    def extra_urls(self) -> list[str]:
        """PyTorch's indexes in the old form, tool.uv.extra-index-url."""
        return [url for url in self.uv.get("extra-index-url", []) if self.mirror_of(url)]


def requirement_lists(document: dict[str, Any]) -> dict[tuple[str, ...], list[Any]]:
    """Lists of requirements: where they are -> they."""
    project, uv = document.get("project", {}), document.get("tool", {}).get("uv", {})
    lists: dict[tuple[str, ...], Any] = {
        ("project", "dependencies"): project.get("dependencies", []),
        **{
            ("project", "optional-dependencies", name): of
            for name, of in project.get("optional-dependencies", {}).items()
        },
        **{("dependency-groups", name): of for name, of in document.get("dependency-groups", {}).items()},
        ("tool", "uv", "dev-dependencies"): uv.get("dev-dependencies", []),
        ("tool", "uv", "constraint-dependencies"): uv.get("constraint-dependencies", []),
    }
    return {place: strings for place, strings in lists.items() if isinstance(strings, list)}


# Reasons to refuse --------------------------------------------------------------------------------------------


def git(*arguments: str, cwd: Path) -> str:
    """What a git command prints; nothing if it fails."""
    done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not a uv project, or that git could not restore."""
    file = folder / "pyproject.toml"
    if not file.exists():
        if (folder / "requirements.txt").exists():
            raise Refusal(
                "requirements.txt is not a uv project: make one by `uv init --bare && uv add --requirements requirements.txt`, then run this again"
            )
        raise Refusal(
            f"there is no pyproject.toml in {folder}: for a new project `uvx copier copy {HOME} NAME`"
        )
    if shutil.which("git") is None or not git("rev-parse", "--show-toplevel", cwd=folder):
        raise Refusal(
            "the project is not in git, but undo and updates need git: `git init && git add . && git commit --message Start`"
        )
    if not git("ls-files", "pyproject.toml", cwd=folder):
        raise Refusal(
            "git does not track pyproject.toml: `git add pyproject.toml && git commit --message Start`"
        )
    if git("status", "--porcelain", cwd=folder):
        raise Refusal("there are uncommitted changes: commit them, or `git stash --include-untracked`")
    if (folder / "uv.toml").exists():
        raise Refusal(
            "uv.toml makes uv ignore [tool.uv] in pyproject.toml: move its settings there, then delete it"
        )
    hooks = folder / ".pre-commit-config.yaml"
    if hooks.exists() and "pyproject-fmt" in hooks.read_text("utf-8", errors="replace"):
        raise Refusal(
            "pyproject-fmt in .pre-commit-config.yaml reorders tables that updates depend on: remove it"
        )
    for parent in folder.resolve().parents:
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError):
            above = tomllib.loads((parent / "pyproject.toml").read_text("utf-8-sig"))
            workspace = above.get("tool", {}).get("uv", {}).get("workspace", {})
            members = [path.resolve() for glob in workspace.get("members", []) for path in parent.glob(glob)]
            if folder.resolve() in members:
                raise Refusal(
                    f"this is a member of the workspace in {parent}, whose root decides on indexes: run it there"
                )


def check_project(project: Project) -> None:
    """Refuse a project whose PyTorch cannot be routed well."""
    document, uv = project.document, project.uv
    if "project" not in document:
        if "poetry" in document.get("tool", {}):
            raise Refusal(
                "pyproject.toml is Poetry's, without [project]: convert it by `uvx migrate-to-uv`, then run this again"
            )
        raise Refusal("pyproject.toml has no [project]: add it by `uv init --bare`, then run this again")
    for key in (
        "conflicts",
        "constraint-dependencies",
        "default-groups",
        "index",
        "override-dependencies",
        "environments",
    ):
        if not isinstance(uv.get(key, []), list):
            raise Refusal(f"{key} in [tool.uv] is {toml(uv[key])}: write it as a list")
    for name in ("torch", *project.table["companions"]):
        for source in project.sources.get(name, []):
            if "index" not in source:
                raise Refusal(
                    f"{name} comes from {toml(source)}: remove that from [tool.uv.sources], and PyTorch's index serves it"
                )
            if "extra" in source or "group" in source:
                raise Refusal(
                    f"{name} has a source for an extra or a group: keep one build, and `switch_to` makes groups for others"
                )
        if any(requirement.url for requirement in project.required(name)):
            raise Refusal(f"{name} is required by URL: require {name} alone, and its index serves it")
    for string in uv.get("override-dependencies", []):
        if canonicalize_name(Requirement(string).name) in project.names:
            raise Refusal(f"override-dependencies has {string}, which overrides every pin: remove it")
    for index in project.uv.get("index", []):
        if re.search("/(nightly|test)/", index["url"]):
            raise Refusal(
                f"{index['url']} has builds that are not releases, and the template knows only releases: require a release"
            )
        if index.get("name") == "pytorch" and index not in project.removable():
            raise Refusal(f"another index is called pytorch ({index['url']}): rename it")
    used = {
        group for group in document.get("dependency-groups", {}) if group in project.table["accelerators"]
    }
    lists = requirement_lists(document)
    for kind, place in (("extra", ("project", "optional-dependencies")), ("group", ("dependency-groups",))):
        named = {entry.get(kind) for conflict in uv.get("conflicts", []) for entry in conflict}
        for name in named - {None}:
            for string in lists.get((*place, name), []):
                if isinstance(string, str) and canonicalize_name(Requirement(string).name) in project.names:
                    raise Refusal(
                        f"{kind} {name} has {string} and is in conflicts: remove PyTorch from it, and `switch_to` makes such groups"
                    )
    if used:
        raise Refusal(f"the group {used.pop()} is named like an accelerator: rename it")
    check_workspace(project)


def check_workspace(project: Project) -> None:
    """Refuse a workspace if several members need PyTorch: the root's pins do not apply to what they publish."""
    needing = []
    for glob in project.uv.get("workspace", {}).get("members", []):
        for file in sorted(project.folder.glob(f"{glob}/pyproject.toml")):
            member = Project(file.parent, "", tomllib.loads(file.read_text("utf-8-sig")), project.table, {})
            if project.names & set(member.sources):
                raise Refusal(
                    f"{file.parent.name} has its own source for PyTorch: remove it from its [tool.uv.sources]"
                )
            if project.names & {canonicalize_name(requirement.name) for requirement in member.requirements()}:
                needing.append(file.parent.name)
    if len(needing) > 1:
        raise Refusal(
            f"several members need PyTorch ({', '.join(needing)}): let one of them, or the root, require it for all"
        )
