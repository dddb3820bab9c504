"""A plugin of pytest that records the spans of every test, and fails the run if a request of a client's own is a root.

    python -m pytest -p tests.helpers.orphans tests/client

`nox -s traces` does so. OpenTelemetry is configured for the whole process then. Each request that a client sends of its
own accord belongs to the trace of a task, or to none (`mcptasks/_telemetry/recorder.py`); one that starts a trace is an
orphan. The tests in tests/client/observing are left out, since they configure OpenTelemetry themselves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import opentelemetry.trace
import pytest
from attrs import define, field
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from mcptasks._core.trace import Lasting, Mark, Requesting
from mcptasks._telemetry.recorder import Recorder

OWN = ("initialize", "server/discover", "subscriptions/listen", "tasks/")
"""Requests that clients send of their own accord, or about a task. Of the others a program sends each one itself."""
ASKED = ("tasks/list",)
"""Such a request that clients send only if the program asks for it."""
LEFT_OUT = Path(__file__).parents[1] / "client" / "observing"

_by_program: ContextVar[bool] = ContextVar("by_program", default=False)


@define
class Orphans(SpanProcessor):
    """Counts the spans of clients, the roots among them, and the roots that should be none."""

    spans: int = 0
    roots: int = 0
    found: list[str] = field(factory=list[str])
    """A name, and the test, for each orphan."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        """Judge a span. Servers of a test run in the same process."""
        if span.kind is SpanKind.SERVER:
            return
        self.spans += 1
        self.roots += span.parent is None
        if is_orphan(span, by_program=_by_program.get()) and _by_client():
            self.found.append(f"{span.name} in {os.environ.get('PYTEST_CURRENT_TEST', 'no test')}")


def is_orphan(span: ReadableSpan, *, by_program: bool) -> bool:
    """Whether a span starts a trace though nobody asked for it.

    Args:
        span: The span.
        by_program: Whether the program has asked for what happens, as with `task.status()`.
    """
    kind, _, method = span.name.partition("MCP send ")
    handler = span.name.startswith(("elicitation", "sampling", "roots"))
    request = not kind and method.startswith(OWN) and not method.startswith(ASKED)
    return span.parent is None and not by_program and (handler or request)


def _by_client() -> bool:
    """Whether our client sends what is being sent.

    The scriptable server asks about the tasks that a client hosts for it, and some tests open a client of the SDK's.
    What the extension itself sends, it sends within the program's call.
    """
    names: list[str] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        names.append(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    ours = [name for name in names if name.startswith("mcptasks.") and name != "mcptasks._extension"]
    return bool(ours) and not any(name.startswith("mcptasks.testing") for name in ours)


def pytest_configure(config: pytest.Config) -> None:
    """Configure OpenTelemetry for the process."""
    orphans = Orphans()
    config.stash[_KEY] = orphans
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(orphans)
    opentelemetry.trace.set_tracer_provider(provider)
    around = Recorder.around

    def noticed(self: Recorder, moment: Lasting) -> AbstractContextManager[Mark]:
        inner = around(self, moment)
        return _asked(inner) if isinstance(moment, Requesting) and moment.by_program else inner

    Recorder.around = noticed  # type: ignore[method-assign]


@contextmanager
def _asked(inner: AbstractContextManager[Mark]) -> Generator[Mark]:
    token = _by_program.set(True)
    try:
        with inner as mark:
            yield mark
    finally:
        _by_program.reset(token)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that configure OpenTelemetry themselves."""
    left = [item for item in items if LEFT_OUT in item.path.parents]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.hookimpl(optionalhook=True)
def pytest_fork_ends(session: pytest.Session) -> tuple[int, int, list[str]]:
    """Leave what was found to the process that reports."""
    orphans = session.config.stash[_KEY]
    return orphans.spans, orphans.roots, orphans.found


@pytest.hookimpl(optionalhook=True)
def pytest_fork_ended(config: pytest.Config, left: list[tuple[int, int, list[str]]]) -> None:
    """Take what a forked process has found."""
    orphans = config.stash[_KEY]
    for spans, roots, found in left:
        orphans.spans, orphans.roots = orphans.spans + spans, orphans.roots + roots
        orphans.found.extend(found)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if there is an orphan."""
    if session.config.stash[_KEY].found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was found."""
    orphans = config.stash[_KEY]
    words = f"{orphans.spans:,} spans of clients, {orphans.roots:,} roots, {len(orphans.found):,} orphans"
    terminalreporter.section(words)
    for each in orphans.found[:50]:
        terminalreporter.write_line(each)


_KEY: pytest.StashKey[Orphans] = pytest.StashKey()
