"""The gateway over TLS: with the service's certificate or one of its own, and for whom it lets in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import msgspec
import pytest
from cloud.doubles import FakeFusion, settings

from sensorium.settings import SettingsError
from sensorium_cloud._app import handshakes
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Gateway, Settings, Tls, load, pem


def made(folder: Path, name: str) -> Tls:
    """A certificate that is its own authority."""
    key, certificate = folder / f"{name}-key.pem", folder / f"{name}.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    return Tls(certificate=str(certificate), key=str(key))


def expired(pair: Tls) -> Tls:
    """The same, until yesterday."""
    old = f"{pair.certificate}-old"
    again = ["-in", pair.certificate, "-signkey", pair.key, "-days", "-1", "-out", old]
    subprocess.run(["openssl", "x509", *again], check=True, capture_output=True)
    return msgspec.structs.replace(pair, certificate=old)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tls, Tls]:
    folder = tmp_path_factory.mktemp("keys")
    return made(folder, "one"), made(folder, "two")


def chosen(own: Tls, service: Tls | None = None) -> Settings:
    gateway = Gateway(enabled=True, port=0, tls=own)
    return msgspec.structs.replace(settings(), gateway=gateway, tls=service or Tls())


def trusting(authority: Tls, identity: Tls | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context


async def health(caplog: pytest.LogCaptureFixture, told: Settings, context: ssl.SSLContext) -> int | str:
    """The status of /healthz, or why there is none."""
    async with running(told, FakeFusion().engines()):
        url = caplog.text.rpartition("gateway.ready address=")[2].split()[0]
        assert url.startswith("https://")
        async with httpx.AsyncClient(verify=context) as client:
            try:
                return (await client.get(f"{url}/healthz")).status_code
            except httpx.TransportError as error:
                return str(error)


async def test_the_gateway_has_the_services_certificate(
    caplog: pytest.LogCaptureFixture, keys: tuple[Tls, Tls]
) -> None:
    assert await health(caplog, chosen(Tls(), keys[0]), trusting(keys[0])) == 200


async def test_its_own_certificate_goes_first_also_as_text(
    caplog: pytest.LogCaptureFixture, keys: tuple[Tls, Tls]
) -> None:
    one, two = keys
    text = Tls(*(pem(value, "").decode() for value in (two.certificate, two.key)))

    assert await health(caplog, chosen(text, one), trusting(two)) == 200
    assert "CERTIFICATE_VERIFY_FAILED" in str(await health(caplog, chosen(text, one), trusting(one)))


async def test_an_authority_for_clients_keeps_strangers_out(
    caplog: pytest.LogCaptureFixture, keys: tuple[Tls, Tls]
) -> None:
    one, two = keys
    mutual = msgspec.structs.replace(one, client_ca=two.certificate)

    assert await health(caplog, chosen(mutual), trusting(one, two)) == 200
    assert await health(caplog, chosen(mutual), trusting(one)) != 200


def come(url: str, context: ssl.SSLContext | None) -> None:
    """Ask over a socket of the standard library: it says goodbye where it is not content."""
    host, _, port = url.partition("://")[2].rpartition(":")
    with socket.create_connection((host, int(port))) as plain, contextlib.suppress(OSError):
        if context is None:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(1)
        else:
            with context.wrap_socket(plain, server_hostname=host) as secure:
                secure.recv(1)


async def refused(caplog: pytest.LogCaptureFixture, told: Settings, context: ssl.SSLContext | None) -> str:
    """What the service says of a client that comes twice so."""
    handshakes._tell._told.clear()
    caplog.clear()
    async with running(told, FakeFusion().engines()):
        url = caplog.text.rpartition("gateway.ready address=")[2].split()[0]
        for _ in range(2):
            await asyncio.to_thread(come, url, context)
    (line,) = (found for record in caplog.records if (found := record.getMessage()).startswith("tls.refused"))
    return line


async def test_who_is_not_let_in_is_one_line_that_says_why(
    caplog: pytest.LogCaptureFixture, keys: tuple[Tls, Tls], tmp_path: Path
) -> None:
    one, two = keys
    mutual = chosen(msgspec.structs.replace(one, client_ca=two.certificate))

    old = expired(made(tmp_path, "old"))
    trusts_old = chosen(msgspec.structs.replace(one, client_ca=old.certificate))

    assert "showed no certificate; give it one" in await refused(caplog, mutual, trusting(one))
    assert "is not of gateway.tls.client_ca" in await refused(caplog, mutual, trusting(one, one))
    assert "certificate has expired" in await refused(caplog, trusts_old, trusting(one, old))
    assert "does not know who signed its certificate" in await refused(caplog, chosen(one), trusting(two))
    assert "does not speak TLS" in await refused(caplog, chosen(one), None)


async def test_a_key_that_does_not_fit_is_one_line(keys: tuple[Tls, Tls]) -> None:
    one, two = keys
    wrong = msgspec.structs.replace(one, key=two.key)
    with pytest.raises(SettingsError, match=r"gateway\.tls\.key: .*two-key\.pem: not the key of the certificate$"):
        async with running(chosen(wrong), FakeFusion().engines()):
            pass


def test_half_a_pair_is_refused_when_settings_are_read(tmp_path: Path) -> None:
    (file := tmp_path / "cloud.toml").write_text('[gateway.tls]\ncertificate = "c.pem"\n')
    with pytest.raises(SettingsError, match=r"gateway\.tls\.certificate: needs gateway\.tls\.key too"):
        load(file, {})
