"""Spans and metrics by OpenTelemetry, made from what a client reports through `_core/trace.py`.

options.py    `Telemetry`, a client's options
names.py      the names of spans, attributes and metrics; which tool names metrics show
labels.py     the attributes of spans and measurements, kept for the next ones
recorder.py   makes spans, with their attributes, and measurements; nothing else imports OpenTelemetry
"""
