"""The raw body of a response: closed in order, and with no work after its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import httpx2
import pytest

from mcptasks._transport.http.bodies import Body
from mcptasks._transport.http.streams import RawStream

pytestmark = pytest.mark.anyio


class Source:
    """Chunks from a network that notes what is asked of it."""

    def __init__(self, *, endless: bool) -> None:
        self.done: list[str] = []
        self._endless = endless

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Two chunks, and then the end, or nothing for ever."""
        try:
            yield b"one "
            yield b"two"
            if self._endless:
                await anyio.sleep_forever()
            self.done.append("end")
        except BaseException as exc:
            self.done.append(type(exc).__name__)
            raise

    async def close(self) -> None:
        """Give the connection back."""
        self.done.append("close")

    def body(self) -> Body:
        """The body that is read from the chunks."""
        return Body(httpx2.Response(200, stream=RawStream(self.chunks(), self.close)), limit=None)


async def test_a_body_that_was_read_is_closed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that has come to its end gives its connection back once; dropping it later opens no cancel scope and reads
    nothing."""
    source = Source(endless=False)
    body = source.body()
    assert await body.read() == b"one two"
    assert source.done == ["end", "close"]
    with monkeypatch.context() as patch:
        patch.setattr(anyio, "CancelScope", None)
        patch.setattr(anyio, "move_on_after", None)
        await body.drop()
        await body.finish()
    assert source.done == ["end", "close"]


async def test_a_body_that_is_left_early_ends_its_reading() -> None:
    """The source of a body that is dropped in the middle is cancelled before the connection is given back."""
    source = Source(endless=True)
    body = source.body()
    assert await anext(body) == b"one "
    await body.drop()
    assert source.done[-1] == "close"
    assert len(source.done) == 2
    assert source.done[0] in ("CancelledError", "Cancelled", "GeneratorExit")
