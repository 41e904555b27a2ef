"""What every model and sample is: where its bytes come from and which bytes they must be.

`manifest()` reads ``manifest.toml`` once. The file is ours and ships with the code, so a mistake in it
is a bug and shows as a `KeyError` or `TypeError`; the tests walk every entry.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

Kind = Literal["wheel", "sdist", "deb"]
Purpose = Literal["agent", "cloud"]


@dataclass(frozen=True, slots=True)
class Package:
    """An archive somebody else publishes under a name.

    Attributes:
        kind: where it is asked for: PyPI (``wheel``, ``sdist``) or Debian (``deb``).
        size_bytes: of the archive, to tell how long a download may take.
        version, sha256: of the archive; both empty for a ``deb``, where every release has its own.
        platform: whose wheel is taken, where it is not pure.
    """

    name: str
    kind: Kind
    size_bytes: int
    licence: str
    version: str = ""
    sha256: str = ""
    platform: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Tensor:
    """What goes in or comes out; a name in ``shape`` stands for a dimension that varies.

    ``heeded`` is false for what comes out and nobody looks at.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    means: str
    heeded: bool = True


@dataclass(frozen=True, slots=True)
class Model:
    """One file we run, or one that such a file is made from.

    Attributes:
        sha256: of the file.
        package, file: where it lies, if it is taken as published.
        source, recipe, file: the model it is made from, ``module:function`` that makes it, and its name then.
        fallback: the model that takes its place where the recipe's tools are missing.
        weights: its name among our own weights, if we trained it.
        purposes: who runs it; nobody runs an ingredient.
    """

    name: str
    about: str
    sha256: str
    licence: str
    package: str = ""
    file: str = ""
    source: str = ""
    recipe: str = ""
    fallback: str = ""
    weights: str = ""
    purposes: tuple[Purpose, ...] = ()
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What the file's name ends with; the runtimes go by it."""
        return PurePosixPath(self.weights or self.file).suffix


@dataclass(frozen=True, slots=True)
class Media:
    """A sample: a photo, a clip, a recording.

    Attributes:
        name: ``source/file``, and its path in the media store.
        file: the end of its path inside the package.
    """

    name: str
    package: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything by name, in the order of the file."""

    packages: Mapping[str, Package]
    models: Mapping[str, Model]
    media: Mapping[str, Media]


def home() -> Path:
    """Where the manifest and our own weights lie: beside the code once installed, one up in a checkout."""
    here = Path(__file__).parent
    return here if (here / "manifest.toml").exists() else here.parent


@functools.cache
def manifest() -> Manifest:
    """The manifest that came with this code."""
    return parse((home() / "manifest.toml").read_text())


def parse(text: str) -> Manifest:
    """A manifest from its TOML."""
    tables = tomllib.loads(text)
    return Manifest(
        packages={name: _package(name, table) for name, table in tables.get("package", {}).items()},
        models={name: _model(name, table) for name, table in tables.get("model", {}).items()},
        media={
            f"{group}/{file}": Media(f"{group}/{file}", table["package"], file, sha256)
            for group, table in tables.get("media", {}).items()
            for file, sha256 in table["files"].items()
        },
    )


def _package(name: str, table: dict[str, Any]) -> Package:
    return Package(name=name, size_bytes=table.pop("bytes"), **table)


def _model(name: str, table: dict[str, Any]) -> Model:
    for key in ("purposes", "labels"):
        table[key] = tuple(table.get(key, ()))
    for key in ("inputs", "outputs"):
        table[key] = tuple(Tensor(**{**row, "shape": tuple(row["shape"])}) for row in table.get(key, ()))
    return Model(name=name, **table)
