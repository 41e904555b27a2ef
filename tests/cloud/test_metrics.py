"""Metrics as Prometheus reads them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import grpc
import httpx
import msgspec
import pytest
from cloud.doubles import Client, FakeFusion, a_symbol, a_window, an_event, settings
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from sensorium.event import Modality
from sensorium.symbol import Evidence, Stage
from sensorium_cloud._app import state
from sensorium_cloud._app.metrics import Metrics, exposition
from sensorium_cloud._app.place import AddressTaken
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Gateway, Limits, Redis, Settings
from sensorium_cloud._app.settings import Metrics as MetricsTable
from sensorium_cloud.answer import Memory
from sensorium_cloud.state.redis_link import Standing
from sensorium_cloud.state.store import Store


def values(text: bytes) -> dict[str, float]:
    """Every sample as Prometheus would name it."""
    return {
        f"{s.name}{{{','.join(f'{k}={v}' for k, v in sorted(s.labels.items()))}}}": s.value
        for family in text_string_to_metric_families(text.decode())
        for s in family.samples
    }


def test_events_are_counted_by_sense_and_remembered_ones_are_not() -> None:
    metrics = Metrics(registry := CollectorRegistry())
    seen = [Evidence(Modality.GESTURE, "nod", 0.9, at_ns, 0) for at_ns in (-5, 1, 2)]
    metrics.fused(replace(a_symbol(a_window()), timeline=tuple(seen), latency=(Stage("total", 20.0),)))
    found = values(exposition(registry))

    assert found["multimodal_events_processed_total{stream_type=gesture}"] == 2
    assert found["multimodal_processing_latency_seconds_bucket{le=0.025,processing_stage=total}"] == 1
    assert found["multimodal_processing_latency_seconds_bucket{le=0.01,processing_stage=total}"] == 0
    assert found["multimodal_sla_windows_total{met=true,objective=latency}"] == 1


async def test_a_running_service_counts_what_becomes_of_windows() -> None:
    registry = CollectorRegistry()
    async with (
        running(settings(), FakeFusion().engines(), registry=registry) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        device = Client(address, channel).device()
        await device.greet()
        for window in (a_window(0), a_window(0), a_window(1, an_event("poison"))):
            await device.send(window, first=1)
            await device.hear()
        await device.leave()
        found = values(exposition(registry))

    assert found["multimodal_windows_total{outcome=fused}"] == 1
    assert found["multimodal_windows_total{outcome=remembered}"] == 1
    assert found["multimodal_windows_total{outcome=refused}"] == 1
    assert found["multimodal_queue_size{stream_type=multimodal}"] == 0
    assert found["multimodal_memory_usage_bytes{}"] > 1 << 20


async def test_every_window_that_is_refused_before_it_is_looked_into_is_counted() -> None:
    registry = CollectorRegistry()
    limited = msgspec.structs.replace(settings(), limits=Limits(windows_per_s=1.0))
    async with (
        running(limited, FakeFusion().engines(), registry=registry) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        device = Client(address, channel).device()
        await device.greet()
        await device.send(*(a_window(n) for n in range(2)))
        await device.send(*(a_window(n) for n in range(2, 5)), first=3)
        await device.leave()
        found = values(exposition(registry))

    assert found["multimodal_windows_total{outcome=fused}"] == 2
    assert found["multimodal_windows_total{outcome=later}"] == 3


TOLD = """
import sys
from cloud.doubles import a_symbol, a_window
from prometheus_client import CollectorRegistry
from sensorium_cloud._app.metrics import Metrics, exposition
metrics = Metrics(registry := CollectorRegistry())
metrics.fused(a_symbol(a_window()))
sys.stdout.buffer.write(exposition(registry))
"""


def test_the_metrics_of_several_workers_are_read_together(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    path = os.pathsep.join(str(p) for p in (tests, tests / "shared"))
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": path}
    told = [
        subprocess.run([sys.executable, "-c", TOLD], env=environment, capture_output=True, check=True) for _ in "ab"
    ]

    assert values(told[1].stdout)["multimodal_symbols_total{answer=named}"] == 2


def test_what_alerts_look_at_is_there_before_the_first_of_it_comes() -> None:
    Metrics(registry := CollectorRegistry())
    samples = {sample.name: set() for family in registry.collect() for sample in family.samples}
    for family in registry.collect():
        for sample in family.samples:
            samples[sample.name].add(tuple(sample.labels.values()))

    assert samples["multimodal_windows_total"] == {("fused",), ("remembered",), ("later",), ("refused",)}
    objectives = ("latency", "confidence", "coverage")
    assert samples["multimodal_sla_windows_total"] == {(o, met) for o in objectives for met in ("true", "false")}


def test_what_becomes_of_questions_to_redis_counts_from_0_where_there_is_one() -> None:
    registry = CollectorRegistry()
    chosen = Settings(redis=Redis(url="redis://127.0.0.1:9/0"))
    with closing(Store()) as store:
        state.shared(chosen, Memory(store, wall_s=lambda: 0), Metrics(registry), Standing())

    outcomes = ("done", "slow", "away", "full", "read_only", "skipped")
    name = "multimodal_redis_operations_total"
    assert [registry.get_sample_value(name, {"outcome": o}) for o in outcomes] == [0.0] * 6


def test_no_label_grows_with_sessions_or_devices() -> None:
    metrics = Metrics(registry := CollectorRegistry())
    before = None
    for index in range(50):
        metrics.fused(a_symbol(a_window(index, session=f"session-{index}")))
        before = before or len(values(exposition(registry)))

    assert len(values(exposition(registry))) == before


async def test_the_metrics_have_a_port_of_their_own_where_asked(caplog: pytest.LogCaptureFixture) -> None:
    tables = {"gateway": Gateway(enabled=True, port=0), "metrics": MetricsTable(enabled=True, port=0)}
    async with (
        running(msgspec.structs.replace(settings(), **tables), FakeFusion().engines()),
        httpx.AsyncClient() as web,
    ):
        gateway, own = (
            caplog.text.rpartition(f"{name}.ready address=")[2].split()[0] for name in ("gateway", "metrics")
        )
        told = await web.get(f"{own}/metrics")
        elsewhere = [(await web.get(url)).status_code for url in (f"{gateway}/metrics", f"{own}/healthz")]
        described = (await web.get(f"{gateway}/openapi.json")).json()["paths"]

    assert "multimodal_memory_usage_bytes" in told.text
    assert elsewhere == [404, 404]
    assert "/metrics" not in described


async def test_the_metrics_need_no_gateway(caplog: pytest.LogCaptureFixture) -> None:
    alone = msgspec.structs.replace(settings(), metrics=MetricsTable(enabled=True, port=0))
    async with running(alone, FakeFusion().engines()), httpx.AsyncClient() as web:
        own = caplog.text.rpartition("metrics.ready address=")[2].split()[0]
        assert (await web.get(f"{own}/metrics")).status_code == 200


async def test_a_port_of_the_metrics_that_is_in_use_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wrong = msgspec.structs.replace(settings(), metrics=MetricsTable(enabled=True, port=port))
        with pytest.raises(AddressTaken, match=f"metrics cannot be served on 127.0.0.1:{port}: .*metrics.port"):
            async with running(wrong, FakeFusion().engines()):
                pass


def test_what_had_no_room_is_counted_by_where() -> None:
    metrics = Metrics(registry := CollectorRegistry())
    for totals in ({"history": 3, "mesh": 0}, {"history": 3, "mesh": 2}, {"history": 10, "mesh": 2}):
        metrics.sample({}, totals)

    told = [registry.get_sample_value("multimodal_dropped_total", {"where": where}) for where in ("history", "mesh")]
    assert told == [10.0, 2.0]


async def test_what_replicas_could_not_do_is_counted_too() -> None:
    registry = CollectorRegistry()
    engines = replace(FakeFusion().engines(), dropped=lambda: {"cluster": 3})

    async with running(settings(), engines, registry=registry):
        assert registry.get_sample_value("multimodal_dropped_total", {"where": "cluster"}) == 3.0
