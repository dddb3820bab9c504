"""The stream of pushes of 2025-11-25 (the HTTP GET): opened however often that fails, and opened again."""

from __future__ import annotations

import pytest

from mcptasks._transport.http import listening
from mcptasks.testing import Disconnect, Fault, HttpStatus, NoHttpAnswer
from tests.benchmarks.soak_server import CuttableServer
from tests.helpers.pairs import pairwise
from tests.helpers.support import LONG_INTERVAL, PUSH_ONLY, Recorder, begin, connected, make_server
from tests.helpers.worlds import both_worlds

# What the stream fails of, and when, are tried together; the event loop and the world only wait.
pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds, pairwise]

TIMES = 4
"""The SDK by itself gives up after two failures."""


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Disconnect(), id="reset"),
        pytest.param(HttpStatus(503), id="503"),
        pytest.param(HttpStatus(409), id="409"),
        pytest.param(NoHttpAnswer(), id="silence"),
    ],
)
@pytest.mark.parametrize("when", ["at first", "later"])
async def test_the_stream_is_opened_at_last(when: str, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the stream fails to open, it opens as soon as the server has it, and what was missed is found."""
    monkeypatch.setattr(listening, "_ANSWER_SECONDS", 0.3)
    server = make_server("legacy", poll_interval_ms=LONG_INTERVAL)
    # Later, the first one is let through.
    failing = server.faults.add("http:GET", fault, times=TIMES, skip=int(when == "later"))
    web = CuttableServer(server)
    with web as url:
        async with connected(url, polling=PUSH_ONLY) as client:
            task, steered = await begin(client, server)
            told = Recorder()
            task.on_status_change(told)
            if when == "later":
                steered.set_working("the stream is open")
                await told.until_message("the stream is open")
                web.cut_all()
            await server.faults.wait_fired(failing, TIMES)
            steered.set_working("it is missed, or pushed")
            await told.until_message("it is missed, or pushed")
            steered.push("working", "it is pushed")
            steered.complete("done")
            assert (await task).data == "done"
