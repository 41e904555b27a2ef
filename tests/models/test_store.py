"""A model's name becomes a verified path, or one line that says how to mend it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from models.shelf import Shelf, cooked, sha256, taken

from sensorium_models import store

RAW, MADE = b"raw weights", b"quantized weights"


@pytest.fixture
def filled(shelf: Shelf) -> Shelf:
    """Two models in the manifest, the raw one in the store."""
    shelf.use(taken("raw", "p", "p/raw.tflite", RAW) + cooked("small", "raw", "a:b", MADE, 'fallback = "raw"'))
    place(shelf, "raw", RAW)
    return shelf


def place(shelf: Shelf, name: str, content: bytes) -> Path:
    path = store.place(store.entry(name))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_gives_the_file_whose_bytes_are_the_manifests(filled: Shelf) -> None:
    assert store.path("raw").read_bytes() == RAW
    assert store.digest("raw") == sha256(RAW)


def test_keeps_the_suffix_by_which_the_runtimes_go(filled: Shelf) -> None:
    assert store.path("raw").suffix == ".tflite"


def test_a_missing_model_names_itself_and_the_way_out(filled: Shelf) -> None:
    store.path("raw").unlink()

    with pytest.raises(store.ModelMissing, match=r"^raw: .*run: sensorium models fetch$"):
        store.path("raw")


def test_one_flipped_byte_is_found_after_the_file_was_read_once(filled: Shelf) -> None:
    path = store.path("raw")
    path.write_bytes(b"Raw weights!")

    with pytest.raises(store.ModelDamaged, match=rf"^raw: .*expected {sha256(RAW)[:12]}.*run: sensorium models fetch$"):
        store.path("raw")


def test_a_directory_in_a_models_place_is_damage(filled: Shelf) -> None:
    path = store.path("raw")
    path.unlink()
    path.mkdir()

    assert store.verify(["raw"])[0].standing == "damaged"


def test_what_was_never_made_is_replaced_by_its_fallback_and_owns_up_to_it(filled: Shelf) -> None:
    assert store.path("small").read_bytes() == RAW
    assert store.digest("small") == sha256(RAW)
    assert store.verify(["small"])[0].note == "raw in its place"


def test_what_was_made_comes_before_its_fallback(filled: Shelf) -> None:
    place(filled, "small", MADE)

    assert store.path("small").read_bytes() == MADE


def test_damage_is_never_hidden_by_a_fallback(filled: Shelf) -> None:
    place(filled, "small", b"something else")

    with pytest.raises(store.ModelDamaged, match=r"^small: "):
        store.path("small")


def test_a_fallback_that_is_missing_too_leaves_the_model_missing(filled: Shelf) -> None:
    store.path("raw").unlink()

    assert [state.standing for state in store.verify()] == ["missing", "missing"]
    assert store.digest("small") == sha256(MADE)


def test_an_unknown_name_is_answered_with_the_known_ones(filled: Shelf) -> None:
    with pytest.raises(store.ModelUnknown, match=r"^no model 'smal'; there are: raw, small$"):
        store.path("smal")


def test_our_own_weights_are_mended_by_installing_not_by_fetching(shelf: Shelf) -> None:
    shelf.use('[model.own]\nabout = "ours"\nlicence = "MIT"\nweights = "gone.tflite"\nsha256 = "00"\n')

    with pytest.raises(store.ModelMissing, match="install sensorium again"):
        store.path("own")


def test_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENSORIUM_MODELS", str(tmp_path))

    assert store.root() == tmp_path


def test_lies_in_the_checkout_when_run_from_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSORIUM_MODELS", raising=False)

    assert store.root() == Path(__file__).parents[2] / ".cache" / "models"


@pytest.mark.parametrize(
    ("environment", "user", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/sensorium:/var/lib/other"}, "root", "/var/lib/sensorium/models"),
        ({}, "sensorium", "/var/lib/sensorium/models"),
        ({"XDG_CACHE_HOME": "/xdg"}, "ada", "/xdg/sensorium/models"),
        ({"HOME": "/home/ada"}, "ada", "/home/ada/.cache/sensorium/models"),
    ],
)
def test_lies_where_its_user_may_write_once_installed(
    environment: dict[str, str], user: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SENSORIUM_MODELS", "STATE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(store, "home", lambda: tmp_path / "site-packages" / "sensorium_models")
    monkeypatch.setattr(store, "_user", lambda: user)

    assert store.root() == Path(expected)


def test_looking_a_model_up_imports_no_runtime_and_no_fetcher() -> None:
    code = "import sys; from sensorium_models import store; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert not {"pip", "onnx", "onnxruntime", "numpy", "subprocess", "sensorium_models.fetch"} & set(loaded)
