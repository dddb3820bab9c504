"""Fixtures for tests against real fastmcp servers: running processes, ways to reach them, and what they logged.

The first test that asks for a server starts the server, and all tests of this folder share it. It is killed when the
process goes on to tests of other folders, since an idle server takes 1 to 2 % of a core. A test that stops or
restarts a server asks `restartable` for one of its own. Servers are forked from a process that has imported fastmcp
(`warm_servers.py`), except where a test is about the end of a server over stdio. The report of a failing test shows
what the servers logged.
"""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mcptasks import Client
from tests.helpers.forks import folder_of_run
from tests.interop.fault_proxy import FaultProxy
from tests.interop.processes import GENERATIONS, HttpServer
from tests.interop.targets import START, FastMcp, at_url
from tests.interop.warm_servers import WarmServers

HERE = Path(__file__).parent
StartServer = Callable[[int], HttpServer]

_live = pytest.StashKey[list[HttpServer]]()
_shared = pytest.StashKey["SharedServers"]()
_log_sizes = pytest.StashKey[dict[Path, int]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out a warning about the SDK's HTTP client.

    It leaves event streams half-read when a connection closes. Trio warns of that, at whatever moment the garbage
    collector comes by, so it cannot be caught where it is caused.
    """
    here = {path for path in {item.path for item in items} if HERE in path.parents}
    for item in items:
        if item.path in here:
            item.add_marker(pytest.mark.filterwarnings("ignore:Async generator 'http(x|core)2:ResourceWarning"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Note where each log stands when a test begins."""
    logs = [server.log for server in item.config.stash.get(_live, list[HttpServer]())]
    item.stash[_log_sizes] = {log: log.stat().st_size for log in logs if log.exists()}
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the servers logged during the test."""
    report = yield
    if report.failed:
        sizes = item.stash.get(_log_sizes, dict[Path, int]())
        for server in item.config.stash.get(_live, list[HttpServer]()):
            text = server.log.read_bytes()[sizes.get(server.log, 0) :].decode(errors="replace")
            if text:
                name = f"log of fastmcp {server.generation} ({server.log})"
                report.sections.append((name, "\n".join(text.splitlines()[-80:])))
    return report


@pytest.fixture(scope="session")
def live_servers(pytestconfig: pytest.Config) -> list[HttpServer]:
    """The server processes that run now."""
    return pytestconfig.stash.setdefault(_live, [])


@pytest.fixture(scope="session")
def warm_servers(pytestconfig: pytest.Config) -> Iterator[WarmServers]:
    """What forks servers; all processes of a run share it."""
    with WarmServers(folder_of_run(pytestconfig) / "warm-servers") as found:
        yield found


class SharedServers:
    """One server of each generation, started on first use, until `end`.

    Args:
        logs: The folder for their logs.
        live: The server processes that run now; the servers of this object are added.
        warm: Forks them.
    """

    def __init__(self, logs: Path, live: list[HttpServer], warm: WarmServers) -> None:
        self._warm = warm
        self._logs = logs
        self._live = live
        self._running: dict[int, HttpServer] = {}

    def __call__(self, generation: int) -> HttpServer:
        """The server of a generation."""
        if generation not in self._running:
            server = HttpServer(generation, self._logs / f"fastmcp{generation}.log", warm=self._warm)
            server.start()
            self._running[generation] = server
            self._live.append(server)
        return self._running[generation]

    def end(self) -> None:
        """Kill the servers. The next use starts another one."""
        while self._running:
            _, server = self._running.popitem()
            self._live.remove(server)
            server.kill()


@pytest.fixture(scope="session")
def shared_server(
    tmp_path_factory: pytest.TempPathFactory,
    live_servers: list[HttpServer],
    warm_servers: WarmServers,
    pytestconfig: pytest.Config,
) -> Iterator[StartServer]:
    """Give the server of a generation that all tests share."""
    servers = SharedServers(tmp_path_factory.mktemp("fastmcp-logs"), live_servers, warm_servers)
    pytestconfig.stash[_shared] = servers
    yield servers
    servers.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """End the shared servers after the last test of this folder, once all that uses them has been taken down."""
    try:
        return (yield)
    finally:
        if _shared in item.config.stash and (nextitem is None or HERE not in nextitem.path.parents):
            item.config.stash[_shared].end()


@pytest.fixture(scope="module", params=GENERATIONS, ids=lambda generation: f"fastmcp{generation}")
def generation(request: pytest.FixtureRequest) -> int:
    """Run the test on each generation of fastmcp; parameters with `indirect=True` choose some of them."""
    chosen: int = request.param
    return chosen


@pytest.fixture(scope="module")
def fastmcp_url(generation: int, shared_server: StartServer) -> str:
    """The address of the shared server of this generation."""
    return shared_server(generation).url


@pytest.fixture(scope="module", params=("http", "stdio"))
def fastmcp(request: pytest.FixtureRequest, generation: int, warm_servers: WarmServers) -> FastMcp:
    """Run the test on each generation over each transport."""
    if request.param == "stdio":
        return FastMcp(generation, "stdio", warm_servers.over_stdio(generation))
    return at_url(generation, request.getfixturevalue("fastmcp_url"))


@pytest.fixture(scope="module")
async def client(fastmcp: FastMcp, anyio_backend: object) -> AsyncIterator[Client]:
    """A client that the tests of one module share, since starting a server takes its time."""
    async with Client(fastmcp.target, reconnect_timeout=START) as client:
        yield client


@pytest.fixture
def restartable(tmp_path: Path, live_servers: list[HttpServer], warm_servers: WarmServers) -> Iterator[StartServer]:
    """Start servers of this test's own, which it may interrupt, stop, kill and start again."""
    own: list[HttpServer] = []
    with ExitStack() as stack:

        def start(generation: int) -> HttpServer:
            server = HttpServer(generation, tmp_path / f"fastmcp{generation}-{len(own)}.log", warm=warm_servers)
            own.append(stack.enter_context(server))
            live_servers.append(server)
            return server

        yield start
    for server in own:
        live_servers.remove(server)


@pytest.fixture
def fault_proxy(fastmcp_url: str) -> Iterator[FaultProxy]:
    """A fault proxy in front of the shared server of this generation."""
    with FaultProxy(fastmcp_url) as proxy:
        yield proxy
