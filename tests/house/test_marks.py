"""Marks that follow from a file's place, and that no file is left out of which `-m` may choose a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.marks import BOTH_WORLDS, INTEROP, PLACES, TESTS, marks_of, may_be_chosen
from tests.helpers.selection import collected

QUICK = "not interop and not slow"
EVERYWHERE = ("conftest.py", "client/conftest.py")
"""Where marks are set that a test module does not name: by place, and by the fixture `world`."""


@pytest.mark.parametrize(
    ("expression", "place", "chosen"),
    [
        ("", "interop/test_groups.py", True),
        ("not (", "interop/test_groups.py", True),  # pytest says what is wrong.
        ("something", "core/test_models.py", True),
        (QUICK, "core/test_models.py", True),
        (QUICK, "client/test_harmless.py", True),
        (QUICK, "interop", False),
        (QUICK, "interop/test_groups.py", False),
        (QUICK, "testing/test_faults.py", False),
        (QUICK, "testing", False),
        (f"interpreter or ({QUICK})", "portal/test_fork.py", True),
        (f"not alone and (interpreter or ({QUICK}))", "portal/test_exit.py", False),
        ("slow or interop", "core/test_models.py", False),
        ("slow or interop", "core", True),
        ("slow or interop", "client/test_harmless.py", True),
        ("slow or interop", "portal/test_interrupts.py", True),
        ("slow or interop", "interop/test_groups.py", True),
        ("alone and not interop", "core/test_models.py", False),
        ("alone and not interop", "interop/test_many.py", False),
        ("alone and interop", "interop/test_many.py", True),
        ("alone and something", "portal/test_exit.py", True),
        ("not something", "portal/test_exit.py", True),
    ],
)
def test_what_may_be_chosen(expression: str, place: str, chosen: bool) -> None:
    """A file or folder is left out only if the expression is false for any test that may be there."""
    assert may_be_chosen(expression, TESTS / place) is chosen


def test_marks_of_a_place() -> None:
    """Files have the marks of the folders around them, and their own."""
    assert marks_of(INTEROP / "test_many.py") == ["alone", "interop"]
    assert marks_of(INTEROP) == ["interop"]
    assert marks_of(TESTS / "portal" / "test_exit.py") == ["alone", "interpreter"]
    assert marks_of(TESTS / "house" / "generator" / "test_texts.py") == ["once"]
    assert marks_of(TESTS / "core" / "test_models.py") == []


def test_places_are_there() -> None:
    """A file that has moved would lose its marks in silence."""
    assert not [place for places in (*PLACES.values(), (BOTH_WORLDS,)) for place in places if not place.exists()]


def test_helpers_set_none_of_these_marks() -> None:
    """A test has such a mark from its place, from a fixture that is known, or from its own module's text."""
    setting = re.compile(rf"mark\.({'|'.join(PLACES)})\b")
    others = [path for path in TESTS.rglob("*.py") if not path.name.startswith("test_")]
    found = {path.relative_to(TESTS).as_posix() for path in others if setting.search(path.read_text(encoding="utf-8"))}
    assert found <= {*EVERYWHERE, "helpers/marks.py"}


@pytest.mark.parametrize("mark", PLACES)
@pytest.mark.parametrize("form", ["@pytest.mark.{}\n", "import pytest as p\n\n\n@p.mark.{}\n"])
def test_a_mark_of_its_own(request: pytest.FixtureRequest, tmp_path: Path, mark: str, form: str) -> None:
    """A file that marks a test is read where that mark is asked for, and where it is not."""
    path = tmp_path / "test_example.py"
    path.write_text(f"import pytest\n\n{form.format(mark)}def test() -> None: ...\n", encoding="utf-8")
    (item,) = collected(request.session, path)
    assert item.get_closest_marker(mark)
    assert may_be_chosen(mark, path)
    assert may_be_chosen(f"not {mark}", path)


def test_pytest_is_told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest leaves out a file of which nothing may be chosen, unless somebody names it."""
    config, path = request.config, INTEROP / "test_groups.py"
    monkeypatch.setattr(config.option, "markexpr", QUICK)
    for named, is_left_out in (([str(TESTS)], True), ([str(path)], None), ([f"{path}::test_it"], None)):
        monkeypatch.setattr(config, "args", named)
        assert config.hook.pytest_ignore_collect(collection_path=path, config=config) is is_left_out
    monkeypatch.setattr(config, "args", [str(TESTS)])
    monkeypatch.setattr(config.option, "markexpr", "interop")
    assert config.hook.pytest_ignore_collect(collection_path=path, config=config) is None
