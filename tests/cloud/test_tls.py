"""With a certificate the service speaks TLS only; with an authority it lets in only whom that one signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grpc
import pytest
from cloud.doubles import Client, FakeFusion, a_window, settings
from msgspec.structs import replace

from sensorium.delivery import SequencedSymbol
from sensorium.settings import SettingsError
from sensorium_cloud._app.server import running
from sensorium_cloud._app.settings import Tls

NAME = [("grpc.ssl_target_name_override", "localhost")]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is its own authority."""
    here = tmp_path_factory.mktemp("keys")
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    files = ["-keyout", str(here / "key.pem"), "-out", str(here / "certificate.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", *kind, "-addext", "subjectAltName=DNS:localhost", *files],
        check=True,
        capture_output=True,
    )
    return here


def tls(keys: Path, *, mutual: bool) -> Tls:
    certificate = str(keys / "certificate.pem")
    return Tls(certificate=certificate, key=str(keys / "key.pem"), client_ca=certificate if mutual else "")


def credentials(keys: Path, *, own: bool) -> grpc.ChannelCredentials:
    certificate, key = ((keys / name).read_bytes() for name in ("certificate.pem", "key.pem"))
    return grpc.ssl_channel_credentials(certificate, key if own else None, certificate if own else None)


@pytest.mark.parametrize("mutual", [False, True])
async def test_windows_are_fused_over_tls(mutual: bool, keys: Path, fusion: FakeFusion) -> None:
    secured = replace(settings(), tls=tls(keys, mutual=mutual))
    async with (
        running(secured, fusion.engines()) as address,
        grpc.aio.secure_channel(address, credentials(keys, own=mutual), NAME) as channel,
    ):
        device = Client(address, channel).device()
        await device.greet()
        await device.send(a_window(0))
        assert isinstance(await device.hear(), SequencedSymbol)


@pytest.mark.parametrize("secure", [False, True])
async def test_a_stranger_stays_outside(secure: bool, keys: Path, fusion: FakeFusion) -> None:
    secured = replace(settings(), tls=tls(keys, mutual=True))
    async with running(secured, fusion.engines()) as address:
        stranger = (
            grpc.aio.secure_channel(address, credentials(keys, own=False), NAME)
            if secure
            else grpc.aio.insecure_channel(address)
        )
        async with stranger as channel:
            device = Client(address, channel).device(timeout=5)
            assert await device.call.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(("name", "code"), [("localhost", None), ("neighbour", grpc.StatusCode.PERMISSION_DENIED)])
async def test_a_device_is_called_as_its_certificate_says(
    name: str, code: grpc.StatusCode | None, keys: Path, fusion: FakeFusion
) -> None:
    secured = replace(settings(), tls=replace(tls(keys, mutual=True), own_names=True))
    async with (
        running(secured, fusion.engines()) as address,
        grpc.aio.secure_channel(address, credentials(keys, own=True), NAME) as channel,
    ):
        device = Client(address, channel).device()
        if code is None:
            await device.greet(device=name)
            return
        with pytest.raises(grpc.aio.AioRpcError, match=r"the certificate is of localhost, not of neighbour"):
            await device.greet(device=name)
        assert await device.call.code() is code


async def test_a_key_that_is_none_is_one_line(keys: Path, fusion: FakeFusion) -> None:
    wrong = Tls(certificate=str(keys / "certificate.pem"), key=str(keys / "certificate.pem"))
    with pytest.raises(SettingsError, match=r"tls\.key: .*certificate\.pem: no private key, or a damaged one$"):
        async with running(replace(settings(), tls=wrong), fusion.engines()):
            pass


@pytest.mark.parametrize("place", ["certificate", "client_ca"])
async def test_a_damaged_certificate_is_named_with_its_file(
    place: str, keys: Path, fusion: FakeFusion, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.pem"
    damaged.write_text((keys / "certificate.pem").read_text().replace("M", "!"))
    wrong = replace(tls(keys, mutual=True), **{place: str(damaged)})
    with pytest.raises(SettingsError, match=rf"tls\.{place}: .*damaged\.pem: no certificate, or a damaged one"):
        async with running(replace(settings(), tls=wrong), fusion.engines()):
            pass
