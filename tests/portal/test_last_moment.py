"""Calls that reach the background thread while it ends: they are told so, and wait for nothing."""

from __future__ import annotations

import threading
from collections.abc import Generator

import anyio
import pytest

from mcptasks import TaskConnectionError
from mcptasks._portal import registry
from mcptasks._portal.call import Call, FutureCall
from mcptasks._portal.portal import Portal
from mcptasks.testing import TaskServer
from tests.helpers.blocking import Aside, Backend, begin, connected, make_client
from tests.helpers.threads import LIMIT, eventually, threads

each_moment = pytest.mark.parametrize("moment", ["before", "between", "after"])


async def nothing() -> int:
    """What is called."""
    return 1


class Gate:
    """A function that keeps the thread which calls it where it is."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        """Wait."""
        self.reached.set()
        self.open.wait(LIMIT)


class SlowPortal(Portal):
    """A background thread that stands still at a gate: between its last task and the end of its event loop, or when
    that has ended."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.between = self.after = Gate()
        self.between.open.set()

    async def _main(self) -> None:
        await super()._main()
        self.between()

    def _run(self) -> None:
        super()._run()
        self.after()


@pytest.fixture
def portal(backend: Backend) -> Generator[SlowPortal]:
    """A background thread that nobody leases."""
    portal = SlowPortal(backend)
    portal.start()
    yield portal
    for thread in threads():
        if thread.name.startswith("mcptasks portal"):
            thread.join(LIMIT)
    assert not portal.calls


def arrange(portal: SlowPortal, moment: str) -> Gate:
    """Have the thread stand still right before it hears that it is to end, or when it is about to end, or later."""
    gate = Gate()
    if moment == "before":
        portal.post(gate)
        assert gate.reached.wait(LIMIT)
        portal.stop()
        return gate
    setattr(portal, moment, gate)
    portal.stop()
    assert gate.reached.wait(LIMIT)
    return gate


@each_moment
def test_calls(portal: SlowPortal, moment: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A call that comes too late is a `TaskConnectionError`; nothing is written about it anywhere."""
    gate = arrange(portal, moment)
    call = Call(portal, anyio.sleep_forever)
    try:
        with pytest.raises(TaskConnectionError, match="has ended"):  # noqa: PT012 - either of the two
            call.start()
            gate.open.set()
            Aside(call.attend_inbox).value()
            call.settle()
    finally:
        gate.open.set()
    assert capsys.readouterr().err == ""


@each_moment
def test_futures(portal: SlowPortal, moment: str) -> None:
    """So is a future's."""
    gate = arrange(portal, moment)
    call = FutureCall(portal, anyio.sleep_forever, serve=portal.serve)
    try:
        with pytest.raises(TaskConnectionError, match="has ended"):  # noqa: PT012 - either of the two
            call.start()
            gate.open.set()
            call.future.result(LIMIT)
    finally:
        gate.open.set()


def test_leases(portal: SlowPortal) -> None:
    """A portal that is about to end is not leased any more; one that is leased does not end before that is over."""
    found: list[bool] = []
    portal.post(lambda: found.append(portal.lease("one")))
    portal.post(lambda: found.append(portal.lease("other")))
    portal.post(lambda: portal.release("one"))
    assert Call(portal, nothing).wait() == 1
    assert not portal.stopping
    gate = Gate()
    for function in (gate, lambda: portal.release("other"), lambda: found.append(portal.lease("one"))):
        portal.post(function)
    gate.open.set()
    portal._thread.join(LIMIT)
    assert found == [True, True, False]


def test_interrupted_leases(server: TaskServer, backend: Backend) -> None:
    """A lease that is given back before the portal comes to it is not given: the portal ends when it should."""
    gate, lessee = Gate(), object()
    with connected(server, backend) as client:
        assert client._runner._portal is not None
        client._runner._portal.post(gate)
        assert gate.reached.wait(LIMIT)
        leasing = Aside(lambda: registry.acquire(backend, lessee))
        eventually(lambda: lessee in registry._registry._leases, "nobody leases")
        registry.release(lessee)
        gate.open.set()
        leasing.value()
        registry.release(lessee)


def test_told_to_end_before_it_begins(backend: Backend) -> None:
    """Whoever is interrupted right after the start leaves no thread behind."""
    portal = Portal(backend)
    portal.stop()
    with pytest.raises(TaskConnectionError, match="has ended"):
        Call(portal, nothing).wait()
    portal.start()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["call", "future", "close"])
def test_many_threads(server: TaskServer, backend: Backend, end: str) -> None:
    """Threads that are in the middle of calls when another closes the client all get their error, again and again."""
    for _ in range(15):
        client = make_client(server, backend).open()
        task, _ = begin(client, server)
        together = threading.Barrier(9)

        def use() -> None:
            together.wait(LIMIT)  # noqa: B023 - ends before the next round
            while end == "call":
                task.status()  # noqa: B023
            while end == "future":
                task.future().result(LIMIT)  # noqa: B023
            client.close()  # noqa: B023

        asides = [Aside(use) for _ in range(8)]
        together.wait(LIMIT)
        client.close()
        for aside in asides:
            aside.join()
            assert isinstance(aside.error, TaskConnectionError) == (end != "close"), aside.error
