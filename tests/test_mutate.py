"""scripts/mutate.py on a project of a few lines: which faults it plants, and which of them it counts as caught."""

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("it ends processes by their group", allow_module_level=True)

from mutate import MODULES, Copy, Mutant, files_of, jinja_mutants, python_mutants, readable, score

SIGN = """\
def sign(number):
    if number < 0:
        return "-"
    return ""
"""
TESTS = """\
from sign import sign


def test_sign():
    assert sign(-3) == "-"
    assert sign(0.5) == ""
"""
HANGS = "import subprocess\n\n\ndef test_nothing():\n    subprocess.run(['sleep', '60'])\n"


def made(mutants: list[Mutant]) -> list[str]:
    return sorted(mutant() for mutant in mutants)


def test_faults_of_python() -> None:
    """Also where the types say that nothing is changed: casts have none."""
    text = SIGN.replace('"-"', 'cast("str", minus)')
    assert made(python_mutants(text)) == sorted([text.replace("<", "<="), text.replace("0", "1")])


@pytest.mark.parametrize(
    ("text", "faulty"),
    [
        ("{# a == b #}{{ name }} == {{ 'in' }}", []),
        ("{%- if a == b and c -%}", ["{%- if not a == b and c -%}", "{%- if a != b and c -%}", "{%- if a == b or c -%}"]),
        ("{% for a in b if a not in c %}", ["{% for a in b if not a not in c %}", "{% for a in b if a  in c %}"]),
        ("{{ a in b }}", ["{{ a not in b }}"]),
        ("{{ a | first }}", ["{{ a  }}", "{{ a | last }}"]),
        ("{{ a | reject('in', f(b)) | list }}", ["{{ a  | list }}", "{{ a | select('in', f(b)) | list }}", "{{ a | reject('in', f(b))  }}"]),
        ("{{ loop.first }}{{ a[:2] }}", ["{{ loop.first }}{{ a[:3] }}"]),
    ],
)  # fmt: skip
def test_faults_of_templates(text: str, faulty: list[str]) -> None:
    assert made(jinja_mutants(text)) == sorted(faulty)


def test_faults_are_caught_where_a_test_fails(tmp_path: Path) -> None:
    (tmp_path / "sign.py").write_text(SIGN)
    (tmp_path / "test_sign.py").write_text(TESTS)
    found = score(Copy(tmp_path), {"sign.py": ("test_sign.py",)}, sample=10, seed=0)
    assert (found.mutants, found.caught) == (2, 1)
    assert [*map(str, found.survivors)] == ["sign.py:2: if number < 0:  ->  if number <= 0:"]
    assert (tmp_path / "sign.py").read_text() == SIGN


def test_tests_that_hang_fail(tmp_path: Path) -> None:
    (tmp_path / "test_hangs.py").write_text(HANGS)
    assert not Copy(tmp_path).passes(("test_hangs.py",), limit=2)


def test_tests_that_fail_without_a_fault_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "sign.py").write_text(SIGN)
    (tmp_path / "test_sign.py").write_text("from sign import nothing\n")
    with pytest.raises(SystemExit, match="tests fail without a fault"):
        score(Copy(tmp_path), {"sign.py": ("test_sign.py",)}, sample=1, seed=0)


def test_files_that_cannot_be_read_are_no_faults() -> None:
    assert readable(Path("a.py"), "a = 1\n")
    assert not readable(Path("a.py"), "a = (1\n")
    assert not readable(Path("a.jinja"), "{% if not %}{% endif %}")


def test_the_copy_has_all_files_and_their_tests(tmp_path: Path) -> None:
    copy = Copy.of_working_tree(tmp_path / "tree")
    for module, patterns in MODULES.items():
        assert all(list(copy.folder.glob(pattern)) for pattern in patterns), module
        for tests in files_of(module, copy.folder).values():
            assert all((copy.folder / word).exists() for word in tests if word.endswith(".py"))
