"""Answers that come when the wait is over: no plain handler is called twice for a question, and no answer is lost."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcptasks import TaskError, TaskInputRequiredError, TaskTimeoutError
from mcptasks.testing import TaskServer, elicit, sample
from tests.helpers.bridge import BlockingWorld
from tests.helpers.people import ADA, Oracle, answered
from tests.helpers.support import LIMIT, Era, Signal, begin, connected, legacy_only, make_server, settle
from tests.helpers.worlds import ASYNC, World, async_only, both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

NAME = elicit("Who?")


class Person:
    """A plain handler that takes its time: until it is told to go on. In the blocking world, where it has the thread of
    the call that waits, until that call's deadline has passed."""

    def __init__(self, world: World, *errors: Exception) -> None:
        self.asked: list[str] = []
        self.begun = Signal()
        self.go_on = threading.Event()
        self.timeout = 0.1
        """Seconds that a wait takes during which the handler is to begin. A slow machine may need more."""
        self._world = world
        self._errors = list(errors)

    def __call__(self, context: Any, params: Any) -> Any:
        """Answer, late."""
        self.asked.append(params.message)
        self.begun.set()
        self.go_on.wait(2 * LIMIT if self._world is ASYNC else 3 * self.timeout)
        if isinstance(self._world, BlockingWorld):
            # Also on a machine that stood still meanwhile, the deadline counts before what this returns.
            self._world.let_portals_run()
        if self._errors:
            raise self._errors.pop()
        return {"value": "Ada"}


async def test_a_deadline_passes_first(server: TaskServer, world: World) -> None:
    """A plain handler that answers after the deadline of its wait has not answered in vain: the next `result()` sends
    that, whether it comes before the answer or after it, and nobody is asked again."""
    person = Person(world)
    async with connected(server, elicitation_handler=person) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=0.1)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await settle()
            person.go_on.set()
            assert await answered(steered) == [ADA]
            steered.complete("done")
    assert person.asked == ["Who?"]


async def test_somebody_else_waits_on(server: TaskServer, world: World) -> None:
    """Where one of several waits ends while its plain handler works, the others wait for that handler and start none of
    their own."""
    person = Person(world)
    async with connected(server, elicitation_handler=person) as client, anyio.create_task_group() as waiters:
        task, steered = await begin(client, server)

        async def impatient() -> None:
            with pytest.raises(TaskTimeoutError):
                await task.result(timeout=0.2)
            await settle()
            person.go_on.set()

        waiters.start_soon(impatient)
        await settle()
        waiters.start_soon(task.result)
        steered.need_input({"name": NAME})
        assert await answered(steered) == [ADA]
        steered.complete("done")
    assert person.asked == ["Who?"]


@async_only("one event loop")
async def test_a_wait_is_cancelled(server: TaskServer) -> None:
    """The same where the wait is cancelled. While the handler works nobody else can answer its question."""
    person = Person(ASYNC)
    async with connected(server, elicitation_handler=person) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await person.begun.wait()
            waiters.cancel_scope.cancel()
        with pytest.raises(TaskError, match="a handler is answering"):
            await task.answer(next(iter(task.input_requests)), None)
        person.go_on.set()
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            assert await answered(steered) == [ADA]
            steered.complete("done")
    assert person.asked == ["Who?"]


async def test_a_late_failure(server: TaskServer, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A plain handler that fails after its wait has ended is logged, and its question is open again."""
    person = Person(world, ZeroDivisionError("mine"))
    async with connected(server, elicitation_handler=person) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        with caplog.at_level(logging.WARNING, "mcptasks"):
            while not person.asked:
                with pytest.raises(TaskTimeoutError):
                    await task.result(timeout=person.timeout)
                if not person.asked:
                    person.timeout *= 2
            person.go_on.set()
            while "nobody waits for its answer" not in caplog.text:
                await settle()
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            assert await answered(steered) == [ADA]
            steered.complete("done")
    assert person.asked == ["Who?", "Who?"]


@async_only("one event loop")
async def test_another_handler_fails(era: Era) -> None:
    """A plain handler that is at work while another one fails has not worked in vain: what it answers is sent next
    time, and only the other question is asked again. In the blocking world one thread asks one after the other."""
    server, typed, failed = make_server(era), threading.Event(), threading.Event()
    asked: list[str] = []

    def handler(context: Any, params: Any) -> Any:
        asked.append(params.message)
        if params.message == "Who?":
            failed.set()
            assert typed.wait(2 * LIMIT)
            return {"value": "Ada"}
        assert failed.wait(2 * LIMIT)
        raise LookupError(params.message)

    async with connected(server, elicitation_handler=handler) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "age": elicit("How old?")})
        with pytest.raises(LookupError, match="How old"):
            await task.result()
        typed.set()
        while not steered.answers:
            with pytest.raises(LookupError, match="How old"):
                await task.result()
        assert list(steered.answers.values()) == [ADA]
    assert asked.count("Who?") == 1


@async_only("one event loop")
async def test_the_client_is_closed(server: TaskServer) -> None:
    """Closing the client waits for no plain handler, which cannot be stopped."""
    person = Person(ASYNC)
    try:
        async with connected(server, elicitation_handler=person) as client:
            task, steered = await begin(client, server)
            steered.need_input({"name": NAME})
            while not person.asked:
                with pytest.raises(TaskTimeoutError):
                    await task.result(timeout=person.timeout)
                person.timeout *= 2
            await person.begun.wait()
    finally:
        person.go_on.set()
    assert steered.answers == {}


@async_only("one event loop")
async def test_a_question_that_is_over(server: TaskServer) -> None:
    """The end of the task ends the wait though a plain handler is at work; its answer is kept no longer."""
    person, values = Person(ASYNC), list[Any]()
    async with connected(server, elicitation_handler=person) as client, anyio.create_task_group() as waiters:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})

        async def wait() -> None:
            values.append((await task.result()).data)

        waiters.start_soon(wait)
        await person.begun.wait()
        steered.complete("without you")
        while not values:
            await settle()
        person.go_on.set()
        assert (values, task._watch.input.drafts) == (["without you"], {})


@legacy_only
@async_only("one event loop")
async def test_one_of_several_may_have_asked(era: Era) -> None:
    """Where it cannot be told which task asks, an answer that comes late counts for all that may have asked."""
    server, person = make_server(era, input_mode="push"), Person(ASYNC)
    async with connected(server, elicitation_handler=person) as client:
        one, first = await begin(client, server)
        two, second = await begin(client, server)
        for task, steered in ((one, first), (two, second)):
            steered.need_input({})
            await task.status()
        second.need_input({"k": NAME})
        await two.wait(state="input_required")
        with pytest.raises(TaskTimeoutError):
            await one.result(timeout=0.1)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(two.result)
            await settle()
            person.go_on.set()
            assert await answered(second) == [ADA]
            second.complete("done")
    assert person.asked == ["Who?"]


@async_only("one event loop")
async def test_many_that_nobody_waits_for(server: TaskServer) -> None:
    """Forty handlers that nobody waits for any more hold up no other handler, nor what else the program runs in
    threads."""
    person = Person(ASYNC)

    def complete(context: Any, params: Any) -> str:
        return "yes"

    try:
        async with connected(server, elicitation_handler=person, sampling_handler=complete) as client:
            async with anyio.create_task_group() as waiters:
                for _ in range(40):
                    task, steered = await begin(client, server)
                    steered.need_input({"name": NAME})
                    waiters.start_soon(task.result)
                while len(person.asked) < 40:
                    await settle()
                waiters.cancel_scope.cancel()
            assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            task, steered = await begin(client, server)
            steered.need_input({"word": sample("A word?")})
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(task.result)
                await answered(steered)
                steered.complete("done")
    finally:
        person.go_on.set()


# --- questions that nobody can answer -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sync", "async"])
@async_only("one event loop")
async def test_a_slow_handler_beside_a_question_without_one(server: TaskServer, form: str) -> None:
    """A question without a handler is told of at once, however long the handler of another one takes; that goes on, and
    what it answers is sent by the next `result()`."""
    person, oracle, go_on = Person(ASYNC), Oracle(), Signal()

    async def slow(context: Any, params: Any) -> Any:
        await go_on.wait()
        return await oracle(context, params)

    async with connected(server, elicitation_handler=person if form == "sync" else slow) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "word": sample("A word?")})
        with pytest.raises(TaskInputRequiredError):
            await task.result()
        await task.status()
        with pytest.raises(TaskInputRequiredError):
            await task.result()
        person.go_on.set()
        go_on.set()
        while not steered.answers:
            with pytest.raises(TaskInputRequiredError):
                await task.result()
        assert list(steered.answers.values()) == [ADA]
        await task.answer(next(iter(task.input_requests)), "yes")
        steered.complete("done")
        assert (await task.result()).data == "done"
    assert person.asked + oracle.asked == ["Who?"]


async def test_by_hand_beside_a_question_without_a_handler(server: TaskServer) -> None:
    """When a question without a handler has been told of, all of them can be answered by hand: none is kept for a
    plain handler that has not begun."""
    begun: list[str] = []

    def handler(context: Any, params: Any) -> Any:
        begun.append(params.message)
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=handler) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "word": sample("A word?")})
        with pytest.raises(TaskInputRequiredError):
            await task.result()
        await settle()
        while steered.status == "input_required":
            for key, request in task.input_requests.items():
                with suppress(TaskError):  # The handler may be at it in the async world, where it has a thread.
                    await task.answer(key, "yes" if "messages" in request["params"] else {"value": "Ada"})
            await settle()
        assert len(begun) <= 1
        steered.complete("done")
        assert (await task.result()).data == "done"
