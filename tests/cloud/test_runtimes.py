"""What runs each net is found out once for a service, and does not change with a restart."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import active_children
from pathlib import Path

import msgspec
import pytest
from cloud import hanging

from sensorium_cloud._app import engines, runtimes
from sensorium_cloud._app.engines import exact_identity, provider
from sensorium_cloud._app.runtimes import FILE, named, remember, remembered, settled
from sensorium_cloud._app.settings import Encoders, Engine, Providers, Ray, Settings, State
from sensorium_cloud.runtime.net import Provider

Measurements = list[dict[str, str]]
FOUND = {"fusion": "cpu", "sentences": "openvino-bf16", "frames": "openvino-bf16"}


@pytest.fixture
def measurements(monkeypatch: pytest.MonkeyPatch) -> Measurements:
    """What will be measured, one after the other, on a machine that has something to choose."""
    there = [Provider.CPU, Provider.OPENVINO, Provider.OPENVINO_BF16]
    monkeypatch.setattr(runtimes, "available", lambda: there)
    monkeypatch.setattr(engines, "available", lambda: there)
    monkeypatch.setattr(engines, "check_files", lambda _: None)
    left: Measurements = []
    monkeypatch.setattr(runtimes, "_measured_apart", lambda *_: left.pop(0))
    return left


def chosen(settings: Settings) -> dict[str, str]:
    return {net: provider(settings, net) for net in engines.NETS}


def test_all_processes_are_told_what_was_found_once(measurements: Measurements) -> None:
    measurements.append(FOUND)

    assert chosen(settled(Settings())) == FOUND


def test_a_restart_changes_nothing_whatever_would_be_measured_then(measurements: Measurements, tmp_path: Path) -> None:
    measurements += [FOUND, dict.fromkeys(FOUND, "openvino-bf16")]
    settings = Settings(state=State(folder=str(tmp_path)))

    first, again = settled(settings), settled(settings)
    elsewhere = settled(msgspec.structs.replace(settings, encoders=Encoders(threads=2)))

    assert chosen(first) == chosen(again) == FOUND
    assert set(chosen(elsewhere).values()) == {"openvino-bf16"}
    assert measurements == []


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (Engine(provider="openvino"), dict.fromkeys(FOUND, "openvino")),
        (
            Engine(provider="cpu", providers=Providers(frames="openvino")),
            {**dict.fromkeys(FOUND, "cpu"), "frames": "openvino"},
        ),
    ],
)
def test_where_all_is_named_nothing_is_measured(
    engine: Engine, expected: dict[str, str], measurements: Measurements
) -> None:
    assert chosen(settled(Settings(engine=engine))) == expected


def test_where_there_is_one_runtime_only_nothing_is_measured(
    measurements: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "available", lambda: [Provider.CPU])

    assert set(chosen(settled(Settings())).values()) == {"cpu"}


def test_replicas_of_a_cluster_that_is_joined_choose_for_themselves() -> None:
    settings = Settings(engine=Engine(kind="ray"), ray=Ray(address="head:6379"))

    assert settled(settings) is settings


def test_what_tries_them_may_be_killed(monkeypatch: pytest.MonkeyPatch, measurements: Measurements) -> None:
    monkeypatch.setattr(runtimes, "_measured_apart", lambda *_: None)

    assert set(chosen(settled(Settings())).values()) == {"auto"}


@pytest.mark.parametrize("trial", [hanging.hangs, hanging.dies])
def test_what_tries_them_may_hang_or_die(
    trial: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtimes, "_measure", trial)
    monkeypatch.setattr(runtimes, "_PATIENCE_S", 0.5 if trial is hanging.hangs else 60.0)

    assert runtimes._measured_apart(Settings(), "warning") is None
    assert caplog.messages[0].startswith("engine.providers_untried: ")
    assert active_children() == []


def test_who_is_told_to_stop_does_not_wait_for_what_tries_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise SystemExit(0)

    monkeypatch.setattr(runtimes, "_measure", hanging.hangs)
    before = signal.signal(signal.SIGTERM, stop)
    alarm = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    try:
        alarm.start()
        with pytest.raises(SystemExit):
            runtimes._measured_apart(Settings(), "warning")
    finally:
        alarm.join()
        signal.signal(signal.SIGTERM, before)

    assert active_children() == []


@pytest.mark.parametrize("kept", ["", "{}", "[]", '{"basis": "b", "providers": {"fusion": "abacus"}}'])
def test_what_cannot_be_read_any_more_was_never_chosen(kept: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(kept)

    assert remembered(tmp_path, "b") is None


def test_what_was_chosen_is_remembered_on_the_same_basis_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    remember(tmp_path, "b", FOUND)
    remember(tmp_path / "nowhere", "b", FOUND)

    assert (remembered(tmp_path, "b"), remembered(tmp_path, "c")) == (FOUND, None)
    assert [message.partition(" file=")[0] for message in caplog.messages] == ["engine.providers_forgotten"]


@pytest.mark.needs_models
def test_replicas_share_fused_answers_only_where_the_same_runs_the_nets() -> None:
    plain, other = (named(Settings(), {**FOUND, "frames": name}) for name in ("cpu", "openvino"))
    unavailable = named(Settings(), {**FOUND, "frames": "cuda"})

    assert len({exact_identity(plain), exact_identity(other)}) == 2
    assert exact_identity(unavailable) == exact_identity(plain)
    assert engines.identity(plain) == engines.identity(other)
