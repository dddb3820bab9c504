"""The example for Prometheus and Grafana in docs/observing.md, beside what the real exporter makes of the metrics."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import anyio
import pytest
from opentelemetry.metrics import Counter, Histogram, NoOpMeter, UpDownCounter

from mcptasks._telemetry.recorder import instruments
from mcptasks.testing import elicit
from tests.helpers.people import Oracle, answered
from tests.helpers.source_tree import ROOT
from tests.helpers.support import POLLED, begin, connected, make_server
from tests.helpers.tracing import Recording
from tests.interop.environments import cached_environment

pytestmark = pytest.mark.anyio

EXPORTER = ("opentelemetry-exporter-prometheus==0.66b2",)
"""Brings an OpenTelemetry SDK and prometheus_client."""
EXPORTED = """
import json, sys
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import generate_latest

meter = MeterProvider([PrometheusMetricReader()]).get_meter("mcptasks")
for make, name, unit, attributes in json.load(sys.stdin):
    instrument = getattr(meter, make)(name, unit)
    (instrument.record if hasattr(instrument, "record") else instrument.add)(1, attributes)
print(generate_latest().decode())
"""
SAMPLE = re.compile(r"^(mcp\w+)(.*) \S+$", re.MULTILINE)


class Noting(NoOpMeter):
    """Notes which instruments are made: how, the name, and the unit."""

    def __init__(self) -> None:
        super().__init__("noting")
        self.made: list[tuple[str, str, str]] = []

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """A counter."""
        self.made.append(("create_counter", name, unit))
        return super().create_counter(name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> UpDownCounter:
        """A counter that goes both ways."""
        self.made.append(("create_up_down_counter", name, unit))
        return super().create_up_down_counter(name, unit, description)

    def create_histogram(self, name: str, unit: str = "", description: str = "", **options: Any) -> Histogram:
        """A histogram."""
        self.made.append(("create_histogram", name, unit))
        return super().create_histogram(name, unit, description, **options)


async def measured() -> dict[str, dict[str, Any]]:
    """The attributes with which a client measures a task that asks something, for each metric."""
    recording, server = Recording(), make_server("modern", **POLLED)
    async with connected(server, telemetry=recording.telemetry(), elicitation_handler=Oracle()) as client:
        task, steered = await begin(client, server)
        steered.need_input({"name": elicit("Who?")})
        async with anyio.create_task_group() as group:
            group.start_soon(task.result)
            await answered(steered)
            steered.complete()
    return {name: series[0][0] for name, series in recording.numbers.items()}


def exported(measurements: list[tuple[str, str, str, dict[str, Any]]]) -> dict[str, set[str]]:
    """The labels of each sample that Prometheus reads in a process that has taken these measurements."""
    told = json.dumps(measurements)
    python = cached_environment(EXPORTER)
    run = subprocess.run([python, "-c", EXPORTED], input=told, capture_output=True, text=True, timeout=300, check=True)
    return {found[1]: set(re.findall(r'(\w+)="', found[2])) for found in SAMPLE.finditer(run.stdout)}


async def test_the_example_asks_for_what_is_exported() -> None:
    """Each panel and the alert name metrics as the exporter does, and labels that these metrics have."""
    meter, attributes = Noting(), await measured()
    instruments(meter)
    samples = exported([(make, name, unit, attributes.get(name, {})) for make, name, unit in meter.made])
    page = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    panels = page[page.index("Panels for Grafana") : page.index("## Logs")]
    asking = [line for line in panels.splitlines() if "mcptasks_" in line]
    assert len(asking) >= 6
    for line in asking:
        words = set(re.findall(r"\b(?:mcp|gen_ai)\w+", line))
        metrics = words & samples.keys()
        assert metrics, line
        assert words - metrics <= set[str]().union(*(samples[metric] for metric in metrics)), line
