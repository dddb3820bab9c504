"""What mypy, strict, makes of the project itself, as pyproject.toml sets it up.

Not a test of the ordinary run, which has no type checkers: `nox -s types` runs it.
"""

from __future__ import annotations

from tests.helpers.type_checkers import complaints_of


def test_project() -> None:
    """The package, its tests and noxfile.py are free of errors and warnings."""
    assert not complaints_of("mypy")
