"""A secret of the program is shown nowhere: in no display, span, metric, log record, number or `repr`."""

from __future__ import annotations

import io
import logging
from typing import Any

import anyio
import pytest

import mcptasks
from mcptasks._core import html
from mcptasks._engine.waiting.live_display import row_of
from mcptasks.store import Store
from mcptasks.testing import elicit
from tests.helpers.people import Oracle, answered
from tests.helpers.support import Era, begin, connected, http, make_server
from tests.helpers.tracing import Recording
from tests.helpers.worlds import World, both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

SECRET = "sentinel-77b1"


async def test_one_secret_everywhere(
    era: Era, recording: Recording, world: World, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    """The program gives the secret in the URL, as an argument, as metadata and as an answer; the server sends it in its
    result. The store keeps no payloads here."""
    server, shown = make_server(era, input_mode="push-related"), io.StringIO()
    oracle = Oracle(**{"Who?": {"value": SECRET}})
    given: dict[str, Any] = {"arguments": {"password": SECRET, "deep": {"token": SECRET}}, "meta": {"x": SECRET}}
    options: dict[str, Any] = {
        "elicitation_handler": oracle,
        "telemetry": recording.telemetry(),
        "store": Store(tmp_path / "tasks.db"),
    }
    texts: list[str] = []
    with caplog.at_level(logging.DEBUG, "mcptasks"), http(server) as url:
        secret_url = url.replace("://", f"://user:{SECRET}@")
        async with connected(secret_url, **options) as client:
            task, steered = await begin(client, server, **given)
            steered.need_input({"who": elicit("Who?")})
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: world.progress(task, file=shown))
                assert await answered(steered) == [{"action": "accept", "content": {"value": SECRET}}]
                texts += _displays(task, world)
                steered.complete(SECRET)
            texts += [*_displays(task, world), repr(client), repr(client.stats()), task.reference.to_json()]
            assert (await task).data == SECRET
    assert "work" in shown.getvalue()
    assert "completed" in texts[-4]
    assert not [text for text in [shown.getvalue(), *texts] if SECRET in text]
    assert {span.name for span in recording.spans} >= {"task work", "elicitation work", "MCP send tools/call work"}
    assert SECRET not in "".join(span.to_json() for span in recording.spans)
    assert "mcptasks.store.commit.duration" in recording.numbers
    assert SECRET not in str(recording.numbers)
    records = [record for record in caplog.records if record.name.startswith("mcptasks")]
    assert records
    assert not [record for record in records if SECRET in f"{record.getMessage()} {record.__dict__}"]


def _displays(task: Any, world: World) -> list[str]:
    """A task in each way that it is shown: text, HTML, a table, a table of calls, a gather, a line in a terminal."""
    inner = world.inner(task)
    row = row_of(inner._waiter)
    gathered: Any = mcptasks.gather(inner)
    shown = gathered._bundle(False)
    gathered.close()
    pages = [html.tasks_html([task]), html.work_html([row], [task]), task._repr_html_()]
    return [repr(row), *shown.values(), *pages, repr(task)]
