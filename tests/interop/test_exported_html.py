"""A page that nbconvert makes of an executed notebook shows each display in its final state."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

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

EXPECTED = {
    # The line for another process is folded away.
    "task": {">completed<": 1, "<details>": 1, "client.resume(": 1},
    # A tool that reported an error is shown as failed, although some servers call such a task completed.
    "failed": {">failed<": 1, RED: 1, "completed": 0},
    "gather": {"<table": 1, "completed": 1, RED: 1},
    "map": {"3 of 3 over": 1, "100 %": 1},
    # The table was followed to the ends of its tasks in later cells.
    "progress": {"<table": 1, "completed": 2},
    "waits": {"<": 0},
}
"""How often texts occur in what a cell shows."""


def pages(folder: Path) -> dict[str, str]:
    """What the page shows of each cell. All cells run in one kernel."""
    server = TaskServer(era="legacy", options=Options(poll_interval_ms=50))
    server.add_tool("work", [Progress(1, 2, "half"), Working("nearly there"), Complete("done", after=0.5)])
    server.add_tool("fails", [ToolFailure("no such city", after=0.01)])
    notebook = notebook_with(list(CELLS.values()))
    with serve_http(server) as url:
        execute(notebook, url)
    cells = re.split(r'<div[^>]*class="jp-Cell jp-CodeCell[^>]*>', exported(saved(notebook), folder))[1:]
    return {name: cell.partition("jp-Cell-outputWrapper")[2] for name, cell in zip(CELLS, cells, strict=True)}


def exported(notebook: str, folder: Path) -> str:
    """The page that nbconvert makes of a saved notebook."""
    (folder / "notebook.ipynb").write_text(notebook, encoding="utf-8")
    python = cached_environment(NBCONVERT)
    command = [str(python), "-m", "nbconvert", "--to", "html", "notebook.ipynb"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=True)
    return (folder / "notebook.html").read_text(encoding="utf-8")


def test_an_exported_page(tmp_path: Path) -> None:
    """Each display shows how its tasks ended, and nothing that was only true before."""
    shown = pages(tmp_path)
    for name, words in EXPECTED.items():
        for word, count in words.items():
            assert shown[name].count(word) == count, (name, word)
    for name, page in shown.items():
        for word in ("working", "ago", "just now", "Traceback", "<script"):
            assert word not in page, (name, word)
