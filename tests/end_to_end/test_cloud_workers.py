"""Several processes that are one service: they share a port and what was answered, and one may die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from cloud.doubles import Client, Device
from end_to_end.test_cloud_process import COMMAND, SMALL, a_gesture, service, symbols
from services import until

from sensorium.delivery import Ack, Refusal, SequencedSymbol
from sensorium_cloud._app.place import bound
from sensorium_cloud._app.workers import restart_wait_s

pytestmark = pytest.mark.needs_models

LISTENS = "0A"
ALONE = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own, so that the kernel picks a worker anew


def children(pid: int) -> set[int]:
    """The processes below ``pid`` that still run the service."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}


@asynccontextmanager
async def connections(address: str, count: int) -> AsyncIterator[list[Client]]:
    channels = [grpc.aio.insecure_channel(address, options=ALONE) for _ in range(count)]
    try:
        yield [Client(address, channel) for channel in channels]
    finally:
        for channel in channels:
            await channel.close()


async def test_a_window_that_reaches_two_workers_at_once_gets_one_answer() -> None:
    with service("--workers", "2") as (_, address):
        async with connections(address, 8) as clients:
            devices = [client.device() for client in clients]
            await asyncio.gather(*(device.greet() for device in devices))
            await asyncio.gather(*(device.send(a_gesture(0), a_gesture(1)) for device in devices))
            answers = [await symbols(device, 2) for device in devices]

    # Latencies are part of an answer: a window that was fused again would differ in them.
    assert all(answer == answers[0] for answer in answers)


async def until_answered(address: str, windows: int) -> dict[int, bytes]:
    """One device that sends its spool, and comes back whenever the link is lost, until everything is acknowledged."""
    told: dict[int, bytes] = {}
    while True:
        async with connections(address, 1) as (client,):
            try:
                if await pour(client.device(), windows, told):
                    return told
            except grpc.aio.AioRpcError:
                continue


async def pour(device: Device, windows: int, told: dict[int, bytes]) -> bool:
    done = (await device.greet(device="pi")).resume_after
    for first in range(done, windows, 8):
        batch = [a_gesture(i) for i in range(first, min(first + 8, windows))]
        await device.send(*batch, first=first + 1)
        while done < first + len(batch):
            match await device.hear():
                case SequencedSymbol(sequence, symbol):
                    again = repr(symbol).encode()
                    assert told.setdefault(sequence, again) == again, "a window was answered twice, differently"
                case Ack(through):
                    done = through
                case Refusal() as refusal:
                    assert not refusal.final, refusal
    return True


async def test_a_killed_worker_loses_no_window_and_no_window_is_answered_differently() -> None:
    with service("--workers", "2") as (process, address):
        before = children(process.pid)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(until_answered(address, 240))
            await asyncio.sleep(0)
            for victim in before:
                os.kill(victim, signal.SIGKILL)
                await asyncio.to_thread(until, lambda: len(children(process.pid) - before) > 0, within_s=30)
        answers = asking.result()
        await asyncio.to_thread(until, lambda: len(children(process.pid)) == 2, within_s=30)

    assert sorted(answers) == list(range(1, 241))


def test_all_of_them_stop_when_told_to() -> None:
    with service("--workers", "2") as (process, _):
        workers = children(process.pid)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, "")
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_workers_do_not_outlive_a_parent_that_was_killed_and_clear_up_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with service("--workers", "2") as (process, _):
        workers = children(process.pid)
        assert len(list(tmp_path.glob("sensorium-*"))) == 1
        process.kill()

    assert len(workers) == 2
    until(lambda: not [pid for pid in workers if Path(f"/proc/{pid}").exists()], within_s=30)
    assert list(tmp_path.glob("sensorium-*")) == []


def listening(port: int) -> int:
    """How many sockets listen on a port of the loopback address."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == LISTENS for row in rows)


def test_it_is_ready_only_when_every_worker_listens_on_every_port(tmp_path: Path) -> None:
    with bound("127.0.0.1", 0) as one, bound("127.0.0.1", 0) as other:
        gateway, metrics = (free.getsockname()[1] for free in (one, other))
    vocabulary = f'[fusion]\nvocabulary = "{SMALL / "concepts.toml"}"\n[engine]\nprovider = "cpu"\n'
    (config := tmp_path / "cloud.toml").write_text(f"{vocabulary}[metrics]\nenabled = true\nport = {metrics}\n")
    with service("--config", str(config), "--workers", "2", "--gateway", str(gateway)) as (_, address):
        assert [listening(port) for port in (int(address.rpartition(":")[2]), gateway, metrics)] == [2, 2, 2]


def test_a_port_that_somebody_else_uses_is_not_shared() -> None:
    with service() as (_, address):
        port = address.rpartition(":")[2]
        command = [*COMMAND[:-1], port, "--workers", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=SMALL)

    assert done.returncode == 1
    assert done.stderr.startswith(f"sensorium-cloud: cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1


def started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=SMALL)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_of_two_services_that_start_on_one_port_at_once_one_ends_with_one_line(workers: str) -> None:
    with bound("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command = [*COMMAND[:-1], str(port), "--workers", workers]
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(started(command)) for _ in range(2)]
        for process in both:
            stack.callback(process.terminate)
        until(lambda: [process for process in both if process.poll() is not None], within_s=30)
        refused, other = sorted(both, key=lambda process: process.poll() is None)
        assert other.poll() is None
        assert other.stdout is not None
        assert other.stdout.readline() == f"ready on 127.0.0.1:{port}\n"
        out, err = refused.communicate()

    assert (refused.returncode, out) == (1, "")
    assert err.startswith(f"sensorium-cloud: cannot listen on 127.0.0.1:{port}: another sensorium-cloud has it")
    assert err.count("\n") == 1


def test_connections_that_are_closing_do_not_keep_the_port_from_workers() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as device:
            listener.accept()[0].close()  # whoever closes first keeps the connection for a minute
            assert device.recv(1) == b""

    command = [*COMMAND[:-1], str(port), "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SMALL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready on 127.0.0.1:{port}\n"
        process.kill()


def test_what_no_worker_could_use_is_found_before_any_starts(tmp_path: Path) -> None:
    (vocabulary := tmp_path / "concepts.toml").write_text("[concept.x]\n")
    (config := tmp_path / "cloud.toml").write_text(f'[fusion]\nvocabulary = "{vocabulary}"\n')
    command = [*COMMAND, "--workers", "2", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=SMALL)

    assert done.returncode == 2
    assert str(vocabulary) in done.stderr
    assert done.stderr.count("\n") == 1


def test_who_dies_young_and_often_waits_longer() -> None:
    assert [round(restart_wait_s(1.0, deaths), 1) for deaths in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert restart_wait_s(1.0, 60) == 30.0
    assert restart_wait_s(31.0, 60) == 0.0
