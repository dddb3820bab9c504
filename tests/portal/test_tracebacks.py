"""An error that is raised inside reads as if it were raised at the caller's line."""

from __future__ import annotations

import gc
import threading
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mcptasks
from mcptasks import (
    TaskConnectionError,
    TaskError,
    TaskFailedError,
    TaskInputRequiredError,
    TaskStateError,
    ToolError,
)
from mcptasks.sync import Client, Task
from mcptasks.testing import TaskServer, elicit
from tests.helpers.blocking import Aside, Backend, begin, connected, make_client
from tests.helpers.support import Era, legacy_only, make_server
from tests.helpers.threads import LIMIT

PACKAGE = Path(mcptasks.__file__).parent
MACHINERY = (
    str(PACKAGE / "_portal"),
    str(PACKAGE / "_sync"),
    threading.__file__,
    "concurrent/futures",
    "anyio/from_thread",
)

ELSE = '"endpoint": "x", "era": "2026-07-28"'
Ways = dict[str, tuple[type[TaskError], Callable[[Client, Task[Any]], object]]]
FAILING: Ways = {
    "result": (ToolError, lambda client, task: task.result()),
    "timed": (ToolError, lambda client, task: task.result(timeout=60)),
    "wait": (TaskStateError, lambda client, task: task.wait(state="input_required")),
    "plain": (TaskFailedError, lambda client, task: client.call_tool("no such tool")),
    "create": (TaskFailedError, lambda client, task: client.call_tool("no such tool", task=True)),
    "resource": (TaskFailedError, lambda client, task: client.read_resource("no://such")),
    "prompt": (TaskFailedError, lambda client, task: client.get_prompt("no such prompt")),
    "status": (TaskError, lambda client, task: client.task("unknown").status()),
    "updates": (TaskError, lambda client, task: next(client.task("unknown").updates())),
    "iteration": (TaskError, lambda client, task: list(client.task("unknown").updates())),
    "cancel": (TaskError, lambda client, task: client.task("unknown").cancel()),
    "resume": (
        TaskError,
        lambda client, task: client.resume(f'{{"task_id": "x", "returned_immediately": true, {ELSE}}}'),
    ),
    "again": (TaskStateError, lambda client, task: client.open()),
    "not-open": (TaskConnectionError, lambda client, task: Client("http://127.0.0.1:9/").list_tools()),
    "not-there": (
        TaskConnectionError,
        lambda client, task: make_client("http://127.0.0.1:9/mcp").open(),
    ),
}


def frames(error: BaseException) -> list[str]:
    """The files and functions of a traceback, from the outermost on."""
    return [f"{frame.filename}:{frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def raised(call: Callable[[], object]) -> BaseException:
    """What a call raises, with this function as the first frame and the call's own as the next."""
    try:
        call()
    except Exception as exc:
        return exc
    raise AssertionError("nothing was raised")


def failed_task(client: Client, server: TaskServer) -> Task[Any]:
    """A task that has ended with the tool's error."""
    task, steered = begin(client, server)
    steered.fail("out of paper")
    return task


@pytest.mark.parametrize("way", FAILING)
def test_task_errors(server: TaskServer, backend: Backend, way: str) -> None:
    """The traceback of an error about tasks ends at the caller's line, and the errors that it came from bring no lines
    of libraries with them."""
    expected, use = FAILING[way]
    with connected(server, backend) as client:
        task = failed_task(client, server)
        error = raised(lambda: use(client, task))
    assert isinstance(error, expected)
    here = frames(error)
    assert [name.rsplit(":", 1)[1] for name in here] == ["raised", "<lambda>", "<lambda>"], here
    words = "".join(traceback.format_exception(error))
    shown = [line for line in words.splitlines() if line.lstrip().startswith("File ")]
    assert all(line.lstrip().startswith(f'File "{__file__}"') for line in shown), words


WRONG: dict[str, Callable[[Client, Task[Any]], object]] = {
    "timeout": lambda client, task: task.result(timeout="soon"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "negative": lambda client, task: task.wait(timeout=-1),
    "state": lambda client, task: task.wait(state="finished"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "name": lambda client, task: client.call_tool(7),  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]
    "reference": lambda client, task: client.resume("{"),
    "id": lambda client, task: client.task(7),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "callback": lambda client, task: task.on_status_change(7),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "target": lambda client, task: Client(7),
    "backend": lambda client, task: Client("http://127.0.0.1:9/", backend="curio"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("way", WRONG)
def test_wrong_arguments(server: TaskServer, backend: Backend, way: str) -> None:
    """A wrong argument is a `TypeError` or `ValueError` without any frame of the portal."""
    with connected(server, backend) as client:
        task = failed_task(client, server)
        error = raised(lambda: WRONG[way](client, task))
    assert isinstance(error, TypeError | ValueError)
    here = frames(error)
    assert [name.rsplit(":", 1)[1] for name in here[:3]] == ["raised", "<lambda>", "<lambda>"]
    words = "".join(traceback.format_exception(error))
    if way not in ("target", "backend"):  # These are raised by the constructor, on the caller's own thread.
        for part in MACHINERY:
            assert part not in words, words


def test_in_futures(server: TaskServer, backend: Backend) -> None:
    """The error of a future brings no frames of the machinery with it either."""
    with connected(server, backend) as client:
        error = failed_task(client, server).future().exception(LIMIT)
    assert isinstance(error, ToolError)
    assert frames(error) == []


def test_causes_are_kept(backend: Backend) -> None:
    """What an error was caused by is still said, and nothing of the machinery has become its context."""
    error = raised(make_client("http://127.0.0.1:9/mcp", backend).open)
    assert isinstance(error, TaskConnectionError)
    assert error.__cause__ is not None
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    assert any("connect" in repr(each).lower() for each in chain[1:]), chain


def test_contexts_are_the_callers(server: TaskServer, backend: Backend) -> None:
    """An error raised while the caller handles another has that one as its context, as any error would."""
    with connected(server, backend) as client:
        task = failed_task(client, server)

        def while_handling() -> None:
            try:
                raise KeyError("the caller's")
            except KeyError:
                task.result()

        error = raised(while_handling)
        assert isinstance(error.__context__, KeyError)
        error = raised(lambda: task.result())
        assert error.__context__ is error.__cause__ is None


def test_errors_are_freed_at_once(server: TaskServer, backend: Backend) -> None:
    """An error that the program has let go of is gone, with all that its frames held, before any collector comes."""
    with connected(server, backend) as client:
        task = failed_task(client, server)
        uses: list[Callable[[], object]] = [task.result, lambda: client.call_tool("no such tool")]
        gc.collect()
        gc.disable()
        try:
            for use in uses:
                error = raised(use)
                reference = weakref.ref(error)
                del error
                assert reference() is None
        finally:
            gc.enable()


def test_tracebacks_do_not_grow(server: TaskServer, backend: Backend) -> None:
    """The same failure raised again and again, in two threads, has a traceback of the same length each time."""
    with connected(server, backend) as client:
        task = failed_task(client, server)

        def lengths() -> set[int]:
            return {len(frames(raised(lambda: task.result()))) for _ in range(50)}

        asides = [Aside(lengths) for _ in range(4)]
        assert [aside.value() for aside in asides] == [{2}] * 4


@legacy_only
@pytest.mark.parametrize(("kind", "words"), [(KeyboardInterrupt, "mine"), (EOFError, "EOF when reading a line")])
def test_handlers_keep_their_frames(era: Era, backend: Backend, kind: type[BaseException], words: str) -> None:
    """What a handler raises on the waiting thread shows the handler's own lines, between them nothing of ours."""
    server = make_server(era, input_mode="push")

    def deeper() -> None:
        raise kind(words)

    def handler(context: Any, params: Any) -> None:
        deeper()

    with connected(server, backend, elicitation_handler=handler) as client:
        task, steered = begin(client, server)
        steered.need_input({"name": elicit("Who?")})
        with pytest.raises((KeyboardInterrupt, TaskInputRequiredError), match=words) as caught:
            task.result(LIMIT)
    error = caught.value if kind is KeyboardInterrupt else caught.value.__cause__
    assert isinstance(error, kind)
    assert [name.rsplit(":", 1)[1] for name in frames(error)][-2:] == ["handler", "deeper"]
    for each in (caught.value, error):
        assert not any(part in name for part in MACHINERY for name in frames(each)), frames(each)


MINE: dict[str, Callable[[Client], object]] = {
    "called": lambda client: client.call_tool("no such tool"),
    "caused": lambda client: raised_from(client),
}


def raised_from(client: Client) -> None:
    """Raise an error of the program's that was caused by one of ours."""
    try:
        client.call_tool("no such tool")
    except TaskError as exc:
        raise TaskFailedError("mine") from exc


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("what", MINE)
def test_handlers_keep_their_frames_in_task_errors(era: Era, backend: Backend, what: str) -> None:
    """An error about tasks that came up in a handler shows the handler's own lines."""
    server = make_server(era, **({"input_mode": "push"} if era == "legacy" else {}))

    def deeper() -> None:
        MINE[what](client)

    def handler(context: Any, params: Any) -> None:
        deeper()

    with connected(server, backend, elicitation_handler=handler) as client:
        task, steered = begin(client, server)
        steered.need_input({"name": elicit("Who?")})
        error = raised(lambda: task.result(LIMIT))
    chain = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    shown = [name.rsplit(":", 1)[1] for each in chain for name in frames(each)]
    assert {"handler", "deeper"} <= set(shown), shown
    for each in chain:
        assert not isinstance(each, TaskError) or not any(str(PACKAGE) in name for name in frames(each)), frames(each)


def test_functions_keep_their_frames(server: TaskServer, backend: Backend) -> None:
    """So does one that came up in a function that was given to `run()`."""

    async def deeper() -> None:
        raise TaskStateError("mine")

    async def mine() -> None:
        await deeper()

    with connected(server, backend) as client:
        error = raised(lambda: client.run(mine))
    assert [name.rsplit(":", 1)[1] for name in frames(error)] == ["raised", "<lambda>", "mine", "deeper"]
