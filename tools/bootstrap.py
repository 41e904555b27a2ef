"""Sets up a checkout: its own ``.venv``, the packages, the models, the samples. ``make`` runs it first.

    python3 tools/bootstrap.py agent,cloud,models [dev]

Needs nothing but a Python; any from 3.8 on will do to find the one we run with. What is done is stamped,
so the next run only compares the stamp. What goes wrong is one line with the way out, exit code 1.
"""

# ruff: noqa: INP001 - a script beside the packages, not one of them

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "models"))

from sensorium_models.pip_trouble import explain  # noqa: E402 - found by the line above

OLDEST, NEWEST = (3, 11), (3, 13)
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "set-up.json"
STORES = (ROOT / ".cache" / "models", ROOT / ".cache" / "media")
# Whatever changes here makes the set-up stale.
INPUTS = (ROOT / "pyproject.toml", ROOT / "models" / "manifest.toml", Path(__file__))


class Trouble(Exception):
    """The one line the user gets."""


def main() -> int:
    """Set up what the arguments ask for; give the exit code."""
    extras = {extra for argument in sys.argv[1:] for extra in argument.split(",")}
    if is_done(extras):
        return 0
    begin = time.monotonic()
    try:
        set_up(extras)
    except Trouble as trouble:
        sys.stderr.write(f"set-up: {trouble}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("set-up: interrupted; run it again to go on\n")
        return 130
    say(f"set-up done in {time.monotonic() - begin:.0f} s")
    return 0


def set_up(extras: set[str]) -> None:
    """Every step in order; each is quick where it was done before."""
    extras = extras | stamped_extras()
    make_venv(find_python())
    install(extras)
    say("[3/4] models")
    bring("fetch")
    say("[4/4] sample media")
    bring("fetch-media")
    STAMP.write_text(json.dumps({"key": key(), "extras": sorted(extras)}))


def key() -> str:
    """What a finished set-up depends on: our inputs, the Python that asked, the place of the checkout."""
    parts = [path.read_bytes() for path in INPUTS]
    parts += [sys.version.encode(), sys.prefix.encode(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_done(extras: set[str]) -> bool:
    """Whether a stamp says that all of this was set up and nothing changed since."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    fresh = stamp["key"] == key() and extras <= set(stamp["extras"])
    return fresh and all(path.exists() for path in (PYTHON, *STORES))


def stamped_extras() -> set[str]:
    """What was installed before, so that it stays."""
    try:
        return set(json.loads(STAMP.read_text())["extras"])
    except (OSError, ValueError):
        return set()


def find_python() -> str:
    """The first Python of a supported version that can make a virtual environment.

    Raises:
        Trouble: there is none.
    """
    names = [sys.executable] + [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    without_venv = ""
    for python in filter(None, map(shutil.which, names)):
        version, can_make_venv = probe(python)
        if OLDEST <= version <= NEWEST:
            if can_make_venv:
                return python
            without_venv = without_venv or f"python{version[0]}.{version[1]}"
    if without_venv:
        raise Trouble(f"{without_venv} cannot make virtual environments: sudo apt install {without_venv}-venv")
    raise Trouble("no Python 3.11, 3.12 or 3.13 here: sudo apt install python3 python3-venv")


def probe(python: str) -> tuple[tuple[int, int], bool]:
    """A Python's version and whether it has what ``-m venv`` needs; (0, 0) if it does not run."""
    code = (
        "import sys; from importlib.util import find_spec as f; "
        "print(*sys.version_info[:2], int(bool(f('venv') and f('ensurepip'))))"
    )
    done = run([python, "-c", code])
    if done.returncode:
        return (0, 0), False
    major, minor, complete = done.stdout.split()[-3:]
    return (int(major), int(minor)), complete == "1"


def make_venv(python: str) -> None:
    """Make ``.venv``, unless there is one of the same Python."""
    version, _ = probe(python)
    if probe(str(PYTHON))[0] == version and run([str(PYTHON), "-m", "pip", "--version"]).returncode == 0:
        say(f"[1/4] .venv with Python {version[0]}.{version[1]} is here")
        return
    say(f"[1/4] making .venv with Python {version[0]}.{version[1]}")
    done = run([python, "-m", "venv", "--clear", str(VENV)])
    if done.returncode:
        raise Trouble(f"{python} -m venv: {explain(done.stdout)}")


def install(extras: set[str]) -> None:
    """Install this checkout and its packages, naming each that is downloaded.

    Raises:
        Trouble: pip failed.
    """
    wanted = ",".join(sorted(extras))
    say(f"[2/4] Python packages for {wanted}")
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    command = [*pip, "install", "--progress-bar", "off", "--editable", f"{ROOT}[{wanted}]"]
    said = []
    with start(command) as installing:
        assert installing.stdout is not None
        for line in installing.stdout:
            said.append(line)
            archive = re.match(r"\s*Downloading (?:\S*/)?([\w.]+)-(\d[\w.!+]*?)(?:-\S*|\.tar\.gz) (\(.*\))", line)
            if archive:
                say("  " + " ".join(archive.groups()))
    if installing.returncode:
        raise Trouble(f"pip: {explain(''.join(said))}")


def bring(verb: str) -> None:
    """Run ``python -m sensorium_models VERB``, which reports for itself.

    Raises:
        Trouble: something could not be brought.
    """
    if subprocess.call([str(PYTHON), "-m", "sensorium_models", verb]):  # noqa: S603 - our own command
        raise Trouble("the lines above say what is lacking; run it again once that is mended")


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command quietly to its end, standard error in its output; 127 if there is no such command."""
    try:
        with start(command) as process:
            output, _ = process.communicate()
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, str(error))
    return subprocess.CompletedProcess(command, process.returncode, output)


def start(command: list[str]) -> subprocess.Popen[str]:
    """Start a command of ours in a plain locale, standard error in its output."""
    return subprocess.Popen(  # noqa: S603 - none of it comes from outside
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PIP_RETRIES": "2", **os.environ, "LC_ALL": "C.UTF-8"},
    )


def say(line: str) -> None:
    """One line of progress."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
