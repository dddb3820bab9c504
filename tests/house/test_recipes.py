"""What docs/recipes.md promises beyond that its examples run: the web service, and the lines in the log."""

from __future__ import annotations

import logging
import types
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

import mcptasks.sync
from mcptasks.testing import Disconnect, Era, Options, TaskServer, demo_server, serve_http
from tests.helpers.documentation import PYTHON
from tests.helpers.examples import SERVER_NAME, compiled
from tests.helpers.support import http

(SERVICE,) = [example for example in PYTHON if example.page == "docs/recipes.md" and "FastAPI(" in example.source]

each_era = pytest.mark.parametrize("era", ["modern", "legacy"])


@asynccontextmanager
async def service(server: TaskServer | str) -> AsyncGenerator[httpx2.AsyncClient]:
    """The web service as it is printed, started anew; a client of it."""
    module = types.ModuleType("service")
    vars(module)[SERVER_NAME] = server
    exec(compiled(SERVICE), vars(module))
    app: Any = module.app
    with anyio.fail_after(120):
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://service") as browser,
        ):
            yield browser


@pytest.mark.anyio
@each_era
async def test_web_service(era: Era) -> None:
    """A job is started at once, looked at by its id, and gives its result; the same in both protocols."""
    server = TaskServer(era=era)
    server.add_tool("slow_computation")
    async with server.running(), service(server) as browser:
        started = await browser.post("/jobs", params={"duration": 60})
        assert started.status_code == 202
        job = started.json()["id"]
        work = await server.next_task()
        assert work.task_id == job
        work.set_working("half way")
        assert (await browser.get(f"/jobs/{job}")).json() == {"done": False, "message": "half way"}
        work.complete("ready")
        for _ in range(2):
            assert (await browser.get(f"/jobs/{job}")).json() == {"done": True, "data": "ready"}
        assert (await browser.get("/jobs/no-such-job")).status_code == 404


@pytest.mark.anyio
async def test_web_service_without_tasks(anyio_backend_name: str) -> None:
    """On a server without tasks a job has an id all the same, and its result."""
    server = TaskServer(options=Options(tasks=False))
    server.add_tool("slow_computation", result="ready")
    async with server.running(), service(server) as browser:
        job = (await browser.post("/jobs", params={"duration": 60})).json()["id"]
        while not (found := (await browser.get(f"/jobs/{job}")).json())["done"]:
            assert found.keys() == {"done", "message"}
            await anyio.sleep(0.01)
        assert found == {"done": True, "data": "ready"}


@pytest.mark.anyio
@each_era
async def test_web_service_is_restarted(era: Era) -> None:
    """The end of the service leaves the work alone; the next start of it finds the job by its id."""
    server = TaskServer(era=era)
    server.add_tool("slow_computation")
    async with server.running():
        async with service(server) as browser:
            job = (await browser.post("/jobs", params={"duration": 60})).json()["id"]
            work = await server.next_task()
        assert not work.cancel_requested
        async with service(server) as browser:
            assert (await browser.get(f"/jobs/{job}")).json()["done"] is False
            work.complete("ready")
            assert (await browser.get(f"/jobs/{job}")).json() == {"done": True, "data": "ready"}


@pytest.mark.anyio
@each_era
async def test_web_service_cancels_and_fails(era: Era) -> None:
    """A job can be cancelled, and one that fails says the tool's words."""
    server = TaskServer(era=era)
    server.add_tool("slow_computation")
    async with server.running(), service(server) as browser:
        job = (await browser.post("/jobs", params={"duration": 60})).json()["id"]
        work = await server.next_task()
        assert (await browser.delete(f"/jobs/{job}")).status_code == 202
        assert work.cancel_requested
        assert (await browser.get(f"/jobs/{job}")).json()["done"] is True
        job = (await browser.post("/jobs", params={"duration": 60})).json()["id"]
        (await server.next_task()).fail("out of paper")
        assert (await browser.get(f"/jobs/{job}")).json() == {"done": True, "error": "out of paper"}


@pytest.mark.anyio
@each_era
async def test_web_service_and_ids_that_nobody_knows(era: Era) -> None:
    """An unknown job is 404, whatever is asked of it, also where the server has no tasks at all."""
    for tasks in (True, False):
        server = TaskServer(era=era, options=Options(tasks=tasks))
        server.add_tool("slow_computation", result="ready")
        async with server.running(), service(server) as browser:
            for job in ("nonsense", "immediate:" + "0" * 32):
                assert (await browser.get(f"/jobs/{job}")).status_code == 404
                assert (await browser.delete(f"/jobs/{job}")).status_code == 404


@pytest.mark.anyio
@each_era
async def test_web_service_without_its_server(era: Era) -> None:
    """While the server is down, each request is answered with 503."""
    server = TaskServer(era=era)
    server.add_tool("slow_computation")
    with http(server) as url:
        async with service(url) as browser:
            job = (await browser.post("/jobs", params={"duration": 60})).json()["id"]
            for method in ("tools/call", "tasks/get", "tasks/cancel"):
                server.faults.add(method, Disconnect(), times=None)
            assert (await browser.post("/jobs", params={"duration": 60})).status_code == 503
            assert (await browser.get(f"/jobs/{job}")).status_code == 503
            assert (await browser.delete(f"/jobs/{job}")).status_code == 503


@pytest.mark.parametrize(
    ("own", "level", "lines"),
    [(False, logging.INFO, False), (True, logging.INFO, True), (True, logging.WARNING, False)],
)
def test_lines_of_requests(own: bool, level: int, lines: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The client logs no line for a request; an `httpx2` client of the program's does, unless it is quieted."""
    caplog.set_level(logging.INFO)
    caplog.set_level(level, logger="httpx2")
    http_client = httpx2.AsyncClient() if own else None
    with serve_http(demo_server()) as url, mcptasks.sync.Client(url, http_client=http_client) as client:
        client.call_tool("slow_computation", {"duration": 0.01})
        if http_client is not None:
            client.run(http_client.aclose)
    assert any(record.name == "httpx2" for record in caplog.records) is lines
    assert not any(record.name == "mcptasks" for record in caplog.records)


@pytest.mark.anyio
@each_era
async def test_progress_of_tasks(era: Era) -> None:
    """A progress handler is called for a task of 2025-11-25, and never for one of 2026-07-28."""
    calls: list[float] = []

    def follow(progress: float, _total: float | None, _message: str | None) -> None:
        calls.append(progress)

    async with mcptasks.Client(demo_server(era)) as client:
        task = await client.call_tool(
            "slow_computation",
            {"duration": 0.05},
            task=True,
            progress_handler=follow,
        )
        assert not task.returned_immediately
        await task.result()
    assert bool(calls) is (era == "legacy")
