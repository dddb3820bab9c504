"""The program's options for spans and metrics."""

from __future__ import annotations

from typing import Any, Literal, get_args

from attrs import frozen

TaskSpan = Literal["child", "link", "off"]


@frozen(kw_only=True)
class Telemetry:
    """How a client makes OpenTelemetry spans and metrics (`Client(telemetry=...)`).

    The client uses the OpenTelemetry API, which does nothing until the program configures an OpenTelemetry SDK.

    Raises:
        TypeError: A provider cannot make tracers or meters, or `polls` is not a boolean.
        ValueError: `task_span` is none of the three words.
    """

    __module__ = "mcptasks"

    tracer_provider: Any = None
    """Makes the spans; None for the global provider. The spans of the MCP SDK always come from the global provider."""
    meter_provider: Any = None
    """Makes the metrics; None for the global provider."""
    task_span: TaskSpan = "child"
    """Where the span of a whole task goes, which is written at the task's end: "child" puts the span below the call
    that created the task. "link" starts a trace for the span, linked to the call: a tail sampler decides on a trace
    within minutes, and would miss the end of a task that takes hours. "off" writes no such span."""
    polls: bool = False
    """Whether to record a span for each request that the client sends of its own accord: polls, subscriptions, new
    connections."""

    def __attrs_post_init__(self) -> None:
        if self.task_span not in get_args(TaskSpan):
            raise ValueError(f"task_span must be one of child, link, off; got {self.task_span!r}")
        if not isinstance(self.polls, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"polls must be True or False, got {self.polls!r}")
        for name, method in (("tracer_provider", "get_tracer"), ("meter_provider", "get_meter")):
            provider = getattr(self, name)
            if provider is not None and not callable(getattr(provider, method, None)):
                raise TypeError(f"{name} must have a method {method}; got {type(provider).__name__}")
