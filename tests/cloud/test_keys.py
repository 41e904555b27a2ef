"""Certificates and keys are tried before anybody comes, and what is wrong with one is said with its file."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from sensorium.settings import SettingsError
from sensorium_cloud.__main__ import main
from sensorium_cloud._app.keys import check, context, term
from sensorium_cloud._app.settings import Gateway, Settings, Tls

KIND = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two certificates with their keys, what is left of one that expired, and damaged ones."""
    here = tmp_path_factory.mktemp("keys")
    for name in ("one", "two"):
        openssl("req", "-x509", *KIND, "-keyout", here / f"{name}.key", "-out", here / f"{name}.pem")
    openssl("req", "-new", "-key", here / "one.key", "-subj", "/CN=localhost", "-out", here / "one.csr")
    yesterday = ["-days", "-1", "-signkey", here / "one.key"]
    openssl("x509", "-req", "-in", here / "one.csr", *yesterday, "-out", here / "expired.pem")
    openssl("pkcs8", "-topk8", "-in", here / "one.key", "-passout", "pass:secret", "-out", here / "locked.key")
    openssl("genrsa", "-out", here / "rsa.key", "2048")
    weak, odd = ["-newkey", "rsa:1024"], ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"]
    for name, kind in (("weak", weak), ("odd", odd)):
        plain = ["-nodes", "-subj", "/CN=localhost", "-keyout", here / f"{name}.key"]
        openssl("req", "-x509", *kind, *plain, "-out", here / f"{name}.pem")
    (here / "bundle.pem").write_text("# Főtanúsítvány\n" + (here / "one.pem").read_text(), encoding="utf-8")
    for name in ("one.key", "one.pem"):
        (here / f"damaged-{name}").write_text((here / name).read_text().replace("M", "!"))
    (here / "cut.key").write_text((here / "one.key").read_text()[:80])
    return here


@pytest.mark.parametrize(
    ("wrong", "where", "said"),
    [
        ({"key": "damaged-one.key"}, "key", "no private key, or a damaged one"),
        ({"key": "cut.key"}, "key", "no private key, or a damaged one"),
        ({"key": "one.pem"}, "key", "no private key, or a damaged one"),
        ({"key": "two.key"}, "key", "not the key of the certificate"),
        ({"key": "rsa.key"}, "key", "not the key of the certificate"),
        ({"key": "locked.key"}, "key", "locked with a password; write it without one: openssl pkey"),
        ({"certificate": "damaged-one.pem"}, "certificate", "no certificate, or a damaged one"),
        ({"certificate": "one.key"}, "certificate", "no certificate, or a damaged one"),
        ({"client_ca": "damaged-one.pem"}, "client_ca", "no certificate, or a damaged one"),
        ({"certificate": "weak.pem", "key": "weak.key"}, "key", "its certificate is too weak; make one of RSA with"),
        ({"certificate": "odd.pem", "key": "odd.key"}, "key", "of a kind that clients do not know; make one of RSA"),
    ],
)
@pytest.mark.parametrize("table", ["tls", "gateway.tls"])
def test_what_cannot_be_used_is_named_with_its_file_and_what_is_wrong(
    wrong: dict[str, str], where: str, said: str, table: str, keys: Path
) -> None:
    files = {"certificate": "one.pem", "key": "one.key"} | wrong
    tls = Tls(**{name: str(keys / file) for name, file in files.items()})
    with pytest.raises(SettingsError) as refused:
        check(_settings(tls, table), "cloud.toml")

    assert str(refused.value).startswith(f"cloud.toml: {table}.{where}: {keys / wrong[where]}: {said}")
    assert "secret" not in str(refused.value)


def test_a_text_that_is_wrong_is_not_repeated(keys: Path) -> None:
    text = (keys / "damaged-one.key").read_text()
    with pytest.raises(SettingsError, match=r"^settings: tls\.key: no private key, or a damaged one$"):
        context(Tls(certificate=str(keys / "one.pem"), key=text), "tls")


def test_a_pair_that_fits_ends_in_a_month_and_without_one_there_is_nothing_to_try(keys: Path) -> None:
    tls = Tls(certificate=str(keys / "one.pem"), key=str(keys / "one.key"), client_ca=str(keys / "two.pem"))

    assert context(tls, "tls") is not None
    assert term(tls).refused == ""
    assert (term(tls).until_s or 0) > 1.7e9
    assert context(Tls(), "tls") is None


def test_what_stands_between_certificates_may_be_in_any_language(keys: Path) -> None:
    bundle = str(keys / "bundle.pem")

    assert context(Tls(certificate=bundle, key=str(keys / "one.key"), client_ca=bundle), "tls") is not None


@pytest.mark.parametrize("table", ["tls", "gateway.tls"])
def test_a_certificate_that_nobody_will_take_is_said_once_and_the_service_starts(
    table: str, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = Tls(certificate=str(keys / "expired.pem"), key=str(keys / "one.key"))
    with caplog.at_level(logging.WARNING):
        check(_settings(tls, table))

    said = "certificate has expired; clients will not connect: renew it, and start again"
    assert caplog.messages == [f"tls.unfit setting={table}.certificate reason={said}"]


def test_a_file_is_validated_with_its_keys(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "cloud.toml").write_text(
        f'[tls]\ncertificate = "{keys / "one.pem"}"\nkey = "{keys / "cut.key"}"\n'
    )
    code = main(["validate", str(file)])

    assert (code, capsys.readouterr().err) == (
        2,
        f"sensorium-cloud: {file}: tls.key: {keys / 'cut.key'}: no private key, or a damaged one\n",
    )


def _settings(tls: Tls, table: str) -> Settings:
    return Settings(tls=tls) if table == "tls" else replace(Settings(), gateway=Gateway(tls=tls))
