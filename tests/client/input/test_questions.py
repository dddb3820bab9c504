"""Questions in mid-task: handlers answer them, or a person by hand; nobody is asked twice and no answer is lost."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptasks import (
    Client,
    PollingPolicy,
    TaskConnectionError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskNotFoundError,
    TaskProtocolError,
    TaskStateError,
    TaskTimeoutError,
)
from mcptasks.testing import Complete, Disconnect, Drop, HttpStatus, NeedInput, RpcError, TaskServer, elicit, sample
from tests.helpers.people import ADA, Oracle, answered
from tests.helpers.support import (
    Era,
    Signal,
    begin,
    cancelled_from_within,
    connected,
    http,
    make_server,
    modern_only,
    settle,
    virtual_clock,
)
from tests.helpers.worlds import async_only, both_worlds

pytestmark = [pytest.mark.anyio, pytest.mark.slow, both_worlds]

NAME, AGE = elicit("Who?"), elicit("How old?", {"value": {"type": "integer", "default": 7}})


# --- handlers -----------------------------------------------------------------------------------------------------


async def test_handlers_answer(server: TaskServer) -> None:
    """Each question is put to the handler once, with the task that asks and a key of its own, and the task goes on;
    what an answer leaves out gets the form's defaults."""
    oracle = Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "age": AGE})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            assert {str(answer) for answer in await answered(steered)} == {
                str(ADA),
                str({"action": "accept", "content": {"value": 7}}),
            }
            steered.complete("done")
    assert sorted(oracle.asked) == ["How old?", "Who?"]
    assert {context.reference for context in oracle.contexts} == {task.reference}
    assert len({context.key for context in oracle.contexts}) == 2
    assert all(context.last_status.status == "completed" for context in oracle.contexts if context.last_status)


async def test_handlers_run_at_once(era: Era) -> None:
    """Several questions are put to the handlers at the same time, and each answer is sent when it is there."""
    server = make_server(era, input_mode="push-related")
    first, second = Signal(), Signal()

    async def wait_for_second() -> Any:
        first.set()
        await second.wait()
        return {"value": "Ada"}

    async def release() -> Any:
        await first.wait()
        return None

    async with connected(
        server, elicitation_handler=Oracle(**{"Who?": wait_for_second, "How old?": release})
    ) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "age": AGE})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await steered.wait_for(lambda task: "age" in task.answers)
            assert steered.status == "input_required"
            second.set()
            assert ADA in await answered(steered)
            steered.complete("done")


async def test_several_rounds(server: TaskServer) -> None:
    """A task may ask again and again; every question is asked once."""
    oracle = Oracle()
    server.add_tool("rounds", [NeedInput({"a": NAME}), "between", NeedInput({"b": AGE}), NeedInput({"c": NAME})])
    async with connected(server, elicitation_handler=oracle) as client:
        task = await client.call_tool("rounds", task=True)
        steered = await server.next_task()
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await steered.wait_for(lambda task: len(task.answers) == 3)
            steered.complete("done")
    assert oracle.asked == ["Who?", "How old?", "Who?"]


async def test_plain_calls_that_become_tasks(era: Era) -> None:
    """A call without `task=True` that the server makes a task all the same has its questions answered on the way."""
    oracle = Oracle()
    server = make_server(era)
    server.add_tool("must", support="required")
    values: list[Any] = []
    async with connected(server, elicitation_handler=oracle) as client, anyio.create_task_group() as waiters:

        async def call() -> None:
            values.append((await client.call_tool("must")).data)

        waiters.start_soon(call)
        steered = await server.next_task()
        steered.need_input({"name": NAME})
        assert await answered(steered) == [ADA]
        steered.complete("done")
    assert (values, oracle.asked) == (["done"], ["Who?"])


async def test_only_a_result_is_answered_for(server: TaskServer) -> None:
    """`wait()` and a callback put no question to a handler; `result()` does."""
    oracle = Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        task.on_status_change(lambda status: None)
        steered.need_input({"name": NAME})
        status = await task.wait(state="input_required")
        assert [request["params"]["message"] for request in status.input_requests.values()] == ["Who?"]
        with pytest.raises(TaskTimeoutError):
            await task.wait(timeout=0.1)
        assert oracle.asked == []
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await answered(steered)
            steered.complete("done")
    assert oracle.asked == ["Who?"]


async def test_handlers_that_raise(server: TaskServer) -> None:
    """What a handler raises comes out of every `result()` that waits; nothing is sent, and the next `result()` asks
    again."""
    oracle = Oracle(**{"Who?": ZeroDivisionError("mine")})
    caught: list[Exception] = []
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)

        async def wait() -> None:
            with pytest.raises(ZeroDivisionError, match="mine") as raised:
                await task.result()
            caught.append(raised.value)

        async with anyio.create_task_group() as waiters:
            for _ in range(3):
                waiters.start_soon(wait)
            await settle()
            steered.need_input({"name": NAME})
        assert (len(caught), oracle.asked, steered.answers) == (3, ["Who?"], {})
        assert (await task.status()).status == "input_required"
        oracle.answers["Who?"] = {"value": "Ada"}
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            assert await answered(steered) == [ADA]
            steered.complete("done")


class Verdict(BaseException):
    """What a test framework raises to end a test is no `Exception`."""


async def test_handlers_that_end_out_of_the_ordinary(server: TaskServer) -> None:
    """What is no `Exception` comes out of `result()` as it is; so does, as an error, the cancellation of something that
    the handler waits for. Neither has the handler called again, and the question stays open."""

    async def judged() -> None:
        raise Verdict("mine")

    oracle = Oracle(**{"Who?": cancelled_from_within})
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        with pytest.raises(RuntimeError, match="cancelled from within"):
            await task.result()
        assert oracle.asked == ["Who?"]
        oracle.answers["Who?"] = judged
        with pytest.raises((Verdict, RuntimeError), match="mine"):  # an error of ours in the blocking world
            await task.result()
        assert (oracle.asked, steered.answers, len(task.input_requests)) == (["Who?"] * 2, {}, 1)


async def test_answers_that_break_the_form(server: TaskServer) -> None:
    """What a handler answers against the form is not sent: `result()` raises the error, which names the field."""
    async with connected(server, elicitation_handler=Oracle(**{"How old?": {"value": "old"}})) as client:
        task, steered = await begin(client, server)
        steered.need_input({"age": AGE})
        with pytest.raises(ValueError, match="'value' of the answer must be a whole number"):
            await task.result()
        assert (steered.answers, len(task.input_requests)) == ({}, 1)


async def test_one_deadline(server: TaskServer) -> None:
    """The timeout of `result()` covers the handlers; the question stays open and the task answerable."""
    asked: list[str] = []

    async def forever() -> None:
        asked.append("Who?")
        await anyio.sleep_forever()

    async with connected(server, elicitation_handler=Oracle(**{"Who?": forever})) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        timeout = 0.3
        while not asked:
            with pytest.raises(TaskTimeoutError):
                await task.result(timeout=timeout)
            timeout *= 2  # On a slow machine the handler may not be called in that time.
        with pytest.raises(TaskTimeoutError, match="input_required"):
            await task.result(timeout=0.3)
        with pytest.raises(TaskTimeoutError):
            await task.result(timeout=0)
        assert steered.answers == {}
        (key,) = task.input_requests
        await task.answer(key, {"value": "Ada"})
        assert await answered(steered) == [ADA]


async def test_questions_that_go_away(server: TaskServer) -> None:
    """A task that ends while a handler is at work ends the handler, and `result()` says how the task ended."""
    asked, ended = Signal(), Signal()

    async def forever() -> None:
        asked.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with connected(server, elicitation_handler=Oracle(**{"Who?": forever})) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        values: list[Any] = []

        async def wait() -> None:
            values.append((await task.result()).data)

        async with anyio.create_task_group() as waiters:
            waiters.start_soon(wait)
            await asked.wait()
            steered.complete("without you")
        await ended.wait()
        assert values == ["without you"]


async def test_kinds_without_a_handler(server: TaskServer) -> None:
    """What a handler can answer it answers; for the rest `result()` says what is asked, and a person can answer."""
    oracle = Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "word": sample("A word?")})
        with pytest.raises(TaskInputRequiredError, match=r"answer\(\)"):
            await task.result()
        while len(task.input_requests) > 1 or oracle.asked != ["Who?"]:
            with pytest.raises(TaskInputRequiredError):
                await task.result()
        # The error of a moment ago may still name the other question.
        with pytest.raises(TaskInputRequiredError, match=r"answer\(\)") as caught:
            await task.result()
        ((key, request),) = caught.value.input_requests.items()
        assert request["method"] == "sampling/createMessage"
        await task.answer(key, "yes")
        assert len(await answered(steered)) == 2
    assert oracle.asked == ["Who?"]


# --- by hand ------------------------------------------------------------------------------------------------------


async def test_by_hand(server: TaskServer) -> None:
    """Questions are answered one by one by hand, in parts; each leaves `input_requests`, and the task goes on after the
    last one."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME, "age": AGE})
        left = {"Who?": {"value": "Ada"}, "How old?": None}
        while left:
            status = await task.wait(state="input_required")
            key, request = next(iter(status.input_requests.items()))
            await task.answer(key, left.pop(request["params"]["message"]))
            assert key not in task.input_requests
            with pytest.raises(TaskStateError, match=r"answered already|nothing to answer"):
                await task.answer(key, None)
        assert {str(answer) for answer in await answered(steered)} == {str(ADA), str({"action": "decline"})}
        steered.complete("done")
        assert (await task.result()).data == "done"
        with pytest.raises(TaskStateError, match="the task is completed; there is nothing to answer"):
            await task.answer("name", None)


async def test_wrong_answers_by_hand(server: TaskServer) -> None:
    """An answer that cannot be right is an error before anything is sent; the question stays open."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.need_input({"age": AGE})
        ((key, _),) = (await task.wait(state="input_required")).input_requests.items()
        sent = server.requests.count("tasks/update")
        with pytest.raises(ValueError, match="'value' of the answer must be a whole number"):
            await task.answer(key, {"value": "old"})
        with pytest.raises(TypeError, match="mapping"):
            await task.answer(key, "old")
        with pytest.raises(TaskStateError, match=f"'other'; its open questions are: '{key}'"):
            await task.answer("other", None)
        with pytest.raises(TypeError, match="key must be a string"):
            await task.answer(None, None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        assert (server.requests.count("tasks/update"), steered.answers) == (sent, {})
        await task.answer(key, {"value": 8})
        assert await answered(steered) == [{"action": "accept", "content": {"value": 8}}]


async def test_a_handler_is_at_it(server: TaskServer) -> None:
    """While a handler is at work on a question nobody else can answer it."""
    asked, go_on = Signal(), Signal()

    async def wait() -> Any:
        asked.set()
        await go_on.wait()
        return {"value": "Ada"}

    async with connected(server, elicitation_handler=Oracle(**{"Who?": wait})) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await asked.wait()
            with pytest.raises(TaskStateError, match="a handler is answering"):
                await task.answer(next(iter(task.input_requests)), None)
            go_on.set()
            assert await answered(steered) == [ADA]
            steered.complete("done")


@modern_only
async def test_from_another_client(era: Era) -> None:
    """The client goes between the question and the answer; another one, with the reference alone, answers."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url) as client:
            task, steered = await begin(client, server)
            steered.need_input({"name": NAME})
            await task.wait(state="input_required")
            reference = task.reference.to_json()
        async with connected(url) as client:
            task = client.resume(reference)
            await task.answer("name", {"value": "Ada"})
            assert await answered(steered) == [ADA]
            steered.complete("done")
            assert (await task.result()).data == "done"


# --- 2026-07-28: what the server does with answers ------------------------------------------------------------------


@modern_only
async def test_keys_shown_again(era: Era) -> None:
    """A server that shows answered questions for a while has them neither asked nor answered again, and the task counts
    as working meanwhile."""
    server, oracle = make_server(era, answers_shown_again=5, push="off", listen="unsupported"), Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await answered(steered)
            asked = server.requests.count("tasks/get")
            await task.wait(state="working")
            for _ in range(4):
                assert task.last_status is not None
                assert (task.last_status.status, dict(task.input_requests)) == ("working", {})
                await task.status()
            assert server.requests.count("tasks/get") > asked
            steered.complete("done")
    assert (oracle.asked, server.requests.count("tasks/update")) == (["Who?"], 1)


RARELY: dict[str, Any] = {"push": "off", "listen": "unsupported", "poll_interval_ms": 2_000}
"""Options of a server that is looked at every other second, for virtual time."""


@modern_only
@virtual_clock()
async def test_answers_that_the_server_lost(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    """A server that goes on showing a question for long after it took the answer is sent that again, and the log says
    so; nobody is asked again. After a short time it is not."""
    server, oracle = make_server(era, answers_shown_again=100, **RARELY), Oracle()
    async with connected(server, elicitation_handler=oracle, polling=PollingPolicy(), limit=1000) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        for seconds, sent in ((20, 1), (60, 2), (60, 3)):
            with pytest.raises(TaskTimeoutError):
                await task.result(timeout=seconds)
            assert server.requests.count("tasks/update") >= sent
            assert ("sent again" in caplog.text) == (sent > 1)
            if sent == 1:
                assert server.requests.count("tasks/update") == 1
        assert "Ada" not in caplog.text
        steered.complete("done")
        assert (await task.result()).data == "done"
    assert oracle.asked == ["Who?"]


@modern_only
@virtual_clock()
async def test_questions_that_are_back(era: Era) -> None:
    """A question that was gone after its answer, and is back for long, breaks the protocol: nobody is asked again, and
    the error says so; no one waits for ever."""
    server, oracle = make_server(era, **RARELY), Oracle()
    async with connected(server, elicitation_handler=oracle, polling=PollingPolicy(), limit=1000) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.wait)
            with pytest.raises(TaskTimeoutError):
                await task.result(timeout=5)
            waiters.cancel_scope.cancel()
        assert (await task.status()).status == "working"
        steered.need_input({"name": NAME}, reuse=True)
        with pytest.raises(TaskProtocolError, match="asks again, under the key 'name'"):
            await task.result()
    assert (oracle.asked, server.requests.count("tasks/update")) == (["Who?"], 1)


@modern_only
async def test_keys_used_again(server: TaskServer) -> None:
    """A key that comes with another question is the server's breach of the protocol: the error says so."""
    async with connected(server, elicitation_handler=Oracle()) as client:
        server.add_tool("again", [NeedInput({"k": NAME}), NeedInput({"k": AGE}, reuse=True)])
        task = await client.call_tool("again", task=True)
        with pytest.raises(TaskProtocolError, match="the key 'k' of an earlier question"):
            await task.result()


@modern_only
async def test_refused_answers(server: TaskServer) -> None:
    """An answer that the server refuses is its error; the question stays open, and is asked again next time."""
    oracle = Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        server.faults.add("tasks/update", RpcError(-32602, "not that one"))
        steered.need_input({"name": NAME})
        with pytest.raises(TaskFailedError, match="refuses the answer to 'name': 'not that one'") as caught:
            await task.result()
        assert (caught.value.code, caught.value.reference) == (-32602, task.reference)
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            assert await answered(steered) == [ADA]
            steered.complete("done")
    assert oracle.asked == ["Who?", "Who?"]


@modern_only
async def test_lost_acknowledgements(era: Era) -> None:
    """Where the server's word on an answer is lost the answer is sent again, and nobody is asked again."""
    server, oracle = make_server(era), Oracle()
    with http(server) as url:
        async with connected(url, elicitation_handler=oracle, timeout=5.0) as client:
            task, steered = await begin(client, server)
            server.faults.add("tasks/update", Drop(), after=True)
            steered.need_input({"name": NAME})
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(task.result)
                assert await answered(steered) == [ADA]
                steered.complete("done")
    assert oracle.asked == ["Who?"]


@modern_only
async def test_lost_acknowledgements_and_a_refusal(era: Era) -> None:
    """Where the server's word on an answer is lost, and it refuses the answer that is sent again since it has that, the
    question counts as answered: by hand, and where the two attempts belong to different calls."""
    server = make_server(era, push="off", listen="unsupported")
    refusal = RpcError(-32602, "no such question")
    with http(server) as url:
        async with connected(url, reconnect_timeout=6.0) as client:
            task, steered = await begin(client, server)
            steered.need_input({"name": NAME})
            await task.wait(state="input_required")
            server.faults.add("tasks/update", Disconnect(), after=True)
            server.faults.add("tasks/update", refusal, skip=1)
            await task.answer("name", {"value": "Ada"})
            assert (task.last_status and task.last_status.status, dict(task.input_requests)) == ("working", {})
            assert await answered(steered) == [ADA]

            task, steered = await begin(client, server)
            steered.need_input({"name": NAME})
            await task.wait(state="input_required")
            server.faults.add("tasks/update", Disconnect(), after=True)
            server.faults.add("tasks/update", HttpStatus(503), times=None)
            with pytest.raises(TaskConnectionError):
                await task.answer("name", {"value": "Ada"})
            server.faults.clear()
            server.faults.add("tasks/update", refusal)
            if task.input_requests:  # A look in between may have shown that it is asked no more.
                await task.answer("name", {"value": "Ada"})
            assert await answered(steered) == [ADA]


@modern_only
async def test_a_look_follows_a_refusal(server: TaskServer) -> None:
    """A refusal has the client look at the task at once: a question that is over is not asked again, and a task that is
    forgotten is `TaskNotFoundError`, from `result()` and by hand."""
    oracle = Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        server.faults.add("tasks/update", RpcError(-32602, "no"), times=None)
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        await task.wait(state="input_required")
        looks = server.requests.count("tasks/get")
        with pytest.raises(TaskFailedError):
            await task.answer("name", {"value": "Ada"})
        assert server.requests.count("tasks/get") > looks
        server.faults.add("tasks/get", RpcError(-32602, "no such task"), times=None)
        with pytest.raises(TaskNotFoundError) as caught:
            await task.answer("name", {"value": "Ada"})
        assert caught.value.reference == task.reference
        with pytest.raises(TaskNotFoundError):
            await task.result()


@modern_only
async def test_answers_outlive_an_outage(era: Era) -> None:
    """An answer that cannot be sent is kept: the next `result()` sends it, and nobody is asked again."""
    server, oracle = make_server(era), Oracle()
    with http(server) as url:
        async with connected(url, elicitation_handler=oracle, reconnect_timeout=6.0) as client:
            task, steered = await begin(client, server)
            server.faults.add("tasks/update", HttpStatus(503), times=None)
            steered.need_input({"name": NAME})
            with pytest.raises(TaskConnectionError):
                await task.result()
            assert steered.answers == {}
            server.faults.clear()
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(task.result)
                assert await answered(steered) == [ADA]
                steered.complete("done")
    assert oracle.asked == ["Who?"]


@modern_only
@async_only("one event loop")
async def test_answers_that_nobody_wants_any_more(era: Era) -> None:
    """What is kept of an answer that could not be sent is forgotten with the task's end."""
    server = make_server(era)
    with http(server) as url:
        async with connected(url, elicitation_handler=Oracle(), reconnect_timeout=6.0) as client:
            task, steered = await begin(client, server)
            server.faults.add("tasks/update", HttpStatus(503), times=None)
            steered.need_input({"name": NAME})
            with pytest.raises(TaskConnectionError):
                await task.result()
            assert task._watch.input.drafts
            server.faults.clear()
            steered.complete("without you")
            await task.wait()
            assert task._watch.input.drafts == {}


@async_only("one event loop")
async def test_answers_are_secret(era: Era) -> None:
    """What a handler answered shows in the `repr` of nothing, while it is kept and while it is under way."""
    server, oracle = make_server(era), Oracle(**{"Who?": {"value": "sesame"}})
    texts: list[str] = []
    async with connected(server, elicitation_handler=oracle) as client:
        task, steered = await begin(client, server)
        questions = task._waiter.core.questions
        send = questions.deciding.send

        async def observed(watch: Any, key: str, answer: Any) -> bool:
            texts.append(f"{watch!r}{questions._held!r}")
            sent = await send(watch, key, answer)
            texts.append(f"{watch!r}{questions._held!r}")
            return sent

        questions.deciding.send = observed  # type: ignore[method-assign]
        steered.need_input({"name": NAME})
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(task.result)
            await answered(steered)
            steered.complete("done")
    assert len(texts) == 2
    assert "sesame" not in "".join(texts)


@modern_only
@pytest.mark.parametrize(
    "request_", [7, {}, {"method": "tools/call"}, {"method": "elicitation/create", "params": {"message": 7}}]
)
async def test_questions_without_sense(server: TaskServer, request_: Any) -> None:
    """Whatever a server puts in place of a question: an error of ours says what is wrong, and the client goes on."""
    async with connected(server, elicitation_handler=Oracle()) as client:
        task, steered = await begin(client, server)
        steered.need_input({"k": request_})
        with pytest.raises((TaskProtocolError, TaskInputRequiredError)):
            await task.result()
        with pytest.raises(TaskProtocolError, match="server"):
            await task.answer("k", None)
        steered.complete("done")
        await task.wait()
        assert (await task.result()).data == "done"


# --- calls in rounds, without a task --------------------------------------------------------------------------------


async def test_plain_calls(era: Era) -> None:
    """A plain call's questions are put to the same handlers: without a task, and with a key in calls of several rounds
    (2026-07-28)."""
    oracle = Oracle()
    server = make_server(era)
    server.add_tool("plain", [NeedInput({"name": NAME}), Complete("done")], support="none")
    async with connected(server, elicitation_handler=oracle) as client:
        assert (await client.call_tool("plain")).data == "done"
        assert (await server.next_call()).answers == {"name": ADA}
    ((context, words),) = zip(oracle.contexts, oracle.asked, strict=True)
    assert (words, context.task, context.candidates) == ("Who?", None, ())
    assert context.key == ("name" if era == "modern" else None)


@modern_only
@pytest.mark.parametrize("task", [True, False])
async def test_a_call_that_asks_before_it_becomes_a_task(server: TaskServer, task: bool) -> None:
    """A 2026-07-28 server may ask in answer to the call, and make the task when all is answered: the handler answers
    without a task, the call is made again with the answer, and its task is waited for like any other."""
    server.add_tool("late", ["on it", Complete("done")], asks_first={"name": NAME}, support="required")
    oracle = Oracle()
    async with connected(server, elicitation_handler=oracle) as client:
        called: Any = await client.call_tool("late", task=task)
        result = await called.result() if task else called
        assert result.data == "done"
    assert [(context.task, context.key) for context in oracle.contexts] == [(None, "name")]
    (made,) = server.tasks.values()
    assert (made.answers, made.received) == ({"name": ADA}, [])
    assert server.requests.count("tools/call") == 2


async def test_closed_while_it_asks(server: TaskServer) -> None:
    """A client that is closed while somebody waits for a task that asks says that, and not that there is no handler."""
    errors: list[Exception] = []

    async def wait(client: Client) -> None:
        task, steered = await begin(client, server)
        steered.need_input({"name": NAME})
        asked.set()
        try:
            await task.result()
        except TaskConnectionError as exc:
            errors.append(exc)

    asked, forever = Signal(), anyio.Event()
    oracle = Oracle(**{"Who?": forever.wait})
    async with anyio.create_task_group() as waiters, connected(server, elicitation_handler=oracle) as client:
        waiters.start_soon(wait, client)
        await asked.wait()
        await settle()
    assert len(errors) == 1


async def test_servers_that_never_say_what(server: TaskServer) -> None:
    """A task that waits for input but does not say what for hangs nobody: `wait()` returns, and `result()` of a program
    that has no handlers says so."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.need_input({})
        assert dict((await task.wait(state="input_required")).input_requests) == {}
        with pytest.raises(TaskInputRequiredError, match="does not say what for"):
            await task.result()


@modern_only
async def test_keys_in_messages(server: TaskServer) -> None:
    """Keys are a server's words: messages show them as literals, and stay short."""
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.need_input({chr(27) + "[2J" + "k" * 10_000: NAME, "name": NAME})
        with pytest.raises(TaskInputRequiredError) as caught:
            await task.result()
        with pytest.raises(TaskStateError) as wrong:
            await task.answer("other", None)
        for words in (str(caught.value), str(wrong.value)):
            assert words.isprintable()
            assert len(words) < 500


async def test_what_a_server_says_in_messages(server: TaskServer) -> None:
    """So are the status message and the words of a refusal: shown as literals, and short."""
    words = chr(27) + "[2J" + "x" * 5_000 + chr(0x202E)
    async with connected(server) as client:
        task, steered = await begin(client, server)
        steered.set_working(words)
        await task.status()
        with pytest.raises(TaskTimeoutError) as late:
            await task.result(timeout=0)
        steered.need_input({"name": NAME}, words)
        with pytest.raises(TaskInputRequiredError) as open_:
            await task.result()
        errors: list[BaseException] = [late.value, open_.value]
        if server.era == "modern":
            server.faults.add("tasks/update", RpcError(-32050, words))
            with pytest.raises(TaskFailedError) as refused:
                await task.answer("name", None)
            errors.append(refused.value)
        steered.fail(words)
        with pytest.raises(TaskStateError) as over:
            await task.wait(state="working")
        for error in (*errors, over.value):
            assert str(error).isprintable()
            assert len(str(error)) < 600
