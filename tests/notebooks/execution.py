"""Executes the notebooks of docs/ with nbclient, as `jupyter execute` does, and reads what their cells show."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tests.helpers.stand_ins import StandIns
from tests.notebooks.kernel import ROOT, environment, manager

_nbformat: Any = nbformat
"""It is not annotated."""
FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CELL_LIMIT = 240
"""Seconds that a cell may take."""


def notebook_of(path: Path) -> Any:
    """A notebook; an error where its format is not right."""
    notebook: Any = _nbformat.read(path, as_version=4)
    _nbformat.validate(notebook)
    return notebook


def notebook_with(cells: list[str]) -> Any:
    """A notebook of these code cells."""
    made: Any = _nbformat.v4.new_notebook(cells=[_nbformat.v4.new_code_cell(cell) for cell in cells])
    return made


def saved(notebook: Any) -> str:
    """A notebook as a file has it."""
    text: str = _nbformat.writes(notebook)
    return text


def executed(path: Path, url: str, stand_ins: StandIns | None = None) -> list[Any]:
    """The code cells of a notebook after a run from top to bottom against this server. No cell may fail.

    Args:
        path: The notebook.
        url: The server.
        stand_ins: What forks the kernel; None for a fresh Python.
    """
    notebook = notebook_of(path)
    execute(notebook, url, stand_ins)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook: Any, url: str, stand_ins: StandIns | None = None) -> None:
    """Run a notebook from top to bottom against this server. No cell may fail."""
    # Not in pytest's folder: the paths of Unix sockets must be short.
    with tempfile.TemporaryDirectory(prefix="kernel-") as place:
        client = NotebookClient(notebook, km=manager(Path(place), stand_ins), timeout=CELL_LIMIT)
        asyncio.run(_run(client, {**environment(Path(place)), "MCP_SERVER": url}))


async def _run(client: Any, env: dict[str, str]) -> None:
    try:
        await client.async_execute(cwd=str(ROOT), env=env)
    finally:
        # The manager is ours, so it is for us to end the kernel.
        if client.kc is not None:
            client.kc.stop_channels()
        await client.km.shutdown_kernel(now=True)


def html_of(cell: Any) -> str:
    """The HTML of what a cell shows, as it is at the end of the run."""
    return "".join(output.data.get("text/html", "") for output in cell.outputs if "data" in output)


def text_of(cell: Any) -> str:
    """The plain text of a cell's last expression."""
    return "".join(output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result")


def streams_of(cells: list[Any]) -> list[str]:
    """All that cells print."""
    return [output.text for cell in cells for output in cell.outputs if output.output_type == "stream"]


def cell_with(cells: list[Any], code: str) -> Any:
    """The one cell that has this in its source."""
    (found,) = (cell for cell in cells if code in cell.source)
    return found


def check_final_state(cells: list[Any]) -> None:
    """What every run of these notebooks shows in the end, whatever the server."""
    assert streams_of(cells) == []
    shown = html_of(cell_with(cells, '"slow_computation", {"duration": 2}'))
    assert "completed" in shown
    assert "working" not in shown
    assert "client.resume(" in shown
    assert "computed for 2" in html_of(cell_with(cells, "task.result()\nresult"))
    assert text_of(cell_with(cells, "result.data")).startswith("'computed for 2")
    assert text_of(cell_with(cells, "for each in tasks")).count("computed for") == 3
    table = html_of(cell_with(cells, "client.list_tasks()"))
    assert table.count("completed") >= 4
    assert text_of(cell_with(cells, "again.result()")).startswith("'computed for 2")
    assert html_of(cell_with(cells, "again.result()")) == ""
