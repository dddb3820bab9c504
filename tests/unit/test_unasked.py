"""The pauses between attempts to open a stream of pushes (2025-11-25), and what ends them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import anyio
import httpx2
import pytest

from mcptasks._transport.unasked import Listening
from tests.unit.test_asking import virtual

pytestmark = pytest.mark.anyio

URL = "http://server/mcp"
ANSWER_SECONDS, LONGEST_PAUSE = 30.0, 30.0


class Web:
    """Answers with one status after the other; None never answers. Then it opens streams."""

    def __init__(self, statuses: Sequence[int | None] = (), wish: float | None = None) -> None:
        self._statuses = list(statuses)
        self._wish = wish
        self.times: list[float] = []

    async def send(self) -> httpx2.Response:
        """One attempt."""
        self.times.append(anyio.current_time())
        status = self._statuses.pop(0) if self._statuses else 200
        if status is None:
            await anyio.sleep_forever()
            raise AssertionError
        return httpx2.Response(status, extensions={"retry_after": self._wish})

    @property
    def pauses(self) -> list[float]:
        """Between the attempts, in seconds."""
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pause is the longest of its kind."""
    monkeypatch.setattr(random, "random", lambda: 1.0)


@virtual()
@pytest.mark.usefixtures("steady")
async def test_pauses_grow() -> None:
    """Each pause is twice as long as the one before, up to half a minute."""
    web = Web([502] * 11)
    assert (await Listening().open(web.send)).status_code == 200
    assert web.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, LONGEST_PAUSE, LONGEST_PAUSE])


@virtual()
@pytest.mark.usefixtures("steady")
async def test_no_answer() -> None:
    """A request that is not answered in half a minute is sent again."""
    web = Web([None])
    await Listening().open(web.send)
    assert web.pauses == pytest.approx([ANSWER_SECONDS + 0.1])


@virtual()
@pytest.mark.usefixtures("steady")
async def test_the_server_says_when() -> None:
    """The server's Retry-After is kept to."""
    web = Web([503], wish=50.0)
    await Listening().open(web.send)
    assert web.pauses == pytest.approx([50.0])


@virtual()
@pytest.mark.parametrize("status", [405, 404, 401, 403, 400, 406, 501, 307])
async def test_a_refusal(status: int) -> None:
    """What the server does not have, or does not let one have, is asked for once."""
    web = Web([status] * 2)
    assert (await Listening().open(web.send)).status_code == status
    assert len(web.times) == 1


@virtual()
@pytest.mark.usefixtures("steady")
async def test_streams_that_end_at_once() -> None:
    """A stream that is opened over and over, since something ends it at once, is opened ever more seldom; one that
    lasts is opened again without a pause."""
    web, listening = Web(), Listening()
    for _ in range(4):
        await listening.open(web.send)
    assert web.pauses == pytest.approx([0.1, 0.2, 0.4])
    for _ in range(2):
        await anyio.sleep(5)
        await listening.open(web.send)
    await listening.open(web.send)
    assert web.pauses[3:] == pytest.approx([5, 5, 0.1])


@virtual()
async def test_which_requests_open_a_stream() -> None:
    """A GET does, also with the id of the last event where its task has opened one before; a GET by which another
    task goes on with the answer to its request does not, nor does any other request."""
    listening = Listening()
    again = httpx2.Request("GET", URL, headers={"Last-Event-ID": "7"})
    found: list[bool] = []

    async def go_on() -> None:
        found.append(listening.concerns(again))

    assert not listening.concerns(httpx2.Request("POST", URL))
    assert not listening.concerns(httpx2.Request("DELETE", URL))
    assert not listening.concerns(again)
    assert listening.concerns(httpx2.Request("GET", URL))
    assert listening.concerns(again)
    async with anyio.create_task_group() as group:
        group.start_soon(go_on)
    assert found == [False]
