"""Compile data/ to rules/builds.json, the table for the questions, adopt.py and the selector page.

    uv run scripts/compile.py [--check]

Every file of data/ must satisfy its JSON Schema in data/schemas/, and refer only to names that the other files have.
Otherwise the exit status is 1, with one line on stderr. With --check, it is also 1 if rules/builds.json is outdated.
rules/builds.schema.json describes the result.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = 1  # of the table: it only grows, so that other tools may rely on it
MAKERS = {
    "cuda": "nvidia",
    "rocm": "amd",
}  # family -> its part of cards.yml, for accelerators that state no cards
OLDEST_MACOS = 11  # of PyPI's wheels, unless a release says otherwise

Data = dict[str, Any]  # a YAML file, whose types its schema states
Platforms = dict[str, list[str]]  # accelerator -> platforms
Wheels = dict[str, Platforms]  # Python -> accelerator -> platforms


class Wrong(Exception):
    """An impossible fact; the text says where and why, in one line."""


# Reading


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML that refuses duplicate keys and reads dates as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        if twice := {str(key) for key in keys if keys.count(key) > 1}:
            raise Wrong(f"line {node.start_mark.line + 1}: {', '.join(sorted(twice))} is there twice")
        return cast("dict[Any, Any]", super().construct_mapping(node, deep))


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in Loader.yaml_implicit_resolvers.items()
}


def load(folder: Path, name: str) -> Data:
    """Return a file of data/ by its name without .yml. Raises Wrong."""
    try:
        data = yaml.load((folder / f"{name}.yml").read_bytes(), Loader)
        schema = json.loads((folder / "schemas" / f"{name}.json").read_bytes())
    except (OSError, ValueError, yaml.YAMLError, Wrong) as error:
        raise Wrong(f"{name}.yml cannot be read: {' '.join(str(error).split())}") from error
    for problem in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(data):
        raise Wrong(f"{name}.yml: {'/'.join(map(str, problem.absolute_path))}: {problem.message}")
    return cast("Data", data)


# What a release has wheels for


def wheels_of(release: Data, platforms: list[str]) -> Wheels:
    """Return the usable wheels of torch on PyTorch's index."""
    unusable = left_out(release)
    return {
        python: {
            accelerator: here
            for accelerator, listed in release["wheels"].items()
            if (
                here := [
                    platform
                    for platform in platforms
                    if platform in listed
                    and python in pythons_on(release, platform)
                    and platform not in unusable.get(accelerator, {})
                ]
            )
        }
        for python in pythons_of(release)
    }


def left_out(release: Data) -> dict[str, dict[str, str]]:
    """Return accelerator -> platform -> why its wheels cannot be used."""
    return {
        accelerator: dict.fromkeys(entry["platforms"], entry["reason"])
        for entry in release.get("left_out", [])
        for accelerator in entry["accelerators"]
    }


def pythons_on(release: Data, platform: str) -> list[str]:
    return cast("list[str]", release["pythons"] + release.get("more_pythons", {}).get(platform, []))


def pythons_of(*releases: Data) -> list[str]:
    """Return every Python that some platform has wheels for, the oldest first."""
    lists = [
        pythons
        for release in releases
        for pythons in (release["pythons"], *release.get("more_pythons", {}).values())
    ]
    return sorted({python for pythons in lists for python in pythons}, key=Version)


def without(companion: Data, wheels: Wheels, macos: Mapping[str, list[str]]) -> Wheels:
    """Return the wheels of torch that lack a companion, PyPI's for macOS included."""

    def lacks(**cell: str) -> bool:  # macOS has no accelerators
        gaps = companion.get("without", [])
        return any(value not in companion.get(key, [value]) for key, value in cell.items()) or any(
            all(cell.get(key) in names for key, names in gap.items()) for gap in gaps
        )

    def missing(python: str, accelerator: str, platforms: list[str]) -> list[str]:
        on_index = [p for p in platforms if lacks(pythons=python, platforms=p, accelerators=accelerator)]
        return on_index + [p for p in macos.get(python, []) if lacks(pythons=python, platforms=p)]

    table = {
        python: {key: gone for key, platforms in row.items() if (gone := missing(python, key, platforms))}
        for python, row in wheels.items()
    }
    return {python: row for python, row in table.items() if row}


# The table


def gpus_of(accelerator: Data, newest: str, cards: Data) -> str:
    """Return the cards that an accelerator's newest release runs on, short enough for a menu."""
    if "gpus" in accelerator:
        return cast("str", accelerator["gpus"])
    series = [row for row in cards[MAKERS[accelerator["family"]]]["series"] if row.get("menu")]
    if accelerator["family"] == "cuda":
        runs = [
            row
            for row in series
            if any(covers(arch, row["capability"]) for arch in archs_of(accelerator)["x86_64"])
        ]
    else:
        architectures = rocm_architectures(
            accelerator["label"].removeprefix("ROCm "), newest, cards["amd"]["wheels"]
        )
        runs = [row for row in series if row["architecture"] in architectures]
    spans = []
    for kind in ("desktop", "data center"):
        names = list(dict.fromkeys(row["name"] for row in runs if row["kind"] == kind))
        spans.append(" to ".join(dict.fromkeys([names[-1], names[0]])))  # the newest is first
    return ", ".join(spans)


def covers(arch: str, capability: str) -> bool:
    """Say whether code for sm_86 runs on 8.9: the major numbers are the same, and the minor one is not smaller."""
    number = arch.removeprefix("sm_").rstrip("af")
    major, minor = capability.split(".")
    return number[:-1] == major and int(number[-1]) <= int(minor)


def rocm_architectures(rocm: str, torch: str, wheels: list[Data]) -> list[str]:
    for row in wheels:
        if minor(torch) in row["torch"] and rocm in row.get("rocm", [rocm]):
            return cast("list[str]", row["architectures"])
    return cast("list[str]", wheels[-1]["architectures"])  # a release without an entry is like the newest


def card_rows(cards: Data, accelerators: Data, releases: Data) -> list[Data]:
    """Return the cards, in rows with the same needs. Raises Wrong."""
    rows: dict[str, Data] = {}
    for maker, name in (("nvidia", "NVIDIA"), ("amd", "AMD"), ("intel", "Intel"), ("apple", "Apple")):
        for series in cards[maker]["series"]:
            needs = {"maker": name} | {key: series[key] for key in ("machine", "systems") if key in series}
            if maker == "nvidia":
                needs |= cuda_needs(series, releases)
            elif maker == "amd":
                needs |= rocm_needs(series, cards["amd"], accelerators, releases)
            elif maker == "intel":
                having = [version for version in releases if minor(version) == series["torch"]]
                if not having:
                    raise Wrong(f"cards.yml: {series['name']}: builds.yml has no torch {series['torch']}")
                needs |= {"family": "xpu", "accelerators": ["xpu"], "torch": having[-1]}
            else:
                needs |= {"family": "cpu", "machine": "aarch64", "systems": ["macos"]}
            row = rows.setdefault(json.dumps(needs), needs | {"cards": []})
            row["cards"] += series["cards"] + series.get("more", [])
    return list(rows.values())


def cuda_needs(series: Data, releases: Data) -> Data:
    """Return the GPU architectures whose code runs on a series: none if it needs its own builds."""
    known = {
        arch
        for row in releases.values()
        for machines in row["archs"].values()
        for archs in machines.values()
        for arch in archs
    }
    runs = [arch for arch in known if covers(arch, series["capability"])]
    own = series.get("own_builds")
    return {
        "family": "cuda",
        "capability": series["capability"],
        "archs": [] if own else sorted(runs, key=lambda arch: int(arch.removeprefix("sm_").rstrip("af"))),
    } | ({"own_builds": True} if own else {})


def rocm_needs(series: Data, amd: Data, accelerators: Data, releases: Data) -> Data:
    """Return the accelerators that run on a series, and the oldest release that does. Raises Wrong."""
    architecture, lack = series["architecture"], amd["libraries_lack"]

    def runs(key: str, version: str) -> bool:
        rocm = accelerators[key]["label"].removeprefix("ROCm ")
        if architecture in lack["architectures"] and Version(rocm) >= Version(lack["from_rocm"]):
            return False
        return architecture in rocm_architectures(rocm, version, amd["wheels"])

    builds = [
        (key, version)
        for version, release in releases.items()
        for key in {key for row in release["wheels"].values() for key in row}
        if accelerators[key]["family"] == "rocm"
    ]
    having = [(key, version) for key, version in builds if runs(key, version)]
    keys = [key for key in accelerators if key in {key for key, _ in having}]
    needs: Data = {"family": "rocm", "architecture": architecture, "accelerators": keys}
    if having:
        needs["torch"] = oldest = min((version for _, version in having), key=Version)
        for key, version in builds:
            if (key in keys and Version(version) >= Version(oldest)) != runs(key, version):
                raise Wrong(
                    f"cards.yml: {architecture}: torch {version} for {key} breaks the order of releases"
                )
    return needs


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def accelerator_row(key: str, accelerator: Data, drivers: Data, releases: Data, cards: Data) -> Data:
    having = [
        version
        for version, release in releases.items()
        if any(key in row for row in release["wheels"].values())
    ]
    major = accelerator["label"].removeprefix("CUDA ").partition(".")[0]
    return {
        "family": accelerator["family"],
        "label": accelerator["label"],
        "gpus": gpus_of(accelerator, having[0], cards),
        "drivers": drivers["cuda"][major] if accelerator["family"] == "cuda" else {},
        "archs": archs_of(accelerator),
        "releases": having,
    }


def archs_of(accelerator: Data) -> Data:
    """Return processor -> GPU architectures."""
    return {name: archs for name, archs in accelerator.get("archs", {}).items() if name != "source"}


def release_row(release: Data, platforms: list[str], companions: Data, accelerators: Data) -> Data:
    wheels = wheels_of(release, platforms)
    on_pypi = release["macos"]["platforms"]
    macos = {
        python: here
        for python in wheels
        if (here := [platform for platform in on_pypi if python in pythons_on(release, platform)])
    }
    return {
        "companions": {
            name: {
                "version": release[name],
                "without": without(releases.get(release[name], {}), wheels, macos),
            }
            for name, releases in companions.items()
            if name in release
        },
        "numpy": release.get("numpy", ["numpy"]),
        "triton": release.get("triton", {}),
        "macos": macos,
        "macos_oldest": release["macos"].get("oldest", OLDEST_MACOS),
        "archs": {
            key: archs | {"x86_64": release["archs"][key]} if key in release.get("archs", {}) else archs
            for key in release["wheels"]
            if (archs := archs_of(accelerators[key]))
        },
        "left_out": left_out(release),
        "wheels": {python: row for python, row in wheels.items() if row},
    }


def default_release(releases: Data, python: str, accelerator: str, first_platform: str) -> str:
    """Return the newest release with wheels of the accelerator, '' if there is none.

    Releases that have them on the first platform, and the CPU's for CI, go before the others: a release that has just
    appeared has few builds.
    """
    having = [
        version for version, release in releases.items() if accelerator in release["wheels"].get(python, {})
    ]

    def whole(version: str) -> bool:
        wheels = releases[version]["wheels"][python]
        return all(first_platform in wheels.get(key, []) for key in (accelerator, "cpu"))

    return next(filter(whole, having), next(iter(having), ""))


def defaults_for(python: str, accelerators: Data, releases: Data, first_platform: str) -> dict[str, str]:
    """Return accelerator -> default release, in the order of the menu.

    Accelerators are grouped by family. Builds as new as the CPU's come first, the oldest accelerator at the top, since
    it runs with the most drivers and GPUs; then older releases, the newest accelerator first.
    """
    found = {key: default_release(releases, python, key, first_platform) for key in accelerators}
    keys = list(accelerators)
    families = list(dict.fromkeys(row["family"] for row in accelerators.values()))

    def place(key: str) -> tuple[int, bool, int]:
        older = Version(found[key]) < Version(found["cpu"])
        return families.index(accelerators[key]["family"]), older, keys.index(key) * (-1 if older else 1)

    return {key: found[key] for key in sorted((key for key in keys if found[key]), key=place)}


def table(folder: Path) -> Data:
    """Return what rules/builds.json holds. Raises Wrong."""
    builds, platforms, companions = (load(folder, name) for name in ("builds", "platforms", "companions"))
    facts, mirrors, cards = (load(folder, name) for name in ("accelerators", "mirrors", "cards"))
    reserved = load(folder, "reserved-names")
    accelerators = facts["accelerators"]
    for problem in problems(builds, accelerators, platforms, companions, mirrors, facts["drivers"]["cuda"]):
        raise Wrong(problem)
    pythons = pythons_of(*builds.values())
    releases = {
        version: release_row(release, list(platforms), companions, accelerators)
        for version, release in builds.items()
    }
    return {
        "schema": SCHEMA,
        "pythons": pythons,
        "platforms": platforms,
        "accelerators": {
            key: accelerator_row(key, row, facts["drivers"], releases, cards)
            for key, row in accelerators.items()
        },
        "companions": list(companions),
        "triton": list(dict.fromkeys(name for row in releases.values() for name in row["triton"].values())),
        "releases": releases,
        "defaults": {
            python: defaults_for(python, accelerators, releases, next(iter(platforms))) for python in pythons
        },
        "cards": card_rows(cards, accelerators, releases),
        "mirrors": mirrors["pytorch"],
        "pypi_mirrors": mirrors["pypi"],
        "python_mirror": mirrors["python"],
        "machine": load(folder, "machine"),
        "ci": load(folder, "ci"),
        "reserved_names": sorted({name for names in reserved.values() for name in names}),
    }


def problems(
    builds: Data, accelerators: Data, platforms: Data, companions: Data, mirrors: Data, drivers: Data
) -> Iterator[str]:
    """Yield contradictions between the files, a line each."""
    if list(builds) != sorted(builds, key=Version, reverse=True):
        yield "builds.yml: the newest release must be first"
    families = [row["family"] for row in accelerators.values()]
    if len(list(dict.fromkeys(families))) != sum(
        a != b for a, b in zip(families, ["", *families], strict=False)
    ):
        yield "accelerators.yml: accelerators must be grouped by family"
    for key, row in accelerators.items():
        if not any(key in release["wheels"] for release in builds.values()):
            yield f"accelerators.yml: {key}: no release in builds.yml has wheels of it"
        if row["family"] == "cuda" and row["label"].removeprefix("CUDA ").partition(".")[0] not in drivers:
            yield f"accelerators.yml: {key}: drivers/cuda lacks the major release of {row['label']}"
    for version, release in builds.items():
        yield from release_problems(f"builds.yml: {version}", release, accelerators, platforms)
    for name, releases in companions.items():
        for version, row in releases.items():
            if version not in {release.get(name) for release in builds.values()}:
                yield f"companions.yml: {name} {version} belongs to no release in builds.yml"
            for part in (row, *row.get("without", [])):
                yield from unknown(
                    f"companions.yml: {name} {version}", part.get("accelerators", []), accelerators
                )
                yield from unknown(f"companions.yml: {name} {version}", part.get("platforms", []), platforms)
    for key, row in mirrors["pytorch"].items():
        yield from unknown(f"mirrors.yml: {key}", row.get("accelerators", []), accelerators)


def release_problems(place: str, release: Data, accelerators: Data, platforms: Data) -> Iterator[str]:
    macos = {name for name, row in platforms.items() if row["system"] == "macos"}
    yield from unknown(place, release["wheels"].keys() | release.get("archs", {}).keys(), accelerators)
    yield from unknown(place, release.get("more_pythons", {}), platforms)
    yield from unknown(f"{place}: macos", release["macos"]["platforms"], macos)
    for accelerator, here in release["wheels"].items():
        yield from unknown(f"{place}: {accelerator}", here, platforms.keys() - macos)
    for entry in release.get("left_out", []):
        for accelerator in entry["accelerators"]:
            yield from unknown(
                f"{place}: left_out", entry["platforms"], release["wheels"].get(accelerator, [])
            )
    built = {accelerators[key]["family"] for key in release["wheels"] if key in accelerators} & {
        "rocm",
        "xpu",
    }
    if built != set(release.get("triton", {})):
        yield f"{place}: triton names a package for {sorted(release.get('triton', {}))} and there are builds for {sorted(built)}"


def unknown(place: str, names: Any, known: Any) -> Iterator[str]:
    yield from (f"{place}: {name} is not known" for name in sorted(set(names) - set(known)))


# Writing


def written(value: Any) -> str:
    """Return JSON with a line for each key, and lists on one line, of rows one each: a changed fact is a changed line.

    Nothing is indented: that would take a sixth of the table, and data/ is what people read.
    """
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        rows = ",\n".join(json.dumps(item, ensure_ascii=False) for item in value)
        return f"[\n{rows}\n]"
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    lines = (f"{json.dumps(key)}: {written(item)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + "\n}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; say whether the table is up to date"
    )
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder of the facts")
    parser.add_argument("--output", type=Path, default=ROOT / "rules" / "builds.json", help="the table")
    options = parser.parse_args()
    try:
        text = written(table(options.data)) + "\n"
    except Wrong as error:
        print(f"compile: {error}", file=sys.stderr)
        return 1
    if not options.check:
        options.output.write_text(text, encoding="utf-8", newline="\n")
    elif not options.output.exists() or options.output.read_bytes() != text.encode():
        print(f"compile: {options.output.name} is outdated: run scripts/compile.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
