"""Settings: TOML text into frozen msgspec structs, with errors a person can act on.

Pure but for `read_text`: the text and the environment are arguments. A settings file is described by a tree of
``msgspec.Struct`` types with ``frozen=True, forbid_unknown_fields=True``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

import msgspec

from sensorium.errors import SensoriumError

T = TypeVar("T")
_MISSING: Final = re.compile(r"^Object missing required field `(?P<key>.+)`$")
_PATH: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)


class SettingsError(SensoriumError):
    """Settings that cannot be used: file, key path, what is wrong and, where it helps, the closest key.

    Attributes:
        where: name of the file.
        key: path of the key, for example ``uplink.address`` or ``sources[2].kind``; empty for the file itself.
    """

    exit_code = 2

    def __init__(self, where: str, key: str, reason: str) -> None:
        super().__init__(": ".join(part for part in (where, key, reason) if part))
        self.where = where
        self.key = key


def read_text(path: Path, mend: str) -> str:
    """What a person wrote in ``path``, in UTF-8 with or without a byte order mark; ``mend`` ends the message if not.

    Raises:
        SettingsError: it cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(str(path), "", f"cannot be read: {error.strerror}; {mend}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), "", f"is not UTF-8 text; {mend}") from error


def decode(text: str, kind: type[T], *, where: str, overrides: Mapping[str, Any] | None = None) -> T:
    """The settings in ``text``, checked.

    Args:
        text: TOML.
        kind: a frozen ``msgspec.Struct`` type; its nested structs are the file's tables.
        where: name of the file, for messages.
        overrides: values by key path (``{"mqtt.password": "..."}``) that replace the file's: how secrets
            come from the environment (see `from_environment`), and options from the command line.

    Raises:
        SettingsError: not TOML, a key nobody knows (with the closest one that exists), a value that does not fit.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(where, "", f"not TOML: {error}") from error
    for key, value in (overrides or {}).items():
        _put(tree, key.split("."), value, where)
    _refuse_unknown(tree, kind, where, "")
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise explained(error, where) from error


def explained(error: msgspec.ValidationError, where: str, inside: str = "") -> SettingsError:
    """What the decoder says, as a line of ours; ``inside`` is the path of the value that was decoded."""
    match = _PATH.match(str(error))
    assert match is not None
    what = match["what"]
    missing = _MISSING.match(what)
    path = ".".join(part for part in (inside, match["path"], missing and missing["key"]) if part)
    what = "is missing, and has no default" if missing else what[:1].lower() + what[1:].replace("`", "'")
    return SettingsError(where, path, what)


def schema(kind: type[Any]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the settings ``kind``; descriptions come from the structs' docstrings."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}


def from_environment(environ: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Overrides for `decode`: ``names`` maps variables to key paths, for example ``SENSORIUM_MQTT_PASSWORD``."""
    return {key: environ[variable] for variable, key in names.items() if environ.get(variable)}


# --- the parts -------------------------------------------------------------------------


def _put(tree: dict[str, Any], path: Sequence[str], value: Any, where: str) -> None:
    *tables, last = path
    for depth, name in enumerate(tables):
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise SettingsError(where, ".".join(path[: depth + 1]), "must be a table")
    tree[last] = value


def _refuse_unknown(value: Any, kind: Any, where: str, path: str) -> None:
    """Refuse keys that no struct declares, with the closest key; msgspec would name the key, not the cure."""
    struct = _struct_for(kind, value) if isinstance(value, dict) else None
    if struct is not None:
        known = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
        tag = struct.__struct_config__.tag_field
        for key, inner in value.items():
            here = f"{path}.{key}" if path else key
            if key == tag:
                continue
            if key not in known:
                raise SettingsError(where, here, _unknown(key, sorted(known)))
            _refuse_unknown(inner, known[key], where, here)
        return
    for part, inner in _parts(value):
        _refuse_unknown(inner, _item_type(kind), where, f"{path}{part}")


def _unknown(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known here: {', '.join(known)}"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"[{number}]", inner) for number, inner in enumerate(value))
    elif isinstance(value, dict):
        yield from ((f".{key}", inner) for key, inner in value.items())


def _options(kind: Any) -> list[Any]:
    """The types ``kind`` allows, without constraints and without "or none"."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _options(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [option for inner in get_args(kind) for option in _options(inner)]
    return [] if kind is NoneType else [kind]


def _struct_for(kind: Any, value: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """The struct a table is meant to be: the only one allowed, or the one its tag names."""
    structs = [option for option in _options(kind) if isinstance(option, type) and issubclass(option, msgspec.Struct)]
    if len(structs) == 1:
        return structs[0]
    tagged = (s for s in structs if (config := s.__struct_config__).tag == value.get(str(config.tag_field)))
    return next(tagged, None)


def _item_type(kind: Any) -> Any:
    """What a list or table of ``kind`` holds; ``Any`` where that is not one type."""
    inner = [arg for option in _options(kind) for arg in get_args(option) if arg is not Ellipsis]
    return inner[-1] if inner else Any
