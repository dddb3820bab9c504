"""The vocabulary of scripts, in which a test writes down a task's steps, each some seconds after the previous step.

This module has the values only; `_jobs.py` plays them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import field, frozen

JSON: TypeAlias = dict[str, Any]
"""A JSON object as Python sees it."""


class Absent(enum.Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""Stands in place of a value and means: leave the field out of the message."""


@frozen
class Working:
    """The task is `working`, with this message."""

    message: str | None = None
    after: float = 0.0
    """Seconds after the previous step, by the event loop's clock (virtual under trio's MockClock)."""


@frozen
class Progress:
    """A progress notification for the token of the request that created the task (2025-11-25 connections only)."""

    progress: float
    total: float | None = None
    message: str | None = None
    after: float = 0.0


@frozen
class NeedInput:
    """The task is `input_required` until each of these requests has its answer; then it is `working` again."""

    requests: Mapping[str, JSON]
    """Requests (`{"method": ..., "params": ...}`) by key; see `elicit`, `elicit_url`, `sample` and `list_roots`.

    They are sent unchanged, even if malformed (on 2025-11-25 only if they have a method and params).
    """
    message: str | None = None
    after: float = 0.0
    reuse: bool = False
    """Whether to break the rule that a key is used once in a task's life, and ask under used keys again."""


@frozen
class Complete:
    """The task completes with this value; `_results.py` says what becomes of the value."""

    value: object = None
    after: float = 0.0


@frozen
class ToolFailure:
    """The tool reports an error: `isError: true`. Status `failed` in 2025-11-25, `completed` in 2026-07-28."""

    message: str
    after: float = 0.0


@frozen
class ProtocolFailure:
    """The request itself fails with a JSON-RPC error. Status `failed` in both protocols."""

    code: int
    message: str
    data: object = None
    after: float = 0.0


@frozen
class Cancelled:
    """The server cancels the task of its own accord."""

    message: str | None = None
    after: float = 0.0


@frozen
class Forgotten:
    """The server forgets the task: from now on its id is unknown."""

    after: float = 0.0


Step: TypeAlias = Working | Progress | NeedInput | Complete | ToolFailure | ProtocolFailure | Cancelled | Forgotten
Script: TypeAlias = Sequence[Step | str]
"""Steps in order; a plain string stands for `Working(string)`."""
ScriptSource: TypeAlias = Script | Callable[[Mapping[str, Any]], Script]
"""A script, or a function that makes one from the arguments of the call."""


def read_script(source: ScriptSource, arguments: Mapping[str, Any]) -> list[Step]:
    """The steps that `source` means for a call with these arguments."""
    script = source(arguments) if callable(source) else source
    return [Working(step) if isinstance(step, str) else step for step in script]


@frozen
class RawResult:
    """A result that is sent unchanged."""

    result: JSON = field(factory=dict[str, Any])


def elicit(
    message: str, properties: Mapping[str, Mapping[str, Any]] | None = None, required: Sequence[str] = ()
) -> JSON:
    """An input request that asks the user to fill in a form; by default with one text field, `value`."""
    fields = dict(properties) if properties is not None else {"value": {"type": "string"}}
    schema: JSON = {"type": "object", "properties": fields}
    if required:
        schema["required"] = list(required)
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema},
    }


def elicit_url(message: str, url: str, elicitation_id: str | None = None) -> JSON:
    """An input request that sends the user to a URL. 2025-11-25 requires an elicitation id, 2026-07-28 has none."""
    params: JSON = {"mode": "url", "message": message, "url": url}
    if elicitation_id is not None:
        params["elicitationId"] = elicitation_id
    return {"method": "elicitation/create", "params": params}


def list_roots() -> JSON:
    """An input request that asks for the client's roots."""
    return {"method": "roots/list", "params": {}}


def sample(prompt: str, max_tokens: int = 100) -> JSON:
    """An input request that asks the client's model to answer a prompt."""
    return {
        "method": "sampling/createMessage",
        "params": {
            "messages": [{"role": "user", "content": {"type": "text", "text": prompt}}],
            "maxTokens": max_tokens,
        },
    }
