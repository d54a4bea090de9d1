"""Plant small faults and count those that the fast tests catch.

    uv run scripts/mutate.py [--module NAME] [--sample N] [--seed S]

Each fault is one change, as a mutant of mutmut's for Python and one of a template's tokens for Jinja. It is planted in
a copy of the working tree, where the tests of the faulty file run. One that makes the file unreadable does not count.
The exit status is 1 if some module has less than 90 % of its faults caught.
"""

import argparse
import difflib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, cast

import libcst
from jinja2 import Environment, TemplateSyntaxError
from libcst.matchers import Call, Name, matches
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators, operator_string
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))

from templates import as_repository, copied, working_tree  # noqa: E402

GOAL = 0.9
TEST_UV = "template/{{ package_path }}/test_uv"
MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "rules": {
        "rules/machine.jinja": ("tests/test_machine.py", "-k", "test_machine or best_row or every_row"),
        "rules/menus.jinja": ("tests/test_saved.py", "tests/test_menus.py", "-k", "not 80_columns"),
        "rules/menu.jinja": ("tests/test_menus.py", "tests/test_questions.py", "-k", "(test_menus and not 80_columns) or refusal_names"),
        "rules/mirrors.jinja": ("tests/test_questions.py", "tests/test_folders.py", "-k", "no_problem or no_url or credentials or place_of_pypi"),
        "rules/texts.jinja": ("tests/test_names.py", "tests/test_questions.py", "-k", "problem or long or hide or nearest or no_name or remedy or overwritten_unless or keeps_the_package"),
        "rules/folder.jinja": ("tests/test_folders.py", "-k", "read_as or told_from or each_accel or codec_of or lacks_is or more_than or stands_for"),
        "rules/saved.jinja": ("tests/test_saved.py",),
        "rules/ask.jinja": ("tests/test_saved.py",),
        "rules/ci.jinja": ("tests/test_ci.py", "-k", "agree or machines_are or same_mirror or insists or pinned"),
        "rules/container.jinja": ("tests/test_container.py", "-k", "layer or argument or options or job"),
        "rules/adopted.jinja": ("tests/test_adopt.py", "-k", "constraints_are or projects_are"),
        "rules/*.jinja": (
            "tests/test_rendered.py", "tests/test_constants.py", "tests/test_menus.py",
            "-k", "build_needs or several_builds or in_place or another_acc or oldest_macos or record_says or reach or test_platforms or drop_out or drops_out",
        ),
    },
    "compile": {"scripts/compile.py": ("tests/test_compile.py", "-k", "not editors and not page")},
    "adopt": {
        "scripts/adopting/writing.py": ("tests/test_adopt.py", "-k", "errors or kill or ctrl_c or diff_is_shown"),
        "scripts/adopting/inference.py": ("tests/test_adopt.py", "-k", "inferred or lock_comes"),
        "scripts/adopting/project.py": ("tests/test_adopt.py", "-k", "refus or projects_are or inferred"),
        "scripts/adopting/command.py": ("tests/test_adopt.py", "-k", "refus or diff_is_shown or another or says_so or inferred"),
        "scripts/adopting/*.py": ("tests/test_adopt.py", "-k", "projects_are or any_order or refusals"),
        "scripts/adopt.py": ("tests/test_adopt.py", "-k", "diff_is_shown or says_so or refusals or cannot_adopt or pages"),
    },
    "test_uv": {f"{TEST_UV}/*.py": ("tests/test_diagnosis.py",)},
}  # fmt: skip
"""Module -> its files, the first pattern that fits -> the tests that run for a fault there."""


# Faults


Mutant = Callable[[], str]
"""Makes the faulty text of a file."""


def python_mutants(text: str) -> list[Mutant]:
    """Return mutmut's, but for those of strings, which are mostly words for people."""
    operators = [pair for pair in mutation_operators if pair[1] is not operator_string]
    visitor = MutationVisitor(operators, IgnoredCode(set(), set(), set()))
    module = MetadataWrapper(libcst.parse_module(text)).visit(visitor)
    return [
        partial(replaced, module, mutation.original_node, mutation.mutated_node)
        for mutation in visitor.mutations
        if not matches(mutation.original_node, Call(func=Name("cast")))  # which does nothing
    ]


def replaced(module: libcst.Module, old: libcst.CSTNode, new: libcst.CSTNode) -> str:
    return cast("libcst.Module", module.deep_replace(old, new)).code


class Token(NamedTuple):
    """A token of Jinja within `{{ }}` or `{% %}`, and where it stands."""

    kind: str
    value: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.value)


def tokens(text: str) -> list[Token]:
    """Return the tokens of a template's code, without comments, spaces and what is printed as it is."""
    found, position = [], 0
    for _, kind, value in Environment().lex(text):
        position = text.index(value, position)  # the lexer leaves out spaces that `-` takes away
        if kind in ("name", "operator", "integer", "block_begin", "block_end"):
            found.append(Token(kind, value, position))
        position += len(value)
    return found


SWAPPED = {
    "==": "!=", "!=": "==", ">": ">=", ">=": ">", "<": "<=", "<=": "<", "and": "or", "or": "and",
    "if": "if not", "elif": "elif not", "not": "",
}  # fmt: skip
FILTERS = {"first": "last", "last": "first", "select": "reject", "reject": "select"}
"""Token or filter -> what stands in its place."""


def jinja_mutants(text: str) -> list[Mutant]:
    """Return those of a template: other comparisons, conditions and numbers, another filter or none."""
    found = tokens(text)
    edits: list[tuple[int, int, str]] = []
    for index, token in enumerate(found):
        before = found[index - 1].value if index else ""
        if token.value in SWAPPED:
            edits.append((token.start, token.end, SWAPPED[token.value]))
        elif token.value == "in" and before != "not" and not in_loop(found[:index]):
            edits.append((token.start, token.end, "not in"))
        elif token.kind == "integer":
            edits.append((token.start, token.end, str(int(token.value) + 1)))
        elif before == "|":
            edits.append((found[index - 1].start, filter_end(found[index:]), ""))
            if token.value in FILTERS:
                edits.append((token.start, token.end, FILTERS[token.value]))
    return [partial(edited, text, *edit) for edit in edits]


def in_loop(before: list[Token]) -> bool:
    """Say whether an `in` is that of `for`, which comes first in its block."""
    begin = max(i for i, token in enumerate(before) if token.kind == "block_begin" or i == 0)
    block = [token.value for token in before[begin + 1 :]]
    return block[:1] == ["for"] and "in" not in block


def filter_end(after: list[Token]) -> int:
    """Return where a filter ends that stands first: behind its name, or behind its arguments."""
    depth = 0
    for token in after[1:]:
        depth += (token.value in "([{") - (token.value in ")]}")
        if depth == 0:
            return token.end if token.value == ")" else after[0].end
    return after[0].end


def edited(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def readable(file: Path, text: str) -> bool:
    try:
        if file.suffix == ".py":
            compile(text, str(file), "exec")
        else:
            Environment().parse(text)
    except (SyntaxError, TemplateSyntaxError):
        return False
    return True


# Tests


class Copy:
    """A folder to plant faults in, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        self.options += [f"--basetemp={folder}-tests"]

    @classmethod
    def of_working_tree(cls, folder: Path) -> "Copy":
        return cls(as_repository(copied(working_tree(), folder)))  # tests ask git for its files

    def passes(self, tests: tuple[str, ...], limit: float | None = None) -> bool:
        """Run tests; those that take longer than the limit fail."""
        # Bytecode of what stays the same saves seconds. A faulty file must not find its own: it may be alike in size
        # and time, which is all that is compared.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        if limit:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, "-m", "pytest", *self.options, *tests]
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
        try:
            return process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with what the tests started
            process.wait()
            return False


class Survivor(NamedTuple):
    """A fault that no test saw."""

    file: str
    before: str
    after: str

    def __str__(self) -> str:
        """The change on one line."""
        lines = list(
            difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), n=0, lineterm="")
        )
        number = lines[2].split()[1].removeprefix("-").partition(",")[0]
        old, new = (
            " ".join(line[1:].strip() for line in lines[3:] if line[0] == sign).strip() for sign in "-+"
        )
        return f"{self.file}:{number}: {old}  ->  {new}"


class Score(NamedTuple):
    mutants: int
    survivors: list[Survivor]

    @property
    def caught(self) -> int:
        return self.mutants - len(self.survivors)


def faults(copy: Copy, files: Iterable[str], chance: random.Random) -> Iterator[tuple[str, str, str]]:
    """Yield file, text and faulty text in random order."""
    planned = []
    for name in sorted(files):
        text = (copy.folder / name).read_text(encoding="utf-8")
        mutants = python_mutants(text) if name.endswith(".py") else jinja_mutants(text)
        planned += [(name, text, mutant) for mutant in mutants]
    chance.shuffle(planned)
    for name, text, mutant in planned:
        faulty = mutant()
        if faulty != text and readable(Path(name), faulty):
            yield name, text, faulty


def score(copy: Copy, tests: Mapping[str, tuple[str, ...]], sample: int, seed: int) -> Score:
    """Plant a sample of the faults that files can have; `tests` are those of each file. Raises SystemExit."""
    limits: dict[tuple[str, ...], float] = {}
    mutants, survivors = 0, []
    for name, text, faulty in islice(faults(copy, tests, random.Random(seed)), sample):
        if tests[name] not in limits:
            start = time.monotonic()
            if not copy.passes(tests[name]):
                raise SystemExit(f"mutate: tests fail without a fault: {' '.join(tests[name])}")
            limits[tests[name]] = 10 + 5 * (time.monotonic() - start)
        (copy.folder / name).write_text(faulty, encoding="utf-8")
        mutants += 1
        if copy.passes(tests[name], limits[tests[name]]):
            survivors.append(Survivor(name, text, faulty))
        (copy.folder / name).write_text(text, encoding="utf-8")
        print(
            "s" if survivors and survivors[-1].after == faulty else ".", end="", file=sys.stderr, flush=True
        )
    return Score(mutants, survivors)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--module", action="append", choices=MODULES, help="all if it is left out")
    parser.add_argument("--sample", type=int, default=30, help="faults in each module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        copy = Copy.of_working_tree(Path(folder) / "tree")
        scores = {
            module: score(copy, files_of(module, copy.folder), options.sample, options.seed)
            for module in options.module or MODULES
        }
    print("\nmodule    mutants  caught    %")
    for module, row in scores.items():
        print(f"{module:<9} {row.mutants:>7} {row.caught:>7} {100 * row.caught // row.mutants:>4}")
    for row in scores.values():
        for survivor in row.survivors:
            print(survivor)
    return int(any(row.caught < GOAL * row.mutants for row in scores.values()))


def files_of(module: str, root: Path) -> dict[str, tuple[str, ...]]:
    """Return the files of a module, and the tests of each: those of the first pattern that it has."""
    found: dict[str, tuple[str, ...]] = {}
    for pattern, tests in MODULES[module].items():
        for file in root.glob(pattern):
            found.setdefault(file.relative_to(root).as_posix(), tests)
    return found


if __name__ == "__main__":
    sys.exit(main())
