"""What this folder keeps with a task: drafts, the handlers' failures, and whether the server sent its question.

Only this folder writes `Watch.input`; other folders read it.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from mcptasks._engine.watching.watch import Watch


def fail(watch: Watch, failure: BaseException) -> None:
    """Keep a handler's failure, and wake the waiters, which raise it."""
    watch.input = evolve(watch.input, failure=failure, failures=watch.input.failures + 1)
    watch.wake()


def keep_draft(watch: Watch, key: str, answer: dict[str, Any]) -> None:
    """Keep an answer until the server has accepted it."""
    watch.input = evolve(watch.input, drafts={**watch.input.drafts, key: answer})


def drop_draft(watch: Watch, key: str) -> None:
    """Drop the kept answer to a question, if there is one."""
    drafts = watch.input.drafts
    if key in drafts:
        watch.input = evolve(watch.input, drafts={each: drafts[each] for each in drafts if each != key})


def drop_drafts(watch: Watch) -> None:
    """Drop all kept answers."""
    if watch.input.drafts:
        watch.input = evolve(watch.input, drafts={})


def set_silent(watch: Watch, silent: bool) -> None:
    """Note whether a task waits for input and the server did not send the question in time."""
    if silent != watch.input.silent:
        watch.input = evolve(watch.input, silent=silent)
