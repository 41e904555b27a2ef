"""A window's spans: of the device and of the cloud in one trace, stage after stage."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from cloud.doubles import a_symbol, a_window
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sensorium.symbol import Revision, Stage, Symbol
from sensorium.trace import Trace, spans, trace_id

MS = 1_000_000
STAGES = (Stage("accept", 1.0), Stage("queue", 2.0), Stage("fuse", 3.0), Stage("total", 6.0))


def a_cloud_symbol(index: int = 0) -> Symbol:
    return replace(a_symbol(a_window(index)), latency=STAGES)


def test_stages_lie_back_to_back_within_their_window() -> None:
    whole, *stages = spans(a_cloud_symbol(), end_ns=100 * MS)

    assert (whole.name, whole.start_ns, whole.end_ns) == ("window.cloud", 94 * MS, 100 * MS)
    assert [(s.name, s.start_ns // MS, s.end_ns // MS) for s in stages] == [
        ("accept", 94, 95),
        ("queue", 95, 97),
        ("fuse", 97, 100),
    ]
    assert {s.parent_id for s in stages} == {whole.span_id}


def test_device_and_cloud_are_one_trace_and_the_clouds_part_hangs_below() -> None:
    cloud = a_cloud_symbol()
    edge = replace(cloud, revision=Revision.EDGE)
    above, below = next(spans(edge, 0)), next(spans(cloud, 0))

    assert trace_id(edge) == trace_id(cloud)
    assert below.parent_id == above.span_id != below.span_id
    assert above.parent_id == 0


def test_other_windows_revisions_and_boots_are_other_traces() -> None:
    one = a_cloud_symbol()
    others = (a_cloud_symbol(1), replace(one, window_revision=1), replace(one, boot_id="b"))

    assert len({trace_id(symbol) for symbol in (one, *others)}) == 4


def test_spans_reach_the_exporter_with_what_was_understood() -> None:
    kept = InMemorySpanExporter()
    trace = Trace(kept, "sensorium-cloud", lambda: 100 * MS)
    trace.tell(symbol := a_cloud_symbol())
    trace.close()
    whole, *stages = kept.get_finished_spans()

    assert whole.context is not None
    assert whole.context.trace_id == trace_id(symbol)
    assert (whole.start_time, whole.end_time) == (94 * MS, 100 * MS)
    assert whole.attributes == {"sensorium.window": "kitchen.0", "sensorium.concept": "approve"}
    assert whole.resource.attributes["service.name"] == "sensorium-cloud"
    assert [stage.parent.span_id if stage.parent else 0 for stage in stages] == [whole.context.span_id] * 3


def test_nothing_of_it_is_imported_while_it_is_off() -> None:
    script = "import sys; import sensorium_cloud._app.server, sensorium_cloud._app.state\n"
    script += "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
