"""The jobs of docs/shell.md, run by a shell as they are printed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks._cli.reference import MARK, made
from mcptasks.testing import Complete, NeedInput, TaskServer, elicit, serve_http
from tests.helpers.command_line import Home
from tests.helpers.documentation import ON_PAGES
from tests.helpers.examples import Example
from tests.helpers.stand_ins import StandIns

ROOT = Path(__file__).parent.parent.parent
JOBS = [example for example in ON_PAGES if example.page == "docs/shell.md" and example.language == "bash"][1:]


@pytest.fixture
def page_url() -> Iterator[str]:
    """The server of the page."""
    server = TaskServer("example", era="modern")
    month = {"type": "object", "properties": {"month": {"type": "integer"}}, "required": ["month"]}
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    server.add_tool("report", lambda given: [Complete(f"report of {given['month']}", after=0.1)], input_schema=month)
    server.add_tool("resize", lambda given: [Complete(given["n"], after=0.1)], input_schema=number)
    sure = elicit("Publish it?", {"sure": {"type": "boolean"}}, ["sure"])
    server.add_tool("publish", [NeedInput({"q": sure}), Complete("published")])
    with serve_http(server) as url:
        yield url


def test_there_are_ten_jobs() -> None:
    """The page has ten jobs and two more."""
    assert len(JOBS) == 12


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"line {job.line}")
def test_jobs(home: Home, stand_ins: StandIns, page_url: str, job: Example) -> None:
    """Each job runs to its end under `bash -eu`, with the address of a real server in the place of the example's."""
    programs = home.folder / "bin"
    programs.mkdir()
    stand_ins.command(programs / "mcptasks")
    # Fifty processes would take minutes here.
    source = job.source.replace("https://example.com/mcp", page_url)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", source.replace("seq 50", "seq 3").replace("-P 8", "-P 2")],
        cwd=home.folder,
        env={**home.variables(), "PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if "mcptasks show @last" in source:
        assert "Publish it?" in done.stdout
    if "results.txt" in source:
        assert sorted((home.folder / "results.txt").read_text().split()) == ["1", "2", "3"]
    if "report.txt" in source:
        assert (home.folder / "report.txt").read_text() == "report of 11\n"


def test_reference_page() -> None:
    """The made part of the reference page is what the commands say today."""
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert page.count(MARK) == 1
    assert page.partition(MARK)[1] + page.partition(MARK)[2] == made()
