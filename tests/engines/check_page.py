"""The examples of docs/cluster.md run with the real engines, those that are installed in this environment.

A plain `pytest` leaves this file out: `nox -s engines` and `nox -s airflow` run it, by its path.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcptasks.testing import demo_server, serve_http
from tests.helpers.examples import ADDRESS, ROOT, Example, examples_of, hurried

ENGINES = ("dask", "temporalio", "airflow", "celery", "dbos")
PAGE = ROOT / "docs" / "cluster.md"
HERE = [engine for engine in ENGINES if importlib.util.find_spec(engine) is not None]
EXAMPLES = {
    engine: example
    for example in examples_of("docs/cluster.md", PAGE.read_text(encoding="utf-8"))
    for engine in HERE
    if re.search(rf"^from {engine}\b", example.source, re.MULTILINE)
}
AFTER = {
    # A broker in memory, and the tasks run where they are called: what is shown is the task functions.
    "celery": """
app.conf.update(broker_url="memory://", result_backend="cache+memory://", task_always_eager=True)
assert crunch.delay(10).get() == "computed for 10 s"
from mcptasks.sync import Client
with Client(connect.target) as client:
    reference = client.call_tool("slow_computation", {"duration": 10}, task=True).reference.to_json()
assert finish.delay(reference).get() == "computed for 10 s"
""",
}
"""What is done with an example that only defines things."""
LIMIT = 400.0
"""Seconds that an example may take. Starting a cluster on a busy machine takes most of them."""


@pytest.mark.parametrize("engine", HERE)
def test_the_example(engine: str, tmp_path: Path) -> None:
    """The example of an engine is a program that runs, word for word but for the server's address."""
    example: Example = EXAMPLES[engine]
    with serve_http(hurried(demo_server())) as url:
        script = tmp_path / "example.py"
        script.write_text(example.source.replace(ADDRESS, url) + AFTER.get(engine, ""), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(tmp_path), "MCP_TOKEN": "t"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_examples() -> None:
    """This environment has an engine, and the page an example for each."""
    assert HERE
    assert set(EXAMPLES) == set(HERE)
