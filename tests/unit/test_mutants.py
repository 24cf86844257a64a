"""Every planted fault still fits the code, and the command tells a fault that lives from one that is noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.__main__ import is_noticed
from tests.mutants.patches import PATCHES, Patch

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_fault_still_applies_is_python_and_names_tests_that_exist(patch: Patch) -> None:
    text = (ROOT / patch.file).read_text()
    wrong = patch.applied(text)
    assert wrong != text
    ast.parse(wrong)
    assert patch.tests
    for test in patch.tests:
        assert (ROOT / test).is_file(), test


def test_faults_have_names_of_their_own() -> None:
    names = [patch.name for patch in PATCHES]
    assert len(set(names)) == len(names) >= 24


def test_a_fault_whose_text_has_gone_is_an_error() -> None:
    patch = Patch("gone", "a.py", "x = 1", "x = 2", ("test_a.py",))
    for text in ("", "x = 1\nx = 1\n"):
        with pytest.raises(ValueError, match="gone"):
            patch.applied(text)


@pytest.mark.slow  # for the processes that it starts
@pytest.mark.parametrize(("claim", "noticed"), [("x == 1", True), ("x > 0", False)])
def test_a_fault_is_noticed_only_where_a_test_fails_and_the_copy_is_as_before(
    tmp_path: Path, claim: str, noticed: bool
) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "test_a.py").write_text(f"from a import x\n\n\ndef test_it():\n    assert {claim}\n")
    patch = Patch("twice", "a.py", "x = 1", "x = 2", ("test_a.py",))
    assert is_noticed(patch, tmp_path) is noticed
    assert (tmp_path / "a.py").read_text() == "x = 1\n"


@pytest.mark.slow  # for the process that it starts
def test_tests_that_cannot_run_have_noticed_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert not is_noticed(Patch("none", "a.py", "x = 1", "x = 2", ("test_none.py",)), tmp_path)
