"""A page that nbconvert makes of an executed notebook shows each display in its final state."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mcptasks.testing import Complete, Options, Progress, TaskServer, ToolFailure, Working, serve_http
from tests.interop.environments import cached_environment
from tests.notebooks.execution import execute, notebook_with, saved

NBCONVERT = ("nbconvert==7.17.2",)
RED = '<span style="color:#dc2626;">no such city</span>'

CELLS = {
    "open": """
import os
import mcptasks
client = await mcptasks.Client(os.environ["MCP_SERVER"], mode="legacy").open()
""",
    "task": """
task = await client.call_tool("work", task=True)
display(task)
await task.result()
""",
    "failed": """
wrong = await client.call_tool("fails", task=True)
display(wrong)
try:
    await wrong.result()
except mcptasks.ToolError:
    pass
""",
    "gather": """
two = [await client.call_tool(name, task=True, label=f"gathered {name}") for name in ("work", "fails")]
work = mcptasks.gather(*two, return_exceptions=True)
display(work)
_ = await work
""",
    "map": """
found = [result.data async for result in client.map("work", [{}] * 3, progress=True)]
""",
    "progress": """
shown = [await client.call_tool("work", task=True, label=f"shown {n}") for n in range(2)]
await mcptasks.progress(*shown)
""",
    "waits": """
_ = await mcptasks.gather(*shown)
await client.close()
""",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the page shows of each cell. All cells run in one kernel."""
    server = TaskServer(era="legacy", options=Options(poll_interval_ms=50))
    server.add_tool("work", [Progress(1, 2, "half"), Working("nearly there"), Complete("done", after=0.5)])
    server.add_tool("fails", [ToolFailure("no such city", after=0.01)])
    notebook = notebook_with(list(CELLS.values()))
    with serve_http(server) as url:
        execute(notebook, url)
    page = exported(saved(notebook), tmp_path_factory.mktemp("page"))
    cells = re.split(r'<div[^>]*class="jp-Cell jp-CodeCell[^>]*>', page)[1:]
    return dict(zip(CELLS, cells, strict=True))


def exported(notebook: str, folder: Path) -> str:
    """The page that nbconvert makes of a saved notebook."""
    (folder / "notebook.ipynb").write_text(notebook, encoding="utf-8")
    python = cached_environment(NBCONVERT)
    command = [python, "-m", "nbconvert", "--to", "html", "notebook.ipynb"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=True)
    return (folder / "notebook.html").read_text(encoding="utf-8")


def output(page: str) -> str:
    """What a cell shows, without its code."""
    return page.partition("jp-Cell-outputWrapper")[2]


def test_a_task(pages: dict[str, str]) -> None:
    """A task that the cell waited for is shown as completed, with the line for another process folded away."""
    shown = output(pages["task"])
    assert "completed" in shown
    assert "<details>" in shown
    assert "client.resume(" in shown


def test_a_tool_that_failed(pages: dict[str, str]) -> None:
    """A tool that reported an error stands there as failed, with its words in red, and not as completed."""
    shown = output(pages["failed"])
    assert RED in shown
    assert "failed" in shown
    assert "completed" not in shown


def test_a_gather(pages: dict[str, str]) -> None:
    """A `gather` is one table of its tasks, with their ends."""
    shown = output(pages["gather"])
    assert shown.count("<table") == 1
    assert "completed" in shown
    assert RED in shown


def test_a_map(pages: dict[str, str]) -> None:
    """A `map` with `progress=True` says that all calls are over."""
    assert "3 of 3 over" in output(pages["map"])


def test_progress(pages: dict[str, str]) -> None:
    """A table of `progress` was followed to the ends of its tasks, though its own cell was over long before."""
    shown = output(pages["progress"])
    assert shown.count("completed") == 2
    assert output(pages["waits"]) == ""


def test_nothing_goes_on(pages: dict[str, str]) -> None:
    """No display stays in a state that the task has left, nor says how long ago something was."""
    for name, page in pages.items():
        for word in ("working", "ago", "just now", "Traceback", "<script"):
            assert word not in output(page), name
