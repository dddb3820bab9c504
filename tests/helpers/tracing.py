"""Records the spans of one test: those of `mcptasks`, and those of the SDK underneath."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mcp.shared._otel
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import SpanContext, SpanKind

from mcptasks import Telemetry


class Recording:
    """Records the spans that have ended.

    Args:
        sampler: Decides which spans are recorded; None for the SDK's default, which follows the parent.
    """

    def __init__(self, sampler: Sampler | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def telemetry(self, **options: Any) -> Telemetry:
        """The option `telemetry=` for a client whose spans are recorded here."""
        return Telemetry(tracer_provider=self.provider, meter_provider=self.meters, **options)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The client's spans, in the order in which they ended. Spans of the test's server, in the same process, are
        left out."""
        return tuple(span for span in self.exporter.get_finished_spans() if span.kind is not SpanKind.SERVER)

    @property
    def trees(self) -> list[Any]:
        """A tree for each root, sorted by name: a name, or a name and its children."""
        return sorted((_tree(root, self.spans) for root in self.roots), key=str)

    @property
    def roots(self) -> list[ReadableSpan]:
        """The spans whose parent is not recorded."""
        known = {_id(span) for span in self.spans}
        return [span for span in self.spans if span.parent is None or span.parent.span_id not in known]

    @property
    def traces(self) -> set[int]:
        """The ids of the traces."""
        return {context_of(span).trace_id for span in self.spans}

    @property
    def numbers(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Each metric's series so far: the attributes, and a sum or the count of a histogram."""
        data = self.reader.get_metrics_data()
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = [(dict(point.attributes or {}), _number(point)) for point in metric.data.data_points]
                    found.setdefault(metric.name, []).extend(points)
        return found

    def one(self, name: str) -> ReadableSpan:
        """The only span of that name."""
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def record_sdk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record the SDK's spans, too. Without setting the global provider, which a process can set only once."""
        monkeypatch.setattr(mcp.shared._otel, "_tracer", self.provider.get_tracer("mcp-python-sdk"))


def context_of(span: ReadableSpan) -> SpanContext:
    """A span's context, by which other spans refer to it."""
    context = span.get_span_context()
    assert context is not None
    return context


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes."""
    return dict(span.attributes or {})


def _number(point: Any) -> Any:
    return point.count if isinstance(point, HistogramDataPoint) else point.value


def _id(span: ReadableSpan) -> int:
    return context_of(span).span_id


def _tree(span: ReadableSpan, spans: Iterable[ReadableSpan]) -> Any:
    children = [each for each in spans if each.parent is not None and each.parent.span_id == _id(span)]
    return (span.name, sorted((_tree(each, spans) for each in children), key=str)) if children else span.name
