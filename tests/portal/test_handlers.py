"""Whose thread answers the server's questions: the one that waits, so that `input()` and a debugger work there."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from mcptasks import TaskInputRequiredError, TaskTimeoutError, ToolResult
from mcptasks.sync import Client, Task
from mcptasks.testing import ServerTask, TaskServer, elicit, sample
from tests.helpers.asking import own_server, sdk_server
from tests.helpers.blocking import Aside, Backend, Collector, begin, connected, make_client
from tests.helpers.support import Era, http, legacy_only, make_server
from tests.helpers.threads import LIMIT, eventually, portal_thread, threads

each_era = pytest.mark.parametrize("era", ["modern", "legacy"])
QUESTION = {"name": elicit("Who?")}


@pytest.fixture
def server(era: Era) -> TaskServer:
    """A server that asks in mid-task, by requests of its own."""
    return make_server(era, input_mode="push")


class Oracle:
    """A handler that remembers by which threads it was called, and how often."""

    def __init__(self, *answers: Any) -> None:
        self.threads: list[int] = []
        self._answers = list(answers or [{"value": "Ada"}])

    def __call__(self, context: Any, params: Any) -> Any:
        """Answer, or raise."""
        self.threads.append(threading.get_ident())
        answer: Any = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class AsyncOracle(Oracle):
    """The same, async."""

    async def __call__(self, context: Any, params: Any) -> Any:
        """Answer."""
        return super().__call__(context, params)


def answered(steered: ServerTask) -> Mapping[str, Any]:
    """Wait until the server has its answer."""
    steered.wait_for_blocking(lambda task: task.status == "working", LIMIT)
    return steered.answers


# --- plain calls --------------------------------------------------------------------------------------------------


@each_era
@pytest.mark.parametrize("way", ["object", "streams", "http"])
@pytest.mark.parametrize(
    ("tool", "option", "answer"),
    [("elicit", "elicitation_handler", {"name": "Ada"}), ("sample", "sampling_handler", "yes")],
)
def test_plain_calls(backend: Backend, era: Era, way: str, tool: str, option: str, answer: Any) -> None:
    """A question of a plain call is answered on the thread that made the call."""
    oracle = Oracle(answer)
    mode = {"modern": "auto", "legacy": "legacy"}[era]

    def ask(target: Any) -> None:
        with connected(target, backend, mode=mode, **{option: oracle}) as client:
            assert client.call_tool(tool).data in (
                {"action": "accept", "content": {"name": "Ada"}},
                {"role": "assistant", "text": "yes", "model": "handler"},
            )

    if way == "http":
        with http(own_server(era)) as url:
            ask(url)
    else:
        ask(sdk_server() if way == "object" else own_server(era))
    assert oracle.threads == [threading.get_ident()]


@pytest.mark.parametrize("way", ["object", "streams", "http"])
def test_each_question_goes_to_its_caller(backend: Backend, way: str) -> None:
    """On 2026-07-28, where a question belongs to a call, each of several threads answers the questions of its own
    calls, also while all of them are being answered at once."""
    together = threading.Barrier(4)

    def handler(context: Any, params: Any) -> dict[str, str]:
        together.wait(LIMIT)
        return {"name": str(threading.get_ident())}

    def ask_in_threads(target: Any) -> None:
        with connected(target, backend, elicitation_handler=handler) as client:
            asides = [Aside(lambda: [client.call_tool("elicit").data for _ in range(3)]) for _ in range(4)]
            for aside in asides:
                assert aside.value() == [{"action": "accept", "content": {"name": str(aside.ident)}}] * 3

    if way == "http":
        with http(own_server("modern")) as url:
            ask_in_threads(url)
    else:
        ask_in_threads(sdk_server() if way == "object" else own_server("modern"))


@each_era
def test_a_handler_may_call_the_client(backend: Backend, era: Era) -> None:
    """A handler runs on a thread of the program like any other code, so it may call the client."""
    tools: list[int] = []

    def handler(context: Any, params: Any) -> dict[str, str]:
        tools.append(len(client.list_tools()))
        tools.append(client.call_tool("log").data["logged"])
        return {"name": "Ada"}

    with connected(own_server(era), backend, elicitation_handler=handler) as client:
        answer = Aside(lambda: client.call_tool("elicit").data).value()
    assert answer == {"action": "accept", "content": {"name": "Ada"}}
    assert tools == [5, 1]


# --- tasks --------------------------------------------------------------------------------------------------------


@legacy_only
@pytest.mark.parametrize("question", ["elicit", "sample"])
def test_result(server: TaskServer, backend: Backend, question: str) -> None:
    """A question in mid-task is answered on the thread that waits in `result()`."""
    oracle = Oracle({"value": "Ada"} if question == "elicit" else "Ada")
    handlers = {"elicit": "elicitation_handler", "sample": "sampling_handler"}
    with connected(server, backend, **{handlers[question]: oracle}) as client:
        task, steered = begin(client, server)

        def ask_twice() -> None:
            for key in ("a", "b"):
                steered.need_input({key: elicit("Who?") if question == "elicit" else sample("Who?")})
                answered(steered)
            steered.complete("done")

        asking = Aside(ask_twice)
        assert task.result(LIMIT).data == "done"
        asking.value()
    assert oracle.threads == [threading.get_ident()] * 2


@legacy_only
def test_nobody_waits(server: TaskServer, backend: Backend) -> None:
    """A question that comes while nobody waits for its task is kept until somebody does."""
    oracle = Oracle()
    with connected(server, backend, elicitation_handler=oracle) as client:
        task, steered = begin(client, server)
        with pytest.raises(TaskTimeoutError):
            task.result(timeout=0.05)
        seen = Collector()
        task.on_status_change(seen)
        steered.need_input(QUESTION)
        seen.until(lambda status: status.status == "input_required")
        client.list_tools()
        assert oracle.threads == []
        waiting = Aside(lambda: task.result(LIMIT).data)
        assert answered(steered)["name"]["content"] == {"value": "Ada"}
        steered.complete("done")
        assert waiting.value() == "done"
        assert oracle.threads == [waiting.ident]


@legacy_only
def test_wait_answers_nothing(server: TaskServer, backend: Backend) -> None:
    """`wait()`, `status()` and the iteration over updates never answer input; `result()` in another thread does."""
    oracle = Oracle()
    with connected(server, backend, elicitation_handler=oracle) as client:
        task, steered = begin(client, server)
        waiting = Aside(lambda: task.wait(timeout=LIMIT))
        steered.need_input(QUESTION)
        assert task.wait(state="input_required", timeout=LIMIT).status == "input_required"
        assert next(task.updates()).status == "input_required"
        assert oracle.threads == []
        answering = Aside(lambda: task.result(LIMIT).data)
        answered(steered)
        steered.complete("done")
        assert answering.value() == "done"
        assert waiting.value().status == "completed"
        assert oracle.threads == [answering.ident]


@legacy_only
@pytest.mark.parametrize("outstanding", ["future", "future-and-callback"])
def test_futures(server: TaskServer, backend: Backend, outstanding: str) -> None:
    """While a future is outstanding and no thread waits, a worker thread answers."""
    oracle = Oracle()
    with connected(server, backend, elicitation_handler=oracle) as client:
        task, steered = begin(client, server)
        future = task.future()
        if outstanding != "future":
            task.on_status_change(Collector())
        steered.need_input(QUESTION)
        assert answered(steered)["name"]["content"] == {"value": "Ada"}
        steered.complete("done")
        assert future.result(LIMIT).data == "done"
        (thread,) = oracle.threads
        assert thread not in (threading.get_ident(), portal_thread(client))


@legacy_only
def test_an_end_of_another_file(server: TaskServer, backend: Backend) -> None:
    """An `EOFError` that is not of `input()` is the handler's own error, and comes out as it is."""

    def handler(context: Any, params: Any) -> Any:
        return pickle.loads(b"")

    with connected(server, backend, elicitation_handler=handler) as client:
        task, steered = begin(client, server)
        steered.need_input(QUESTION)
        with pytest.raises(EOFError, match="Ran out of input"):
            task.result(LIMIT)


@legacy_only
@pytest.mark.parametrize(
    ("interruption", "expected"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(3), SystemExit),
        (EOFError("EOF when reading a line"), TaskInputRequiredError),
    ],
    ids=["interrupt", "exit", "end-of-file"],
)
def test_a_question_stays_open(
    server: TaskServer, backend: Backend, interruption: BaseException, expected: type[BaseException]
) -> None:
    """A handler that a person interrupts, or that finds nobody to ask, has not answered: that comes out of `result()`,
    and the next `result()` asks again."""
    oracle = Oracle(interruption, interruption, {"value": "Ada"})
    with connected(server, backend, elicitation_handler=oracle) as client:
        task, steered = begin(client, server)
        steered.need_input(QUESTION)
        for _ in range(2):
            with pytest.raises(expected) as caught:
                task.result(LIMIT)
            assert interruption in (caught.value, caught.value.__cause__)
            assert getattr(caught.value, "reference", task.reference) == task.reference
            assert steered.answers == {}
            assert client.list_tools()
        waiting = Aside(lambda: task.result(LIMIT).data)
        assert answered(steered)["name"]["content"] == {"value": "Ada"}
        steered.complete("done")
        assert waiting.value() == "done"
        assert server.requests.count("tasks/cancel") == 0


@each_era
def test_a_deadline_that_passes_in_a_handler(backend: Backend, era: Era) -> None:
    """A timeout cannot end a handler that runs on the waiting thread: the wait ends then, and the next one sends the
    answer; the handler is not called again."""
    release = threading.Event()
    asked: list[str] = []

    def handler(context: Any, params: Any) -> dict[str, str]:
        asked.append(params.message)
        release.wait(LIMIT)
        return {"value": "late"}

    server = make_server(era)
    with connected(server, backend, elicitation_handler=handler) as client:
        task, steered = begin(client, server)
        steered.need_input(QUESTION)
        limit, waits = 0.3, list[Aside[Any]]()
        while not asked:  # On a slow machine the time may be over before the handler is called.
            waits.append(Aside(partial(task.result, timeout=limit)))
            eventually(lambda: asked or not waits[-1].thread.is_alive(), "nobody is asked")
            limit *= 2
        waits[-1].thread.join(limit)
        release.set()
        for waiting in waits:
            waiting.join()
            assert isinstance(waiting.error, TaskTimeoutError)
        eventually(lambda: client.list_tools(), "the client is stuck")
        again = Aside(lambda: task.result(LIMIT).data)
        assert answered(steered)["name"]["content"] == {"value": "late"}
        steered.complete("done")
        assert again.value() == "done"
        assert asked == ["Who?"]


@each_era
def test_handlers_that_fail(server: TaskServer, backend: Backend) -> None:
    """What a handler raises comes out of `result()`; nothing is told to the server, and the question stays open."""
    with connected(server, backend, elicitation_handler=Oracle(ZeroDivisionError("mine"))) as client:
        task, steered = begin(client, server)
        steered.need_input(QUESTION)
        with pytest.raises(ZeroDivisionError, match="mine"):
            task.result(LIMIT)
        assert client.list_tools()
        ((key, _),) = task.input_requests.items()
        task.answer(key, {"name": "Ada"})
        steered.wait_for_blocking(lambda steered: steered.status == "working")
        assert list(steered.answers.values()) == [{"action": "accept", "content": {"name": "Ada"}}]
        steered.complete("done")
        assert task.result(LIMIT).data == "done"


# --- forms of handlers --------------------------------------------------------------------------------------------


@each_era
def test_async_handlers(backend: Backend, era: Era) -> None:
    """An async handler runs on the background event loop."""
    oracle = AsyncOracle({"name": "Ada"})
    with connected(own_server(era), backend, elicitation_handler=oracle) as client:
        assert client.call_tool("elicit").data == {"action": "accept", "content": {"name": "Ada"}}
        assert oracle.threads == [portal_thread(client)]


@each_era
def test_nobody_is_asked_in_vain(era: Era, backend: Backend) -> None:
    """Two questions for one thread: when the handler raises on the first, which ends the call, the second is not put to
    anybody any more, whose answer would be thrown away."""
    server = make_server(era, input_mode="push-related", push="off")
    oracle = Oracle(ZeroDivisionError("mine"), {"value": "Ada"})
    with connected(server, backend, elicitation_handler=oracle) as client:
        task, steered = begin(client, server)
        steered.need_input({"a": elicit("A?"), "b": elicit("B?")})
        while len(task.input_requests) < 2:
            task.status()
        with pytest.raises(ZeroDivisionError, match="mine"):
            task.result()
        assert (len(oracle.threads), steered.answers, len(task.input_requests)) == (1, {}, 2)


@pytest.mark.parametrize("option", ["elicitation_handler", "sampling_handler", "log_handler", "roots"])
def test_handlers_that_cannot_be_called(server: TaskServer, backend: Backend, option: str) -> None:
    """What is no function is a `TypeError` before anything is started."""
    before = threads()
    with pytest.raises(TypeError, match="roots" if option == "roots" else option):
        make_client(server, backend, **{option: 42})
    assert threads() <= before
    assert len(server.requests) == 0


def test_callbacks_that_cannot_be_called(server: TaskServer, backend: Backend) -> None:
    """The same goes for status callbacks and progress handlers."""
    wrong: Any = 42
    with connected(server, backend) as client:
        task, _ = begin(client, server)
        with pytest.raises(TypeError, match="callable"):
            task.on_status_change(wrong)
        made = server.requests.count("tools/call")
        with pytest.raises(TypeError, match="progress_handler"):
            client.call_tool("work", progress_handler=wrong)
        assert server.requests.count("tools/call") == made


def test_worker_threads_answer_roots_and_logs(backend: Backend) -> None:
    """A function that names roots, and a log handler, run on worker threads."""
    seen: dict[str, int] = {}
    arrived = threading.Event()

    def roots() -> list[str]:
        seen["roots"] = threading.get_ident()
        return ["/one"]

    def log(params: Any) -> None:
        seen["log"] = threading.get_ident()
        arrived.set()

    def ask(era: Era) -> None:
        arrived.clear()
        with connected(own_server(era), backend, roots=roots, log_handler=log) as client:
            assert client.call_tool("roots").data == {"roots": [["file:///one", None]]}
            assert client.call_tool("log").data == {"logged": 1}
            assert arrived.wait(LIMIT)
            assert not {threading.get_ident(), portal_thread(client)} & set(seen.values())

    ask("modern")
    ask("legacy")


@legacy_only
def test_worker_threads_get_progress(server: TaskServer, backend: Backend) -> None:
    """A progress handler runs on a worker thread, in order, and may call the client."""
    got: list[float] = []
    threads: set[int] = set()
    called = threading.Event()

    def follow(client: Client) -> Callable[[float, float | None, str | None], None]:
        def handler(progress: float, total: float | None, message: str | None) -> None:
            threads.add(threading.get_ident())
            client.list_tools()
            got.append(progress)
            if progress == 3:
                called.set()

        return handler

    with connected(server, backend) as client:
        task: Task[ToolResult] = client.call_tool("work", task=True, progress_handler=follow(client))
        steered = server.next_task_blocking()
        for n in (1, 2, 3):
            steered.progress(n)
        assert called.wait(LIMIT)
        steered.complete()
        task.result(LIMIT)
        assert got == [1, 2, 3]
        assert not {threading.get_ident(), portal_thread(client)} & threads
