"""Keys are tried at start, and whatever goes wrong is one line that says how to mend it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
from agent.fake_cloud import FakeCloud
from agent.test_uplink import a_device, once

from sensorium_agent.uplink.channel import CredentialsError, explain, read_credentials


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate for localhost and one for a device, and one of a stranger's."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make keys")
    here = tmp_path_factory.mktemp("keys")
    elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "stranger"):
        openssl(
            "req",
            "-x509",
            *elliptic,
            "-keyout",
            here / f"{name}.key",
            "-out",
            here / f"{name}.pem",
            "-subj",
            f"/CN={name}",
        )
    (here / "names").write_text("subjectAltName=DNS:localhost\n")
    for name in ("server", "device"):
        openssl("req", *elliptic, "-keyout", here / f"{name}.key", "-out", here / f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", here / "ca.pem", "-CAkey", here / "ca.key", "-CAcreateserial", "-extfile", here / "names")
        openssl("x509", "-req", "-in", here / f"{name}.csr", *signed, "-out", here / f"{name}.pem")
    return here


def server_credentials(keys: Path, *, mutual: bool) -> grpc.ServerCredentials:
    pair = ((keys / "server.key").read_bytes(), (keys / "server.pem").read_bytes())
    return grpc.ssl_server_credentials([pair], (keys / "ca.pem").read_bytes() if mutual else None, mutual)


@pytest.mark.parametrize("mutual", [False, True])
async def test_windows_go_through_tls(tmp_path: Path, keys: Path, mutual: bool) -> None:
    own = {"certificate": keys / "device.pem", "key": keys / "device.key"} if mutual else {}
    cloud = FakeCloud()
    await cloud.start(server_credentials(keys, mutual=mutual))
    credentials = read_credentials(ca=keys / "ca.pem", **own)
    async with a_device(tmp_path, cloud.target, credentials=credentials) as device:
        await device.offer(*range(3))
        await device.until(lambda: device.stats.spooled == 0)
        assert device.answered == once(range(3))
    await cloud.stop()


@pytest.mark.parametrize("wrong", ["authority", "no certificate"])
async def test_a_wrong_key_is_told_as_such_once(
    tmp_path: Path, keys: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    cloud = FakeCloud()
    await cloud.start(server_credentials(keys, mutual=wrong == "no certificate"))
    ca = keys / ("stranger.pem" if wrong == "authority" else "ca.pem")
    caplog.set_level(logging.DEBUG, "sensorium_agent.uplink.link")
    async with a_device(tmp_path, cloud.target, credentials=read_credentials(ca=ca)) as device:
        await device.offer(1)
        await device.until(lambda: sum("uplink.down" in r.getMessage() for r in caplog.records) >= 3)
        assert device.stats.spooled == 1
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "\n" not in "".join(told)
    assert len(told) == 1, told
    if wrong == "authority":
        assert "TLS failed" in told[0]
        assert "check cloud.tls, cloud.ca, cloud.certificate, cloud.key" in told[0]
    else:
        assert "hung up without a word" in told[0]
        assert "whether it wants cloud.certificate and cloud.key" in told[0]
    await cloud.stop()


def test_the_systems_authorities_need_no_file() -> None:
    assert isinstance(read_credentials(), grpc.ChannelCredentials)


def test_says_which_file_is_missing_or_wrong(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "rubbish").write_text("not a key")
    missing = tmp_path / "missing.pem"
    wrong = [
        ({"ca": missing}, r"^cloud\.ca: .*missing\.pem: No such file"),
        ({"ca": tmp_path / "rubbish"}, r"^cloud\.ca: .*rubbish: .*name a PEM file"),
        ({"certificate": keys / "device.pem"}, r"^cloud\.key is missing"),
        ({"key": keys / "device.key"}, r"^cloud\.certificate is missing"),
        ({"certificate": missing, "key": keys / "device.key"}, r"^cloud\.certificate: .*No such file"),
        ({"certificate": keys / "device.pem", "key": missing}, r"^cloud\.key: .*No such file"),
        (
            {"certificate": keys / "device.pem", "key": keys / "server.key"},
            r"^cloud\.key: .*not the key of .*device",
        ),
        ({"certificate": keys / "device.pem", "key": tmp_path / "rubbish"}, r"^cloud\.key: .*rubbish"),
    ]
    for files, said in wrong:
        with pytest.raises(CredentialsError, match=said) as caught:
            read_credentials(**files)
        assert "\n" not in str(caught.value)


CORE = "failed to connect to all addresses; last error: UNKNOWN: ipv4:192.0.2.1:50051: Tls handshake failed "
SAID = CORE + "(TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("CERTIFICATE_VERIFY_FAILED: certificate has expired: OK", "(certificate has expired); have the service's"),
        ("CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK", "(unable to get local issuer"),
        ("WRONG_VERSION_NUMBER", "(wrong version number); check cloud.tls"),
    ],
)
def test_the_reason_of_a_failed_handshake_is_said_and_nothing_else(why: str, told: str) -> None:
    trouble = explain("host:1", grpc.StatusCode.UNAVAILABLE, SAID + why)
    assert (trouble.kind, trouble.text.startswith(f"host:1: TLS failed {told}")) == ("tls", True)


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_every_end_of_a_stream_is_one_line(code: grpc.StatusCode) -> None:
    trouble = explain("host:1", code, "first line\nsecond line " + 300 * "x")
    assert trouble.text.startswith("host:1: ")
    assert "\n" not in trouble.text
    assert len(trouble.text) < 400


def test_a_stranger_is_not_taken_for_a_cloud() -> None:
    assert explain("host:1", grpc.StatusCode.UNIMPLEMENTED, "").kind == "stranger"


async def test_a_server_that_is_no_fusion_service_is_told_as_such(tmp_path: Path) -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("localhost:0")
    await server.start()
    async with a_device(tmp_path, f"localhost:{port}") as device, asyncio.timeout(20):
        await device.until(lambda: "is no fusion service" in device.stats.trouble)
    await server.stop(None)
