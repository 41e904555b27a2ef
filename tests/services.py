"""Real parts around the agent for tests: a broker, a sound server, a camera; each stopped by its test."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


def free_port() -> int:
    """A TCP port of the loopback nobody listens at now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def needs(program: str) -> str:
    """The program's path; says how to get it if it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"{program} is not installed; .ci/run installs what the tests need")
    return found


def until(true: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait for something another process does."""
    end = time.monotonic() + within_s
    patience = threading.Event()
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        patience.wait(0.01)


def ended(process: subprocess.Popen[bytes] | None) -> None:
    """Kill it, if it runs; nothing is left of it."""
    if process is not None:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


# --- Redis -------------------------------------------------------------------------------


@dataclass
class RedisServer:
    """A redis-server on the loopback; it can be killed, paused, and started again on the same port."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [needs("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([*command, "--save", "", "--appendonly", "no", *self.options], **quiet)
        until(lambda: listens(self.port))

    def kill(self) -> None:
        ended(self.process)
        self.process = None


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, free_port(), options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def make_keys(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that is its own authority, in ``folder``, which is given back."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    about = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([needs("openssl"), "req", "-x509", *kind, *about, *files], check=True, capture_output=True)
    return folder


# --- MQTT broker -------------------------------------------------------------------------


@dataclass
class Broker:
    """A mosquitto on the loopback; it can be killed and started again on the same port."""

    folder: Path
    port: int
    password: str = ""
    keys: Path | None = None
    """Folder of a certificate.pem with its key.pem: it speaks TLS."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {'false' if self.password else 'true'}"]
        if self.password:
            # Root reads the file only if root owns it; mosquitto drops to its own user when started as root.
            passwords = self.folder / "passwords"
            subprocess.run([needs("mosquitto_passwd"), "-b", "-c", passwords, "agent", self.password], check=True)
            lines += [f"password_file {passwords}", "user root"]
        if self.keys is not None:
            lines += [f"certfile {self.keys}/certificate.pem", f"keyfile {self.keys}/key.pem", "user root"]
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        log = (self.folder / "mosquitto.log").open("ab")
        self.process = subprocess.Popen([needs("mosquitto"), "-c", str(config)], stdout=log, stderr=log)
        log.close()
        until(lambda: listens(self.port))

    def kill(self) -> None:
        ended(self.process)
        self.process = None


@contextmanager
def broker(folder: Path, *, password: str = "", keys: Path | None = None) -> Iterator[Broker]:
    made = Broker(folder, free_port(), password, keys)
    made.start()
    try:
        yield made
    finally:
        made.kill()


# --- sound server ------------------------------------------------------------------------


@dataclass(frozen=True)
class SoundServer:
    """A PulseAudio of our own: what is played into its sink is heard by the microphone "agent_mic"."""

    environment: dict[str, str]

    def play(self, wav: Path) -> None:
        """Play to the end."""
        subprocess.run(
            [needs("paplay"), "--device=agent_out", str(wav)], env=os.environ | self.environment, check=True, timeout=30
        )


_ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
pcm.agent_mic {
  type pulse
  device "agent_mic"
  hint { show on description "what the test plays" }
}
"""


@contextmanager
def sound_server(folder: Path) -> Iterator[SoundServer]:
    """PulseAudio with a sink whose monitor is the microphone, at 16 kHz."""
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    alsa = folder / "alsa.conf"
    alsa.write_text(_ALSA)
    address = runtime / "native"
    environment = {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(runtime),
        "PULSE_RUNTIME_PATH": str(runtime),
        "PULSE_SERVER": f"unix:{address}",
        "ALSA_CONFIG_PATH": str(alsa),
    }
    modules = [
        "module-null-sink sink_name=agent_out rate=16000 channels=1",
        "module-remap-source source_name=agent_mic master=agent_out.monitor",
        f"module-native-protocol-unix auth-anonymous=1 socket={address}",
    ]
    command = [needs("pulseaudio"), "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
    command += [part for module in modules for part in ("-L", module)]
    with (folder / "pulse.log").open("wb") as log:
        server = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
    # A null sink that nobody plays into starts to give sound late: silence keeps it awake.
    silence: subprocess.Popen[bytes] | None = None
    try:
        until(address.exists)
        silence = subprocess.Popen(
            [needs("pacat"), "--device=agent_out", "--rate=16000", "--channels=1", "/dev/zero"],
            env=os.environ | environment,
            stderr=subprocess.DEVNULL,
        )
        yield SoundServer(environment)
    finally:
        ended(silence)
        ended(server)


# --- camera ------------------------------------------------------------------------------


@asynccontextmanager
async def mjpeg_camera(pictures: list[bytes], *, fps: float, then_hang: bool = False) -> AsyncIterator[str]:
    """An HTTP camera that gives ``pictures`` (JPEG) again and again, or once and then nothing; its address."""
    stop = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n")
            while not stop.is_set():
                for picture in pictures:
                    writer.write(b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture))
                    writer.write(picture + b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(1 / fps)
                if then_hang:
                    await stop.wait()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/stream.mjpg"
    finally:
        stop.set()
        server.close()
        await server.wait_closed()
