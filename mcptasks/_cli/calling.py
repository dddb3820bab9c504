"""One call of a tool, from the connection to its result on standard output."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from mcptasks._cli import arguments, connecting, following, naming, records, running, untrusted
from mcptasks._cli.asking import Asker
from mcptasks._cli.course import Course, ends_with_command, goodbye
from mcptasks._cli.display import Display, Row, display_of
from mcptasks._cli.exits import Exit, of_error
from mcptasks._cli.failures import Failure
from mcptasks._cli.files import read_words
from mcptasks._cli.nearest import unknown_tool
from mcptasks._cli.outcome import print_result
from mcptasks._cli.setting import Setting
from mcptasks._cli.targets import Target

if TYPE_CHECKING:
    from mcptasks import Client, Task, TaskError, TaskUncertainError
    from mcptasks.store import Phase, Store, TaskRecord


@define(kw_only=True)
class Request:
    """What to call, and how to wait."""

    target: Target
    tool: str
    words: Sequence[str] = field(repr=False)
    detach: bool
    key: str | None
    send_again: bool
    labels: dict[str, str]
    ttl: float | None
    timeout: float | None
    cancel_on_interrupt: bool
    raw: bool


class Call:
    """One call of a tool, from the connection to the result."""

    def __init__(self, setting: Setting, request: Request) -> None:
        self._setting = setting
        self._request = request
        self._course = Course(tool=request.tool, server=request.target.shown, is_lasting=request.target.is_lasting)
        self._task: Task[Any] | None = None
        self._mark = {records.CALL: os.urandom(8).hex()}
        self._deadline = math.inf
        self._display: Display = display_of(setting.screen, silent=request.detach)

    def run(self) -> Exit:
        """Call, and return how the command ends."""
        act = self._cancel if self._request.cancel_on_interrupt else None
        return running.run(self._setting, self._body, running.Leaving(self._goodbye, act))

    def _goodbye(self) -> list[str]:
        self._display.close()
        if self._request.cancel_on_interrupt and self._task is not None:
            return ["stopped; the server is asked to cancel the task"]
        return goodbye(self._course, self._setting.command)

    async def _cancel(self) -> None:
        from mcptasks import TaskError

        if self._task is None:
            return
        try:
            await self._task.cancel()
        except TaskError as exc:
            self._setting.screen.say(f"the task was not cancelled: {untrusted.message(exc.message)}")

    async def _body(self) -> Exit:
        setting, request = self._setting, self._request
        store = setting.open_store()
        asker = Asker(setting, self._display.still)
        try:
            async with connecting.client_of(setting, request.target, store, {}, **asker.handlers()) as client:
                given = await self._arguments(client)
                task = await self._sent(client, given, store)
                return await self._after(task, store, asker)
        finally:
            self._display.close()

    def _progress(self, done: float, total: float | None, message: str | None) -> None:
        """Show a report of progress, which 2025-11-25 servers send beside statuses."""
        if self._course.known is not None:
            share = done / total if total is not None and total > 0 else math.nan
            fraction = min(share, 1.0) if share >= 0.0 else None
            self._display.update(Row(self._course.known, self._request.tool, "working", message or "", fraction))

    async def _arguments(self, client: Client) -> dict[str, Any]:
        """The arguments, typed by the tool's schema.

        Raises:
            Failure: The server has no such tool, or an argument is invalid.
        """
        from mcptasks import TaskFailedError

        request = self._request
        try:
            tools = {tool.name: tool for tool in await client.list_tools()}
        except TaskFailedError:
            tools = {}  # The server has no list of tools, so its answer to the call decides.
        schema = tools[request.tool].input_schema if request.tool in tools else None
        if tools and schema is None:
            raise Failure(Exit.USAGE, unknown_tool(request.tool, list(tools)))
        try:
            return arguments.parse(request.words, schema, read_words())
        except ValueError as exc:
            hint = f"its arguments: {self._setting.command('tools', self._request.target.again or '...', request.tool)}"
            raise Failure(Exit.USAGE, str(exc), kind="ArgumentError", hints=[hint]) from None

    async def _sent(self, client: Client, given: dict[str, Any], store: Store) -> Task[Any]:
        """The task of the call.

        Raises:
            Failure: The call failed, and the store knows what may have become of it.
        """
        import anyio

        from mcptasks import TaskConnectionError, TaskTimeoutError, TaskUncertainError

        request, mark = self._request, self._mark
        self._course.sent = True
        if request.timeout is not None:
            self._deadline = anyio.current_time() + request.timeout
        try:
            task: Task[Any] = await client.call_tool(
                request.tool,
                given,
                task=True,
                ttl=request.ttl,
                key=request.key,
                labels={**request.labels, **connecting.kept_labels(self._setting, request.target), **mark},
                on_uncertain="send" if request.send_again else "raise",
                timeout=request.timeout or None,  # With 0, nobody waits for the result, but the call must be sent.
                progress_handler=self._progress,
            )
        except (TaskConnectionError, TaskTimeoutError) as exc:
            if isinstance(exc, TaskUncertainError):
                raise sent_before(self._setting, exc) from None
            begun = await lost(store, mark, request.key)
            if begun is None:
                raise
            named = naming.of_record(begun)
            if begun.phase == "created":
                raise came_late(self._setting, named, exc) from None
            raise self._may_exist(named, exc.message) from None
        self._task = task
        self._course.plain = task.returned_immediately
        return task

    def _may_exist(self, named: naming.Named, words: str) -> Failure:
        settle = self._setting.command("settle", named.shown)
        hints = [f"look at the server, then: {settle} --none, or the task's id there"]
        return Failure(Exit.UNCERTAIN, f"the call may exist: {words}", task=named.json, hints=hints)

    async def _after(self, task: Task[Any], store: Store, asker: Asker) -> Exit:
        """Print the id, or wait for the result and print it, after the server has answered the call."""
        import anyio

        setting, request, course = self._setting, self._request, self._course
        named = await self._named(store, task)
        course.known = named.shown
        if request.detach and not course.plain:
            self._print_id(named)
            return Exit.OK
        if request.detach:
            setting.screen.hint(f"{untrusted.line(request.tool)} is a plain call of this command, so the command waits")
        row = Row(named.shown, request.tool)
        left = None if request.timeout is None else max(self._deadline - anyio.current_time(), 0.0)
        followed = await following.follow(task, row, self._display, asker, timeout=left)
        self._display.close()
        course.over = followed.code in (Exit.OK, Exit.FAILED, Exit.CANCELLED)
        named = await self._named(store, task)
        if followed.error is not None and course.plain:
            raise self._failed_plain(followed, named)
        if followed.error is not None:
            known = named.shown if named.record is not None else json.dumps(task.reference.to_dict())
            raise following.failure_of(setting, followed, named.json, known)
        print_result(setting, named, followed.result, raw=request.raw)
        return Exit.OK

    def _failed_plain(self, followed: following.Followed, named: naming.Named) -> Failure:
        """The failure of a call without a task. Nothing goes on at the server, so there are no hints how to come back.
        Pure."""
        failure = following.failure_of(self._setting, followed, named.json, named.shown)
        open_call = named.record is not None and named.record.phase in ("intended", "uncertain")
        if open_call and failure.code in (Exit.UNREACHABLE, Exit.UNCERTAIN):
            return self._may_exist(named, failure.message)
        if failure.code is Exit.TIMEOUT:
            tool = untrusted.line(self._request.tool)
            failure.message = f"{tool} is not over; it is a plain call of this command, and is cancelled with it"
        failure.hints = ()
        return failure

    async def _named(self, store: Store, task: Task[Any]) -> naming.Named:
        """The task, as the store has it now."""
        reference = task.reference
        try:
            return naming.of_record(await store.get(reference))
        except LookupError:
            # A plain call has no task by which to find it.
            calls = await store.tasks(labels=self._mark, limit=1)
            return naming.of_record(calls[0]) if calls else naming.Named("", None, reference.to_dict())

    def _print_id(self, named: naming.Named) -> None:
        setting = self._setting
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "task": named.json})
            return
        setting.screen.print(named.record.id if named.record is not None else named.shown)
        if not self._course.is_lasting:
            setting.screen.hint(ends_with_command(self._course.server))
        for line in following.come_back(setting, named.shown):
            setting.screen.hint(line)


async def lost(store: Store, mark: Mapping[str, str], key: str | None) -> TaskRecord | None:
    """Return the call of this command if it may exist, or if its task was recorded after the command gave up waiting.

    Args:
        store: The store.
        mark: The label of the call. A call that was made before with the same key has kept its first label.
        key: The key of the call.
    """
    phases: tuple[Phase, ...] = ("intended", "uncertain", "created")
    found = await store.tasks(phase=phases, labels=mark, limit=1)
    if not found and key is not None:
        found = [each for each in await store.tasks(phase=phases, limit=records.ALL) if each.key == key]
    return found[0] if len(found) == 1 else None


def came_late(setting: Setting, named: naming.Named, error: TaskError) -> Failure:
    """Return the failure of a call that this command gave up waiting for, and whose task goes on. Pure."""
    words = f"{error.message}; the work goes on"
    hints = following.come_back(setting, named.shown)
    return Failure(of_error(error), words, kind=type(error).__name__, task=named.json, hints=hints)


def sent_before(setting: Setting, error: TaskUncertainError) -> Failure:
    """Return the failure of a call whose key belongs to an uncertain call, in words of the command line. Pure."""
    words = (
        f"a call with the key {error.key!r:.80} was sent before, and nobody knows whether the server carried it out; "
        "nothing was sent now"
    )
    settle = setting.command("settle", (error.record_id or "")[: records.SHORT])
    hints = [f"look at the server, then: {settle} --none, or the task's id there", "or send it:  add --send-again"]
    return Failure(Exit.UNCERTAIN, words, kind=type(error).__name__, hints=hints)
