"""The device tells the collector of its own symbols, with the boot that the cloud knows them by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cloud.doubles import a_symbol, a_window
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sensorium import trace
from sensorium.clock import DeviceClock, boot_id
from sensorium.symbol import Revision, Stage
from sensorium_agent._app.tracing import TraceListener


def test_only_what_was_made_here_is_told_and_the_cloud_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = InMemorySpanExporter()
    monkeypatch.setattr(trace, "to_collector", lambda _: kept)
    cloud = replace(a_symbol(a_window()), latency=(Stage("fuse", 2.0),), boot_id=boot_id())
    with TraceListener("http://127.0.0.1:4317", DeviceClock()) as listener:
        listener.on_symbol(cloud)
        listener.on_symbol(replace(cloud, revision=Revision.EDGE, boot_id=""))
    whole, stage = kept.get_finished_spans()

    assert (whole.name, stage.name) == ("window.edge", "fuse")
    assert whole.context is not None
    assert whole.context.trace_id == trace.trace_id(cloud)
    assert next(trace.spans(cloud, 0)).parent_id == whole.context.span_id
