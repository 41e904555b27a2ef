"""A package index, a Debian archive and a store of a test's own: real pip and dpkg, no network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sensorium_models import cli, fetch, manifest, media, packages, store
from sensorium_models.manifest import parse


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Shelf:
    """Writes packages, keeps what was said, and makes the store read its manifest."""

    folder: Path
    patch: pytest.MonkeyPatch
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("index", "bin"):
            (self.folder / name).mkdir()
        self.patch.setenv("SENSORIUM_MODELS", str(self.folder / "store"))
        self.patch.setenv("SENSORIUM_MEDIA", str(self.folder / "media"))
        self.patch.setenv("PIP_NO_INDEX", "1")
        self.patch.setenv("PIP_FIND_LINKS", str(self.folder / "index"))
        self.patch.setattr(packages, "_PATIENCE_S", 600.0)  # a machine that stalls has nothing more to say
        self.patch.setenv("PATH", f"{self.folder / 'bin'}:{os.environ['PATH']}")

    def use(self, toml: str) -> None:
        """Make this the manifest."""
        parsed = parse(toml)
        for module in (store, fetch, media, cli, manifest):
            self.patch.setattr(module, "manifest", lambda: parsed)

    def wheel(self, name: str, files: Mapping[str, bytes], *, sha: str = "") -> str:
        """Publish a wheel; give its table in the manifest."""
        path = self.folder / "index" / f"{name}-1.0-py3-none-any.whl"
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as pack:
            for inside, content in files.items():
                pack.writestr(inside, content)
            pack.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            pack.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            pack.writestr(f"{info}/RECORD", "")
        sha = sha or sha256(path.read_bytes())
        return f'[package.{name}]\nkind = "wheel"\nversion = "1.0"\nbytes = 1\nlicence = "MIT"\nsha256 = "{sha}"\n'

    def deb(self, name: str, files: Mapping[str, bytes]) -> str:
        """Publish a Debian package, and an apt-get that brings it; give its table in the manifest."""
        tree = self.folder / name
        about = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: a\n"
        for inside, content in {**files, "DEBIAN/control": about.encode()}.items():
            (tree / inside).parent.mkdir(parents=True, exist_ok=True)
            (tree / inside).write_bytes(content)
        deb = self.folder / f"{name}_1_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, deb], check=True, capture_output=True)
        self.command("apt-get", f"cp {deb} .")
        return f'[package.{name}]\nkind = "deb"\nbytes = 1\nlicence = "MIT"\n'

    def command(self, name: str, script: str) -> None:
        """Put a shell script first on the path."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def say(self, line: str) -> None:
        self.said.append(line)

    def heard(self, words: str) -> list[str]:
        return [line for line in self.said if words in line]


def taken(name: str, package: str, file: str, content: bytes, extra: str = "") -> str:
    """The table of a model taken out of a package."""
    return (
        f'[model.{name}]\nabout = "a model"\nlicence = "MIT"\npurposes = ["agent"]\n'
        f'package = "{package}"\nfile = "{file}"\nsha256 = "{sha256(content)}"\n{extra}\n'
    )


def cooked(name: str, source: str, recipe: str, content: bytes, extra: str = "") -> str:
    """The table of a model made from another."""
    return (
        f'[model.{name}]\nabout = "a dish"\nlicence = "MIT"\npurposes = ["agent"]\nfile = "{name}.tflite"\n'
        f'source = "{source}"\nrecipe = "{recipe}"\nsha256 = "{sha256(content)}"\n{extra}\n'
    )
