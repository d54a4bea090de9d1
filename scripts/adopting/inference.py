"""The answers that a project gives to the template's questions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from .project import Project, Refusal


@dataclass
class Findings:
    """Answers of the project, where each comes from, and notes."""

    answers: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, answer: object, reason: str) -> None:
        if name not in self.answers:
            self.answers[name], self.reasons[name] = answer, reason


def infer(project: Project, given: Mapping[str, str], interactive: bool) -> Findings:
    """Find the answers, first in the lock, then in pyproject.toml."""
    found = Findings()
    for name, value in given.items():
        found.add(name, value, "--data")
    workflows = project.folder / ".github/workflows"
    if given.get("ci", "none") not in ("github", "none"):
        raise Refusal(f"ci={given['ci']} is for new projects: use ci=github, or leave it out")
    if given.get("ci") == "github" and workflows.exists():
        raise Refusal(
            "ci=github is for projects without workflows, but .github/workflows exists: leave it out"
        )
    found.add("adopted", True, "")
    metadata = project.document["project"]
    found.add("project_name", metadata["name"], "[project]")
    found.add("ci", "none", "the project keeps its own")
    infer_mirror(project, found)
    infer_accelerator(project, found)
    infer_release(project, found, interactive)
    infer_python(project, found)
    infer_companions(project, found)
    infer_platforms(project, found)
    infer_people(metadata, found)
    infer_pypi_mirror(project, found)
    found.add("details", False, "")
    return found


def infer_accelerator(project: Project, found: Findings) -> None:
    known, locals_ = (
        project.table["accelerators"],
        [version.partition("+")[2] for version in project.locked("torch")],
    )
    for local in sorted({local for local in locals_ if local in known}, key=lambda local: local == "cpu"):
        found.add("accelerator", local, f"uv.lock has torch +{local}")
    for package in project.lock.get("package", []) if locals_ else []:
        if re.fullmatch(r"nvidia-cuda-runtime(-cu\d+)?", package["name"]):
            cuda = "cu" + "".join(package["version"].split(".")[:2])
            if cuda in known:
                found.add("accelerator", cuda, f"uv.lock has {package['name']} {package['version']}")
    urls = [index["url"] for index in project.indexes()] + project.extra_urls()
    builds = list(dict.fromkeys(accelerator_in(project, url) for url in urls))
    for accelerator in sorted(filter(None, builds), key=lambda build: build == "cpu"):
        found.add("accelerator", accelerator, f"an index has {accelerator}")
    for requirement in project.required("torch"):
        for specifier in requirement.specifier:
            if (local := specifier.version.partition("+")[2]) in known:
                found.add("accelerator", local, f"the pin {requirement}")
    if len(builds := sorted({build for build in [*builds, *locals_] if build})) > 1:
        found.notes.append(
            f"there were builds for {' and '.join(builds)}; now {found.answers['accelerator']} is for all machines but "
            "macOS: --data platforms='[\"linux-x86_64\"]' leaves some out, --data switch_to='[\"cpu\"]' keeps another build"
        )


def accelerator_in(project: Project, url: str) -> str:
    """The accelerator in a URL."""
    return next((part for part in reversed(url.split("/")) if part in project.table["accelerators"]), "")


def infer_mirror(project: Project, found: Findings) -> None:
    urls = [(index["url"], index.get("format", "simple")) for index in project.indexes()]
    for url, form in urls + [(url, "simple") for url in project.extra_urls()]:
        if mirror := project.mirror_of(url):
            found.add("mirror", mirror[0], url)
        elif "mirror" not in found.answers:
            found.add("mirror", "custom", url)
            accelerator = accelerator_in(project, url)
            found.add(
                "mirror_url",
                "/".join(
                    "{accelerator}" if accelerator and part == accelerator else part
                    for part in url.split("/")
                ),
                url,
            )
            found.add("mirror_format", form, url)


def infer_pypi_mirror(project: Project, found: Findings) -> None:
    url = project.default_index()
    if mirror := project.pypi_mirror():
        found.add("pypi_mirror", mirror, url)
    found.add("pypi_mirror", "official", f"{url} stays as it is" if url else "default")
    if url and not mirror and found.answers["pypi_mirror"] != "official":
        raise Refusal(
            f"the project has a default index, {url}: leave --data pypi_mirror= out, or take the index out"
        )


def infer_release(project: Project, found: Findings, interactive: bool) -> None:
    releases = project.table["releases"]
    with contextlib.suppress(InvalidVersion):
        for version in sorted({Version(locked) for locked in project.locked("torch")}, reverse=True):
            found.add("torch_version", version.base_version, f"uv.lock has torch {version}")
    wanted = SpecifierSet()
    for requirement in project.required("torch"):
        wanted &= requirement.specifier
        for specifier in requirement.specifier:
            if specifier.operator in ("==", "===") and "*" not in specifier.version:
                found.add("torch_version", Version(specifier.version).base_version, f"the pin {requirement}")
    if not wanted or (interactive and "accelerator" not in found.answers):
        return
    public = SpecifierSet(",".join(str(specifier).partition("+")[0] for specifier in wanted))
    accelerator = str(found.answers.get("accelerator", "cpu"))
    python = str(found.answers.get("python_version", project.pythons()[0]))
    # The default release has wheels for more machines than the newest may have.
    usual = project.table["defaults"].get(python, {}).get(accelerator)
    here = [version for version in releases if accelerator in releases[version]["wheels"].get(python, {})]
    anywhere = project.table["accelerators"].get(accelerator, {"releases": []})["releases"]
    for version in filter(public.contains, [usual] * bool(usual) + here + anywhere):
        found.add("torch_version", version, f"torch{public}")
    if "torch_version" not in found.answers:
        raise Refusal(
            f"the template knows no release of torch{public} for {accelerator}: "
            "change the requirement, or choose another release by --data torch_version="
        )


def infer_python(project: Project, found: Findings) -> None:
    pythons, allowed = project.pythons(), project.document["project"].get("requires-python")
    if pythons == project.table["pythons"] and not allowed:
        return
    reason = f"requires-python {allowed}" if allowed else ".python-version"
    release = project.table["releases"].get(found.answers.get("torch_version"), {"wheels": {}})
    accelerator = found.answers.get("accelerator", "cpu")
    having = [python for python in pythons if accelerator in release["wheels"].get(python, {})]
    for python in having[:1] or pythons[:1]:
        found.add("python_version", python, reason)
        older = re.search(r">=?\s*([0-9.]+)", allowed or "")
        if having and older and Version(older[1]) < Version(python):
            found.notes.append(
                f"requires-python stays {allowed}, but uv.lock covers Python {python} and newer, which have wheels of this torch"
            )


def infer_companions(project: Project, found: Findings) -> None:
    here = [name for name in project.table["companions"] if project.required(name) or project.locked(name)]
    found.add("companions", here, "required or locked")


def infer_platforms(project: Project, found: Findings) -> None:
    markers = [Marker(marker) for marker in project.uv.get("environments", [])]
    systems = {"linux": "Linux", "windows": "Windows", "macos": "Darwin"}
    platforms = []
    for name, platform in project.table["platforms"].items():
        said = dict(re.findall(r"(\w+) == '([^']+)'", platform["marker"]))
        python = str(found.answers.get("python_version", "3.12"))
        said |= {
            "platform_system": systems[platform["system"]],
            "os_name": "nt" if platform["system"] == "windows" else "posix",
        }
        said |= {"python_version": python, "python_full_version": f"{python}.0"}
        if any(marker.evaluate(said) for marker in markers):
            platforms.append(name)
    if platforms:
        found.add("platforms", platforms, "environments in [tool.uv]")


def infer_people(metadata: Mapping[str, Any], found: Findings) -> None:
    """Answers that an adopted project only stores: its own metadata stays the same."""
    plain = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")
    license_ = metadata.get("license", "")
    text = license_ if isinstance(license_, str) else str(license_.get("text", ""))
    found.add("license", text if text in ("MIT", "Apache-2.0", "BSD-3-Clause") else "none", "[project]")
    if plain.fullmatch(description := metadata.get("description", "")):
        found.add("description", description, "[project]")
    for author in metadata.get("authors", [])[:1]:
        if plain.fullmatch(name := author.get("name", "")):
            found.add("author_name", name, "[project]")
        if re.fullmatch(r"[^@\s<>,]+@[^@\s<>,]+", email := author.get("email", "")):
            found.add("author_email", email, "[project]")
