"""The service as people run it: a process of its own, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from cloud.doubles import Client, Device, a_window, an_event, words
from services import until

from sensorium.delivery import Ack, Refusal, SequencedSymbol
from sensorium.event import Modality, Tensor
from sensorium.symbol import Revision, Symbol
from sensorium.window import Window

pytestmark = pytest.mark.needs_models

SMALL = Path(__file__).parent / "small_cloud"
"""The folder of a service that is ready soon; it is to be run there."""
BUILT_IN = [sys.executable, "-m", "sensorium_cloud", "serve"]
COMMAND = [*BUILT_IN, "--config", "cloud.toml", "--port", "0"]


@contextmanager
def service(*options: str, command: Sequence[str] = COMMAND) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running service and its address."""
    # The agent's command line, run within these tests, quiets gRPC's core for good.
    environment = {key: value for key, value in os.environ.items() if key != "GRPC_VERBOSITY"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, *options], **pipes, env=environment, text=True, cwd=SMALL) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("ready on "), process.communicate()
            yield process, line.split()[2]
        finally:
            process.kill()


def test_a_device_without_a_certificate_is_one_line_here(tmp_path: Path) -> None:
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    key, certificate = (str(tmp_path / name) for name in ("key.pem", "certificate.pem"))
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", "-x509", *made], check=True, capture_output=True)
    with service("--tls-key", key, "--tls-cert", certificate, "--client-ca", certificate) as (process, address):
        credentials = grpc.ssl_channel_credentials(Path(certificate).read_bytes())
        with grpc.secure_channel(address, credentials) as channel, pytest.raises(grpc.RpcError):
            channel.unary_unary("/sensorium.v1.FusionService/FuseBatch")(b"", timeout=10)
        assert process.stderr is not None
        line = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)

    assert rest == ""
    assert "tls.refused reason=a device showed no certificate; set its cloud.certificate and cloud.key" in line


@asynccontextmanager
async def channel_to(address: str) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Client(address, channel)


async def symbols(device: Device, count: int) -> dict[int, Symbol]:
    found: dict[int, Symbol] = {}
    while len(found) < count:
        answer = await device.hear()
        assert not isinstance(answer, Refusal), answer
        if isinstance(answer, SequencedSymbol):
            found[answer.sequence] = answer.symbol
    return found


def a_gesture(index: int) -> Window:
    features = Tensor.of(np.zeros(128))
    return a_window(index, an_event("thumb_up", at_ns=500_000_000 * index + 1, features=features))


async def test_a_killed_service_goes_on_where_it_was(tmp_path: Path) -> None:
    with service("--state", str(tmp_path)) as (process, address):
        async with channel_to(address) as client:
            device = client.device()
            assert (await device.greet()).resume_after == 0
            await device.send(a_gesture(0), a_gesture(1))
            before = await symbols(device, 2)
            while await device.hear() != Ack(2):
                pass
            process.send_signal(signal.SIGKILL)
            assert await device.call.code() is grpc.StatusCode.UNAVAILABLE

    with service("--state", str(tmp_path)) as (_, address):
        async with channel_to(address) as client:
            device = client.device()
            assert (await device.greet()).resume_after == 2
            await device.send(a_gesture(0), a_gesture(1), a_gesture(2))
            after = await symbols(device, 3)

    # Even the latencies are those of the first time: nothing was fused twice.
    assert {1: after[1], 2: after[2]} == before
    assert after[3].id == "kitchen.2"


async def test_a_window_becomes_a_cloud_symbol_that_says_who_made_it() -> None:
    with service("--device-name", "attic", "--port", "0", command=BUILT_IN) as (_, address):
        async with channel_to(address) as client:
            device = client.device()
            await device.greet()
            await device.send(a_window(0, words("stop it now")), a_gesture(1))
            found = await symbols(device, 2)

    spoken = found[1]
    assert (spoken.concept, spoken.revision) == ("stop", Revision.CLOUD)
    assert spoken.modalities == (Modality.TEXT,)
    assert spoken.provenance.processed_on == "attic"
    assert {model.name for model in spoken.provenance.models} >= {"fusion", "sentence_embedding"}
    assert {"encode", "fuse", "total"} <= {stage.name for stage in spoken.latency}
    assert found[2].concept == "approve"


async def test_a_feature_vector_of_the_wrong_size_is_refused_by_name() -> None:
    with service() as (_, address):
        async with channel_to(address) as client:
            device = client.device()
            await device.greet()
            await device.send(a_window(0, an_event(features=Tensor.of(np.zeros(5)))), a_gesture(1))
            heard = await device.leave()

    refusal = next(r for r in heard if isinstance(r, Refusal))
    assert (refusal.sequence, refusal.field) == (1, "windows[0].window.slots[3].events[0].features")
    assert heard[-1] == Ack(2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_when_told_to(number: int, tmp_path: Path) -> None:
    ready = tmp_path / "address"
    with service("--ready-file", str(ready)) as (process, address):
        assert ready.read_text() == f"{address}\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, "")
    assert not ready.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_stops_when_told_to_before_it_is_ready(number: int, code: int, tmp_path: Path) -> None:
    (ready := tmp_path / "address").write_text("left behind")
    command = [*BUILT_IN, "--config", "cloud.toml", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=SMALL) as process:
        until((tmp_path / "address.partial").exists, within_s=30)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (code, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_one_line_and_code_1() -> None:
    with service() as (_, address):
        port = address.rpartition(":")[2]
        taken = [*COMMAND[:-1], port]
        done = subprocess.run(taken, capture_output=True, text=True, check=False, cwd=SMALL)

    assert done.returncode == 1
    assert done.stderr.startswith(f"sensorium-cloud: cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1


def test_stays_small() -> None:
    """An idle service with its models fits on a small machine."""
    with service("--port", "0", command=BUILT_IN) as (process, _):
        status = Path(f"/proc/{process.pid}/status").read_text()
        rss_kb = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    assert rss_kb < 400_000
