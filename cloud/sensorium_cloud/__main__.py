"""The `sensorium-cloud` command. Here are words and exit codes only; each command imports what it needs.

Exit codes: 0 all went well; 1 something failed, said in one line; 2 the command line or the settings
are wrong; 3 models are missing or damaged (run: sensorium-cloud models fetch); 130 interrupted before it was ready.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium.errors import SensoriumError

if TYPE_CHECKING:
    from sensorium_cloud._app.settings import Settings

_EPILOG = """exit codes:
  0  all went well
  1  something failed; one line on standard error says what, and the way out
  2  the command line or the settings are wrong
  3  models are missing or damaged: sensorium-cloud models fetch
"""
_SERVE = """Listen for devices, fuse the windows they send and answer with symbols.

Prints one line, "ready on HOST:PORT", when devices may come; stops on Ctrl-C or SIGTERM.
Everything can be set in a TOML file (see: sensorium-cloud validate --schema); options win over it.
"""


class ReadyFileError(SensoriumError):
    """It cannot be said in a file that devices may come."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    args = _parser().parse_args(arguments)
    try:
        return _run(args)
    except SensoriumError as error:
        sys.stderr.write(f"sensorium-cloud: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        if args.command == "serve":
            raise
        # Whoever read our lines has gone; what is left of them must not fail once more at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(args: argparse.Namespace) -> int:
    """Run the command; what it printed has gone out then."""
    code = _COMMANDS[args.command](args)
    sys.stdout.flush()
    return code


# --- what it understands ---------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sensorium-cloud",
        description="Fuses what devices send - words, pictures, sounds, gestures, touch, pulse - into symbols.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_serve(commands)
    check = commands.add_parser("validate", help="check a settings file, or print their JSON Schema")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the settings file to check")
    check.add_argument("--schema", action="store_true", help="print the JSON Schema of settings files instead")
    from sensorium_models import cli

    cli.add_parser(commands)
    return parser


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the service",
        description=_SERVE,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: built-in ones)")
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    serve.add_argument("--port", type=int, help="port to listen on; 0 takes a free one (default: 50051)")
    serve.add_argument(
        "--workers", type=_workers, metavar="N", help='processes; "auto" is one for each processor (default: 1)'
    )
    serve.add_argument("--engine", choices=("embedded", "ray"), help="where the work is done (default: embedded)")
    serve.add_argument(
        "--ray-address", metavar="HOST:PORT", help="a Ray cluster to join (default: one of this machine's own)"
    )
    serve.add_argument(
        "--gateway",
        type=_gateway,
        metavar="[HOST:]PORT",
        help="WebSocket and HTTP here too: docs/gateway.md; 0 takes a free port (default: off)",
    )
    serve.add_argument("--state", metavar="DIR", help="keep what was answered here, across restarts")
    serve.add_argument("--tls-cert", metavar="PEM", help="certificate chain: speak TLS; needs --tls-key")
    serve.add_argument("--tls-key", metavar="PEM", help="private key of the certificate")
    serve.add_argument("--client-ca", metavar="PEM", help="let only devices in whose certificate this one signed")
    serve.add_argument("--device-name", metavar="NAME", help="how symbols name this service (default: the host's name)")
    serve.add_argument("--ready-file", type=Path, metavar="FILE", help="have HOST:PORT here while devices may come")
    serve.add_argument(
        "--log-level", default="warning", choices=("debug", "info", "warning", "error"), help="default: warning"
    )


def _workers(said: str) -> int:
    """``auto`` is 0, as in a settings file."""
    if said == "auto":
        return 0
    if not said.isdecimal() or said == "0":
        raise argparse.ArgumentTypeError(f'{said!r} is neither a number from 1 on nor "auto"')
    return int(said)


def _gateway(said: str) -> tuple[str | None, int]:
    """Host, if there is one, and port."""
    host, colon, port = said.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise argparse.ArgumentTypeError(f"{said!r} is neither PORT nor HOST:PORT")
    return host.strip("[]") or None, int(port)


# --- what it does ----------------------------------------------------------------------


def _serve(args: argparse.Namespace) -> int:
    # Before numpy is imported: its BLAS would split every small product between threads that then spin.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(level=args.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = _settings(args)
    from sensorium_cloud._app import core_log

    # What gRPC's core has to say is said again by us, with the way out.
    os.environ.setdefault(core_log.VERBOSITY, "INFO" if settings.tls.certificate else "NONE")
    retold = core_log.retold(core_log.Seldom()) if settings.tls.certificate else nullcontext()
    with retold, _stoppable(), _said_ready_in(args.ready_file):
        return _served(args, settings)


def _served(args: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    from sensorium_cloud._app import place, runtimes, server, state, workers
    from sensorium_cloud._app.work import at_work, load_engines

    def ready(address: str) -> None:
        _announce(address, args.ready_file)

    if settings.state.folder:
        state.prepare(settings)
    # What is wrong with addresses and folders is found before models are loaded, or a cluster started.
    with place.kept(settings), at_work(runtimes.settled(settings, log_level=args.log_level)) as found:
        if workers.how_many(found.listen.workers) > 1:
            workers.serve_together(found, ready, log_level=args.log_level)
            return 0
        engines = load_engines(found)
        with asyncio.Runner(loop_factory=server.loop_factory()) as runner:
            runner.run(server.serve(found, engines, ready))
    return 0


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end in order what is only being started, too; what serves has a handler of its own."""

    def stop(*_: object) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _said_ready_in(file: Path | None) -> Iterator[None]:
    """Have ``file`` there only while devices may come: not left by who ran before, nor after us.

    Raises:
        ReadyFileError: it cannot be made; better known before models are loaded.
    """
    if file is None:
        yield
        return
    with _ready_file_errors(file):
        file.unlink(missing_ok=True)
        _partial(file).touch()
    try:
        yield
    finally:
        with suppress(OSError):
            _partial(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)


def _announce(address: str, ready_file: Path | None) -> None:
    if ready_file is not None:
        with _ready_file_errors(ready_file):
            # Renamed into place: whoever waits for the file never reads half of it.
            _partial(ready_file).write_text(address + "\n")
            _partial(ready_file).replace(ready_file)
    print(f"ready on {address}", flush=True)


def _partial(file: Path) -> Path:
    return file.with_name(file.name + ".partial")


@contextmanager
def _ready_file_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReadyFileError(f"--ready-file {file}: {error.strerror}; give a file that can be made") from error


def _settings(args: argparse.Namespace) -> Settings:
    """The file's settings, with what the command line says in their place."""
    from sensorium.settings import SettingsError
    from sensorium_cloud._app import keys, settings

    told = {
        "device_name": args.device_name,
        "listen.host": args.host,
        "listen.port": args.port,
        "listen.workers": args.workers,
        "engine.kind": args.engine,
        "ray.address": args.ray_address,
        "gateway.enabled": args.gateway and True,
        "gateway.host": args.gateway and args.gateway[0],
        "gateway.port": args.gateway and args.gateway[1],
        "state.folder": args.state,
        "tls.certificate": args.tls_cert,
        "tls.key": args.tls_key,
        "tls.client_ca": args.client_ca,
    }
    found = settings.load(args.config, os.environ, {key: value for key, value in told.items() if value is not None})
    if args.ray_address and found.engine.kind != "ray":
        raise SettingsError("--ray-address", "", "needs --engine ray")
    keys.check(found, str(args.config or "settings"))
    return found


def _validate(args: argparse.Namespace) -> int:
    from sensorium.settings import SettingsError, schema
    from sensorium_cloud._app import keys, settings

    if args.schema:
        print(json.dumps(schema(settings.Settings), indent=2))
        return 0
    if args.file is None:
        raise SettingsError("", "", "which file? sensorium-cloud validate FILE, or --schema")
    found = settings.load(args.file, os.environ)
    keys.check(found, str(args.file))
    if found.fusion.vocabulary:
        from sensorium import concepts

        concepts.load(Path(found.fusion.vocabulary))
    print(f"{args.file}: good")
    return 0


def _models(args: argparse.Namespace) -> int:
    from sensorium_models import cli

    return cli.run(args)


_COMMANDS = {"serve": _serve, "validate": _validate, "models": _models}


if __name__ == "__main__":
    sys.exit(main())
