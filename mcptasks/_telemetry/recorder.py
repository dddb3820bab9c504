"""Makes OpenTelemetry spans and measurements from what one client reports. No other module imports OpenTelemetry.

Only the API is used. Nothing is recorded until the program has configured an SDK, which it may do after the client was
opened. An exception of the program's processor, exporter or sampler is logged once and not passed on. No attribute
holds arguments, results, messages or answers.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

from attrs import define, field, frozen
from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from mcptasks._core.trace import (
    Calling,
    CallingBack,
    Handling,
    Lasting,
    Mark,
    Requesting,
    SpanPlace,
    TaskEnd,
    TracedTask,
    Waiting,
    error_type,
)
from mcptasks._telemetry import names
from mcptasks._telemetry.labels import Labels, Measured
from mcptasks._telemetry.options import Telemetry
from mcptasks._version import __version__

logger = logging.getLogger("mcptasks")

_NANO = 1_000_000_000
_WAITS = {"result": "task.result", "wait": "task.wait"}
_ASKED = (Calling, Waiting)
"""Moments at which the program calls the client. At each, the client checks whether an SDK is configured."""
_SECONDS = 1.0
"""Seconds between two checks, at other moments, whether the program has configured an SDK."""
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


@frozen
class _Place(SpanPlace):
    """The place of a span that was made here."""

    context: SpanContext = field(eq=False, repr=False, kw_only=True)
    """The same, as OpenTelemetry has it: it need not be made again for each span that belongs there."""


class Recorder:
    """The spans and metrics of one client.

    Args:
        options: The program's options.
        server: The server, as spans and metrics name it.
        protocol: The negotiated protocol version; None before there is one.
    """

    def __init__(self, options: Telemetry, server: names.Server, protocol: Callable[[], str | None]) -> None:
        self._options = options
        self._server = server.attributes
        self._protocol = protocol
        self._complained = False
        self._maker: trace.Tracer | None = None
        """Makes the spans; None as long as the program has configured no SDK. A process configures one only once."""
        self._look_again = 0.0
        self._labels = Labels(self._server)
        # The parent of requests that belong to no trace.
        self._nowhere = _unrecorded(random.getrandbits(127) + 1, random.getrandbits(63) + 1)
        self._metrics = _Metrics(options.meter_provider, self.complain)

    # --- spans ----------------------------------------------------------------------------------------------------

    def around(self, moment: Lasting) -> AbstractContextManager[Mark]:
        """A block in which the moment's span is current, or the span to which the moment belongs."""
        tracer = self._maker or self._tracer(asked=isinstance(moment, _ASKED))
        if tracer is None and (self._metrics.idle or not isinstance(moment, Calling)):
            return nullcontext(Mark())
        try:
            match moment:
                case Calling():
                    return self._calling(tracer, moment)
                case Waiting(task, what):
                    return _Block(self, *self._in_task(tracer, _WAITS[what], task), task=task)
                case Handling(task, method):
                    return _Block(self, *self._in_task(tracer, method.partition("/")[0], task))
                case Requesting(task, by_program):
                    return _Block(self, None, self._requesting(task, by_program=by_program))
                case CallingBack():
                    return _Block(self, None, trace.set_span_in_context(trace.INVALID_SPAN))
        except Exception as exc:  # noqa: BLE001 - a program's sampler or processor may raise anything
            self.complain(exc)
            return nullcontext(Mark())

    def within(self, task: TracedTask) -> AbstractContextManager[object]:
        """A block in which the task's span is current, so that log records of the task belong to the span."""
        if task.place is None or self._tracer() is None:
            return nullcontext()
        return _Block(self, None, _at(task.place))

    @property
    def traces(self) -> bool:
        """Whether the program has configured an SDK that makes spans."""
        return self._tracer() is not None

    def task_over(self, task: TracedTask, end: TaskEnd) -> None:
        """Write the span of a whole task."""
        tracer = self._tracer()
        if tracer is None or self._options.task_span == "off":
            return
        labels, looks, waits = self._labels.of_task(task), task.looks, task.waits
        attributes: dict[str, Any] = {
            **labels.subject,
            **self._server,
            names.TASK_ID: task.task_id,
            names.POLLS: looks.polls,
            names.PUSHES: looks.pushes,
            names.ROUNDS: waits.rounds,
            names.INPUT_WAIT: waits.waited / _NANO,
        }
        if end.status is not None:
            attributes[names.STATUS] = end.status.status
        if end.error is not None:
            attributes[names.ERROR] = end.error
        if end.takeovers is not None:
            attributes[names.TAKEOVERS] = end.takeovers
        place, below = task.place, self._options.task_span == "child"
        try:
            span = tracer.start_span(
                labels.span("task"),
                context=_at(place) if below and place is not None else Context(),
                attributes=attributes,
                links=() if below or place is None else (Link(_context(place)),),
                start_time=task.begun_at,
            )
            if end.error is not None:
                span.set_status(StatusCode.ERROR)
            span.end(max(end.at, task.begun_at))
        except Exception as exc:  # noqa: BLE001 - a program's sampler or processor may raise anything
            self.complain(exc)

    def complain(self, exc: Exception) -> None:
        """Log, once, that the program's part of OpenTelemetry raised."""
        if not self._complained:
            self._complained = True
            logger.warning("OpenTelemetry raised %s; some spans or metrics are missing", type(exc).__name__)
            logger.debug("OpenTelemetry raised", exc_info=exc)

    def _tracer(self, *, asked: bool = False) -> trace.Tracer | None:
        """The tracer, which makes spans; None if the program has configured no SDK.

        Args:
            asked: Whether the program calls the client at this moment. Otherwise the client checks for an SDK only once
                in `_SECONDS`, since the check costs as much as the rest of a moment.
        """
        if self._maker is not None or (not asked and time.monotonic() < self._look_again):
            return self._maker
        provider = self._options.tracer_provider or trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
            self._look_again = time.monotonic() + _SECONDS
        else:
            self._maker = provider.get_tracer(names.SCOPE, __version__)
        return self._maker

    def _calling(self, tracer: trace.Tracer | None, call: Calling) -> AbstractContextManager[Mark]:
        labels = self._labels.of_call(call.kind, call.name, self._protocol())
        measured = None if self._metrics.idle else labels.measured
        if tracer is None:
            return _Block(self, None, None, measured=measured)
        span = tracer.start_span(labels.span, None, SpanKind.CLIENT, labels.attributes)
        return _Block(self, span, trace.set_span_in_context(span), measured=measured)

    def _in_task(self, tracer: trace.Tracer | None, what: str, task: TracedTask) -> tuple[Span, Context]:
        """A span for somebody who waits: in the waiter's trace, with a link to the task's span; in the task's trace if
        the waiter has none."""
        assert tracer is not None
        here, place, labels = trace.get_current_span().get_span_context(), task.place, self._labels.of_task(task)
        parent = _at(place) if place is not None and not here.is_valid else None
        elsewhere = place is not None and here.is_valid and place.span_id != here.span_id
        links = (Link(_context(place)),) if place is not None and elsewhere else ()
        attributes = {names.TASK_ID: task.task_id, **labels.subject}
        span = tracer.start_span(labels.span(what), parent, attributes=attributes, links=links)
        return span, trace.set_span_in_context(span)

    def _requesting(self, task: TracedTask | None, *, by_program: bool) -> Context | None:
        """The parent for the span that the SDK makes for a request; None for the present one."""
        place = None if task is None else task.place
        if by_program:
            here = trace.get_current_span().get_span_context()
            if here.is_valid or task is not None:
                return None if place is None or here.is_valid else _at(place)
        # A request of the client's own takes along no baggage: the present one is that of the part of the program that
        # has opened the client.
        if self._options.polls:
            present = trace.get_current_span() if place is None else NonRecordingSpan(_context(place))
            return trace.set_span_in_context(present, Context())
        if place is not None:
            return _unrecorded(place.trace_id, place.span_id)
        here = trace.get_current_span().get_span_context()
        return _unrecorded(here.trace_id, here.span_id) if here.is_valid else self._nowhere

    # --- metrics --------------------------------------------------------------------------------------------------

    def measure(self, name: str, value: float, task: TracedTask | None = None, more: Measured = ()) -> None:
        """Add to a counter, or record a duration in seconds.

        Args:
            name: The metric.
            value: The value to add or record.
            task: The task that is measured; the measurement names its tool or prompt.
            more: Further attributes.
        """
        if self._metrics.take or not self._metrics.idle:
            self.take(name, value, self._labels.of_measurement(task, more))

    def take(self, name: str, value: float, attributes: dict[str, Any] | None) -> None:
        """Give a measurement to its instrument."""
        try:
            self._metrics.take[name](value, attributes)
        except Exception as exc:  # noqa: BLE001 - a program's meter provider may raise anything
            self.complain(exc)


class _Metrics:
    """The instruments, which are made when the program has configured an SDK.

    Args:
        given: The program's meter provider; None for the global one.
        complain: Called with each exception of the provider.
    """

    def __init__(self, given: Any, complain: Callable[[Exception], None]) -> None:
        self._given = given
        self._complain = complain
        self._look_again = 0.0
        self.take: dict[str, Callable[[float, dict[str, Any] | None], None]] = {}
        """Takes one measurement, for each metric; empty as long as measurements would go nowhere."""

    @property
    def idle(self) -> bool:
        """Whether a measurement would go nowhere, since the program has set no provider yet."""
        if self.take:
            return False
        if (now := time.monotonic()) >= self._look_again:
            self._look_again = now + _SECONDS
            try:
                provider = self._given or metrics.get_meter_provider()
                # The API's own providers take nothing, and keep all meters for ever; an SDK's are defined elsewhere.
                if not type(provider).__module__.startswith("opentelemetry.metrics"):
                    self.take = instruments(provider.get_meter(names.SCOPE, __version__))
            except Exception as exc:  # noqa: BLE001 - a program's meter provider may raise anything
                self._complain(exc)
        return not self.take


def instruments(meter: metrics.Meter) -> dict[str, Callable[[float, dict[str, Any] | None], None]]:
    """Makes the instrument of each metric; returns the functions that take measurements."""
    duration, wait = "Duration of requests that may create a task.", "How long tasks waited for input."
    commit = "How long transactions of the store took."
    active = "Tasks that are not over, as far as the client knows."
    uncertain = "Failed calls that may have reached the server."
    looks = "Polls, pushes and fetched results."
    leases = "Tasks of a store that were taken up or lost."
    takeovers = "Tasks of a store that were taken over from a client that died."
    return {
        names.OPERATION_DURATION: _histogram(meter, names.OPERATION_DURATION, duration, names.OPERATION_BUCKETS).record,
        names.TASK_DURATION: _histogram(meter, names.TASK_DURATION, "How long tasks took.", names.TASK_BUCKETS).record,
        names.INPUT_DURATION: _histogram(meter, names.INPUT_DURATION, wait, names.TASK_BUCKETS).record,
        names.COMMIT_DURATION: _histogram(meter, names.COMMIT_DURATION, commit, names.COMMIT_BUCKETS).record,
        names.TASK_ACTIVE: meter.create_up_down_counter(names.TASK_ACTIVE, "{task}", active).add,
        names.LOOKS: meter.create_counter(names.LOOKS, "{look}", looks).add,
        names.RECONNECTS: meter.create_counter(names.RECONNECTS, "{connection}", "Connections made again.").add,
        names.LEASE: meter.create_counter(names.LEASE, "{task}", leases).add,
        names.TASK_TAKEOVERS: meter.create_counter(names.TASK_TAKEOVERS, "{task}", takeovers).add,
        names.TASK_UNCERTAIN: meter.create_counter(names.TASK_UNCERTAIN, "{call}", uncertain).add,
    }


@define(eq=False)
class _Block(AbstractContextManager[Mark]):
    """A span and the context in which it is current, for as long as a block runs."""

    _recorder: Recorder
    _span: Span | None
    _context: Context | None
    _measured: dict[str, Any] | None = field(default=None, kw_only=True, alias="measured")
    """The attributes of the operation's metric; None for no metric."""
    _task: TracedTask | None = field(default=None, kw_only=True, alias="task")
    """The task that somebody waits for. A task without a span gets this one."""
    _mark: Mark = field(factory=Mark, init=False)
    _token: Any = field(default=None, init=False)
    _begun: float = field(default=0.0, init=False)

    def __enter__(self) -> Mark:
        task = self._task
        # A wait needs the place of its span only for a task that has no place yet.
        if self._span is not None and (task is None or task.place is None):
            self._mark.place = _place(self._span.get_span_context())
            if task is not None:
                task.place = self._mark.place
        if self._context is not None:
            self._token = contexts.attach(self._context)
        if self._measured is not None:
            self._begun = time.perf_counter()
        return self._mark

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # When Python closes a coroutine, it does so outside the coroutine's context, from which `detach` would fail.
        if self._token is not None and not isinstance(exc, GeneratorExit):
            contexts.detach(self._token)
        failed = None if exc is None and self._mark.error is None else self._failed(exc)
        if self._measured is not None:
            attributes = {**self._measured, **failed} if failed else self._measured
            self._recorder.take(names.OPERATION_DURATION, time.perf_counter() - self._begun, attributes)
        if self._span is not None:
            try:
                if failed:
                    self._span.set_attributes(failed)
                    self._span.set_status(StatusCode.ERROR)
                self._span.end()
            except Exception as problem:  # noqa: BLE001 - a program's processor may raise anything
                self._recorder.complain(problem)

    def _failed(self, exc: BaseException | None) -> dict[str, Any] | None:
        """The attributes of a failure; None if nothing went wrong."""
        error = error_type(exc) if isinstance(exc, Exception) else self._mark.error
        if error is None:
            return None
        return {names.ERROR: error, **({names.STATUS_CODE: error} if error.removeprefix("-").isdigit() else {})}


def _histogram(meter: metrics.Meter, name: str, description: str, buckets: tuple[float, ...]) -> metrics.Histogram:
    try:
        return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=buckets)
    except TypeError:  # Before opentelemetry-api 1.30, only the program can set the buckets.
        return meter.create_histogram(name, "s", description)


def _context(place: SpanPlace) -> SpanContext:
    if isinstance(place, _Place):
        return place.context
    return SpanContext(place.trace_id, place.span_id, is_remote=False, trace_flags=TraceFlags(place.flags))


def _at(place: SpanPlace) -> Context:
    """The present context with the span of a place as the current one."""
    return trace.set_span_in_context(NonRecordingSpan(_context(place)))


def _unrecorded(trace_id: int, span_id: int) -> Context:
    """A context whose span has these ids but is not sampled, so that no span below it is recorded."""
    unsampled = SpanContext(trace_id, span_id, is_remote=False, trace_flags=_UNSAMPLED)
    return trace.set_span_in_context(NonRecordingSpan(unsampled), Context())


def _place(found: SpanContext) -> SpanPlace | None:
    return _Place(found.trace_id, found.span_id, int(found.trace_flags), context=found) if found.is_valid else None
