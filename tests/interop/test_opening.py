"""Opening clients of real servers that speak the older transport, or that are not up yet."""

import logging
from collections.abc import Iterator

import anyio
import pytest

from mcptasks import Client
from tests.interop.processes import HttpServer
from tests.interop.targets import LONG
from tests.interop.warm_servers import WarmServers

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=["http", "sse"])
def server(
    request: pytest.FixtureRequest,
    generation: int,
    tmp_path_factory: pytest.TempPathFactory,
    live_servers: list[HttpServer],
    warm_servers: WarmServers,
) -> Iterator[HttpServer]:
    """A server of each generation and transport. The tests here share it: who interrupts it has it listen again."""
    log = tmp_path_factory.mktemp("opening") / "log"
    with HttpServer(generation, log, request.param, warm=warm_servers) as own:
        live_servers.append(own)
        yield own
        live_servers.remove(own)


async def _works(client: Client) -> None:
    assert (await client.call_tool("add", {"a": 2, "b": 3}, timeout=LONG)).data == 5
    task = await client.call_tool("slow_computation", {"duration": 0.1}, task=True)
    assert (await task.result(LONG)).data == "computed for 0.1 seconds"


class _Noted(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "mcptasks":
            self.words.append(record.getMessage())


@pytest.fixture
def notes() -> Iterator[list[str]]:
    """What the client says at level INFO, without the changes of tasks: those go to the logger `mcptasks.task`."""
    logger, handler = logging.getLogger("mcptasks"), _Noted()
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler.words
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_either_transport(server: HttpServer, notes: list[str], mode: str) -> None:
    """A URL is enough for either transport over HTTP, and tasks work over both."""
    async with Client(server.url, mode=mode, timeout=LONG) as client:
        await _works(client)
    assert [f"{server.url} speaks HTTP+SSE" in note for note in notes] == [True] * (server.transport == "sse")


async def test_a_server_that_is_not_up_yet(server: HttpServer, notes: list[str]) -> None:
    """`wait_for_server` waits for either."""
    await anyio.to_thread.run_sync(server.interrupt)

    async def start() -> None:
        while not notes:  # noqa: ASYNC110 - the log has no event
            await anyio.sleep(0.01)
        await anyio.to_thread.run_sync(server.listen_again)

    async with anyio.create_task_group() as group:
        group.start_soon(start)
        async with Client(server.url, wait_for_server=LONG) as client:
            await _works(client)
    assert "is not there yet" in notes[0]


async def test_a_lost_connection(server: HttpServer) -> None:
    """A connection of either that is lost is made again."""
    async with Client(server.url, timeout=LONG) as client:
        await _works(client)
        await anyio.to_thread.run_sync(server.interrupt)
        await anyio.to_thread.run_sync(server.listen_again)
        # The client sends a list again until it is answered. A call that leaves before the end of the old stream of
        # HTTP+SSE is noticed may have arrived, and rightly fails.
        await client.list_tools()
        await _works(client)
