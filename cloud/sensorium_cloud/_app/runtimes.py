"""What runs each net, found out once for all processes of a service, and kept across restarts.

Runtimes differ in the last digits of what they answer. Workers that measured each for itself could choose differently,
and one that was started again could answer otherwise than before it. So the parent has it measured, by a process that
ends with it, names what was chosen in the settings of all, and remembers it in the state's folder for as long as
nothing changes that it was measured on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import signal
from collections.abc import Mapping
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec

from sensorium.errors import SensoriumError
from sensorium_cloud._app import engines
from sensorium_cloud._app.settings import Providers, Settings
from sensorium_cloud.fuse.trials import FRAMES, FUSION, SENTENCES
from sensorium_cloud.runtime.choice import AUTO, candidates, chosen
from sensorium_cloud.runtime.net import Provider, available

log = logging.getLogger(__name__)

FILE: Final = "sensorium-providers.json"
_RUNTIMES: Final = ("onnxruntime", "onnxruntime-gpu", "openvino")
_CPUINFO: Final = Path("/proc/cpuinfo")
_PATIENCE_S: Final = 120.0
"""How long they may be tried: tens of times what that takes, and less than whoever started us would wait."""


def settled(settings: Settings, *, log_level: str = "warning") -> Settings:
    """``settings`` that name what runs each net here, as all processes of the service are to have it.

    A cluster that is joined runs them elsewhere: its replicas choose for themselves.

    Raises:
        ModelMissing, ModelDamaged: run: sensorium-cloud models fetch.
        SettingsError: the vocabulary cannot be used.
    """
    if settings.engine.kind == "ray" and settings.ray.address:
        return settings
    engines.check_files(settings)
    wanted = {net: engines.provider(settings, net) for net in engines.NETS}
    there = available()
    if AUTO not in wanted.values():
        return settings
    if not candidates(AUTO, there):
        return named(settings, {net: Provider.CPU if name == AUTO else name for net, name in wanted.items()})
    basis = _basis(settings, wanted)
    folder = Path(settings.state.folder) if settings.state.folder else None
    if folder is not None and (known := remembered(folder, basis)) is not None:
        log.warning("engine.providers_remembered %s", _in_words(known))
        return named(settings, known)
    found = _measured_apart(settings, log_level)
    if found is None:
        return settings
    if folder is not None:
        remember(folder, basis, found)
    return named(settings, found)


def named(settings: Settings, providers: Mapping[str, str]) -> Settings:
    """``settings`` with a provider for each net."""
    engine = msgspec.structs.replace(settings.engine, providers=msgspec.convert(providers, Providers))
    return msgspec.structs.replace(settings, engine=engine)


# --- across restarts ---------------------------------------------------------------------


def remembered(folder: Path, basis: str) -> dict[str, str] | None:
    """What was chosen on the same ``basis``; None if nothing was, or nobody can read it any more."""
    try:
        kept = json.loads((folder / FILE).read_bytes())
        providers = {net: str(Provider(kept["providers"][net])) for net in engines.NETS}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return providers if kept.get("basis") == basis else None


def remember(folder: Path, basis: str, providers: Mapping[str, str]) -> None:
    """Keep what was chosen; where that cannot be, it is measured again next time."""
    partial = folder / (FILE + ".partial")
    try:
        partial.write_text(json.dumps({"basis": basis, "providers": dict(providers)}, indent=2) + "\n")
        partial.replace(folder / FILE)
    except OSError as error:
        log.warning("engine.providers_forgotten file=%s reason=%s", folder / FILE, error.strerror)


def _basis(settings: Settings, wanted: Mapping[str, str]) -> str:
    """Of everything that a choice depends on: nets, runtimes, processor, and what is wanted."""
    processor = next((line for line in _cpuinfo() if line.startswith("model name")), "")
    parts = (engines.identity(settings), processor, str(settings.encoders.threads), *map(_version, _RUNTIMES))
    return blake2b(repr((parts, available(), sorted(wanted.items()))).encode(), digest_size=8).hexdigest()


def _cpuinfo() -> list[str]:
    try:
        return _CPUINFO.read_text().splitlines()
    except OSError:  # no Linux
        return []


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _in_words(providers: Mapping[str, str]) -> str:
    return " ".join(f"{net}={provider}" for net, provider in providers.items())


# --- measuring ---------------------------------------------------------------------------


def _measured_apart(settings: Settings, log_level: str) -> dict[str, str] | None:
    """What is best here, found by a process that ends with it: runtimes keep their memory; None if it failed."""
    context = get_context("spawn")
    hears, says = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(settings, says, log_level), name="trial", daemon=True)
    process.start()
    says.close()
    try:
        found: dict[str, str] = hears.recv() if hears.poll(_PATIENCE_S) else {}
    except EOFError:
        found = {}
    finally:  # also when we are told to stop meanwhile
        process.kill()
        process.join()
        hears.close()
    if not found:
        log.warning("engine.providers_untried: what tried them failed, or hung; each process chooses for itself")
    return found or None


def _measure(settings: Settings, says: Connection, log_level: str) -> None:
    """The life of the process that measures: it ends when what it found is said, also where nobody hears it.

    What cannot be loaded is told by who loads it next, with its exit code.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; who started us ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with contextlib.suppress(BrokenPipeError, SensoriumError):
        says.send(measured(settings))


def measured(settings: Settings) -> dict[str, str]:
    """What is best here for each net; raises as `work.load_engines` does."""
    reads, sentences = chosen(SENTENCES, engines.provider(settings, SENTENCES.net), engines.sentences(settings))
    looks, _ = chosen(FRAMES, engines.provider(settings, FRAMES.net), engines.frames(settings))
    network = engines.network(settings, sentences.encode)
    fuses, _ = chosen(FUSION, engines.provider(settings, FUSION.net), network)
    return {FUSION.net: str(fuses), SENTENCES.net: str(reads), FRAMES.net: str(looks)}
