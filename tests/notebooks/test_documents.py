"""The notebooks of docs/ run from top to bottom in a real kernel, and their pages end as they should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mcptasks.testing import Era, demo_server, serve_http
from tests.notebooks.execution import FOLDER, NOTEBOOKS, check_final_state, executed, notebook_of

by_path = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "era"), [("async", "modern"), ("blocking", "legacy")])
def test_a_notebook_runs(name: str, era: Era) -> None:
    """Every cell works, and the displays end in the final state."""
    path = FOLDER / f"{name}.ipynb"
    with serve_http(demo_server(era)) as url:
        check_final_state(executed(path, url))


@by_path
def test_a_notebook_is_kept_clean(path: Path) -> None:
    """A notebook is kept without outputs, and its prose is at least as much as its code."""
    notebook = notebook_of(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown"
    assert 5 <= kinds.count("code") <= 15
    assert kinds.count("markdown") >= kinds.count("code") // 2


def test_both_styles_are_there() -> None:
    """Two notebooks, which differ in nothing but the style."""
    assert [path.stem for path in NOTEBOOKS] == ["async", "blocking"]
    first, second = (notebook_of(FOLDER / f"{name}.ipynb").cells for name in ("async", "blocking"))
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        if one.cell_type == "code" and "import mcptasks" not in one.source:
            assert re.sub(r"\(await (\w+\.result\(\))\)|await ", r"\1", one.source) == other.source
        assert "await " not in other.source or other.cell_type == "markdown"
