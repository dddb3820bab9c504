"""Uses a client in every way against a server that spoils one answer, and judges the outcome.

Each step must give the right value or raise an error of ours. If the spoilt answer means the same by the
specifications, each step must give the right value. A single spoilt answer must not disturb later steps.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
from attrs import define, field, frozen

from mcptasks import (
    Client,
    Task,
    TaskCancelledError,
    TaskConnectionError,
    TaskError,
    TaskProtocolError,
    TaskStatus,
    ToolResult,
)
from tests.helpers.conversing import IN_LATIN, PUSHES, RIGHT, Conversation, Plan, Speaker
from tests.helpers.raw_server import serving
from tests.helpers.spoiling import Mutation
from tests.helpers.spoilt_http import LEGACY_FORMS, LONG_PAUSE
from tests.helpers.spoilt_words import FOREIGN, Field
from tests.helpers.support import Era
from tests.helpers.virtual_time import run_virtually

OPENING = ("server/discover", "initialize")
READS = ("tasks/get", "tasks/result", "tasks/list")
LONGEST = 300.0
"""Virtual seconds for all steps together. No single step needs a minute."""
LONGEST_WORK = 30.0
"""Seconds of processor time for one case. Generous, for slow and busy machines."""
LONGEST_WORDS = 1000
"""How many characters the message of an error may have; a longer message is a fault."""


@frozen
class Case:
    """One answer that is spoilt in one way."""

    era: Era
    backend: str
    target: str
    mutation: Mutation
    nth: int = 1
    always: bool = False

    @property
    def is_right(self) -> bool:
        """Whether all steps must succeed: the answer is right, or the client asks again, or polling makes up for it."""
        if self.mutation.form in LEGACY_FORMS and self.era == "modern":
            return False
        asked_again = self.mutation.is_transient and self.target in READS
        needless = self.target == PUSHES[self.era] and not self.changes_value
        return self.mutation.is_right or ((asked_again or needless) and not self.always)

    @property
    def changes_value(self) -> bool:
        """Whether a call may return a wrong value."""
        return isinstance(self.mutation.words, Field)

    @property
    def leaves_the_rest(self) -> bool:
        """Whether a call after the spoilt answer must succeed."""
        return not self.always and self.target not in (*OPENING, "tools/list") and self.mutation.form != LONG_PAUSE


@define
class Course:
    """The outcome of one case."""

    case: Case
    done: dict[str, Any] = field(factory=dict[str, Any])
    """The value of each step, or its error."""
    problems: list[str] = field(factory=list[str])

    def blame(self, step: str, what: str) -> None:
        """Note a fault."""
        self.problems.append(f"{step}: {what}")

    async def step(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Take a step, and return its value; None if it fails."""
        try:
            self.done[name] = await call()
        except TaskError as error:
            self.done[name] = error
            self._judge_words(name, error)
            return None
        except Exception as error:
            self.done[name] = error
            self.blame(name, f"not an error of ours: {_described(error)}")
            return None
        return self.done[name]

    def _judge_words(self, name: str, error: TaskError) -> None:
        words = str(error)
        # A server's words keep their lines (`safe_text.message`).
        legible = words.replace("\n", "").replace("\t", "").isprintable()
        if not legible or not words or len(words) > LONGEST_WORDS:
            kind = "empty" if not words else "too long" if len(words) > LONGEST_WORDS else "not printable"
            self.blame(name, f"{type(error).__name__} whose words are {kind}: {words[:200]!r}")

    def expect(self, name: str, is_right: Callable[[Any], bool], *, strict: bool) -> None:
        """Check that a step has the right value, or an error of ours unless `strict`."""
        if name not in self.done:
            return
        found = self.done[name]
        if isinstance(found, TaskError):
            if strict and not is_right(found):
                self.blame(name, f"failed: {_described(found)}")
        elif not isinstance(found, Exception) and not is_right(found):
            self.blame(name, f"wrong value: {str(found)[:200]!r}")


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


async def _steps(course: Course, client: Client) -> None:
    """Use every part of the client."""
    await course.step("list_tools", client.list_tools)
    await course.step("plain call", lambda: client.call_tool("plain"))
    task: Task[ToolResult] | None = await course.step("create", lambda: client.call_tool("work", task=True))
    if task is not None:
        held = task
        await course.step("result", lambda: held.result(timeout=40))
        await course.step("status", held.status)
    endless: Task[ToolResult] | None = await course.step(
        "create endless", lambda: client.call_tool("endless", task=True, timeout=40)
    )
    if endless is not None:
        held_endless = endless
        await course.step("look", held_endless.status)
        await course.step("cancel", held_endless.cancel)
        await course.step("cancelled result", lambda: held_endless.result(timeout=20))
    await course.step("call as a task, unseen", lambda: client.call_tool("work", timeout=40))
    if client.protocol_version == "2025-11-25":
        await course.step("list_tasks", client.list_tasks)
    await course.step("plain call at the end", lambda: client.call_tool("plain"))


def _judge(course: Course) -> None:
    """Compare each step's value with what is right."""
    case = course.case

    def is_value(found: Any) -> bool:
        if case.changes_value:
            return isinstance(found, (ToolResult, TaskError)) and FOREIGN not in str(cast("object", found))
        return isinstance(found, ToolResult) and cast("ToolResult", found).data in (RIGHT, IN_LATIN)

    def is_cancelled(found: Any) -> bool:
        return isinstance(found, TaskCancelledError) or (not case.is_right and is_value(found))

    course.expect("list_tools", lambda found: isinstance(found, list), strict=case.is_right)
    for name in ("plain call", "result", "call as a task, unseen"):
        course.expect(name, is_value, strict=case.is_right)
    for name in ("status", "look"):
        course.expect(name, lambda found: isinstance(found, TaskStatus), strict=case.is_right)
    for name in ("create", "create endless"):
        course.expect(name, lambda found: isinstance(found, Task), strict=case.is_right)
    course.expect("cancel", lambda found: True, strict=case.is_right)
    course.expect("cancelled result", is_cancelled, strict=case.is_right)
    course.expect("list_tasks", lambda found: isinstance(found, list), strict=case.is_right)
    course.expect("plain call at the end", is_value, strict=case.is_right or case.leaves_the_rest)
    if case.is_right and isinstance(course.done.get("list_tools"), list):
        names = [tool.name for tool in course.done["list_tools"]]
        if names != ["plain", "work", "endless"]:
            course.blame("list_tools", f"wrong value: {names}")
    opened = course.done.get("open")
    if isinstance(opened, TaskError) and not isinstance(opened, (TaskConnectionError, TaskProtocolError)):
        course.blame("open", f"neither a connection error nor a protocol error: {_described(opened)}")
    if case.is_right and isinstance(opened, TaskError):
        course.blame("open", f"failed: {_described(opened)}")


async def _conversation(course: Course) -> None:
    case = course.case
    plan = Plan(case.target, case.nth, case.always, case.mutation)
    before = {task.id for task in anyio.get_running_tasks()}
    speaker = Speaker(Conversation(case.era), plan)
    async with serving(speaker) as url:
        begun = anyio.current_time()
        with anyio.move_on_after(LONGEST) as limit:
            client = Client(url, timeout=5.0, reconnect_timeout=15.0)
            if await course.step("open", client.open) is not None:
                try:
                    await _steps(course, client)
                finally:
                    await course.step("close", client.close)
        if limit.cancelled_caught:
            steps = list(course.done)
            course.blame(steps[-1] if steps else "open", f"the step after it took {anyio.current_time() - begun:.0f} s")
    if speaker.spins:
        course.blame("requests", f"too many: {speaker.requests.most_common(3)}")
    left = [task.name for task in anyio.get_running_tasks() if task.id not in before]
    if left:
        course.blame("tasks", f"left running: {left}")


def run(case: Case) -> Course:
    """Run a case, and judge the outcome."""
    course = Course(case)
    worked = time.process_time()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            run_virtually(case.backend, _conversation, course)
        except Exception as error:
            course.blame("client", f"not an error of ours: {_described(error)}")
        gc.collect()
    for warning in {f"{found.category.__name__}: {str(found.message)[:160]}" for found in warned}:
        course.blame("warning", warning)
    if time.process_time() - worked > LONGEST_WORK:
        course.blame("client", f"took {time.process_time() - worked:.1f} s of processor time")
    _judge(course)
    return course
