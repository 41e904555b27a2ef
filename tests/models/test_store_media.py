"""Samples come out of Debian and Python packages and keep their names."""

from __future__ import annotations

import pytest
from models.shelf import Shelf, sha256

from sensorium_models import media
from sensorium_models.packages import _explain_apt

PHOTO = b"a hand"


def a_photo(shelf: Shelf, content: bytes = PHOTO) -> None:
    shelf.use(
        shelf.deb("photos", {"usr/share/doc/photos/a.jpg": content, "usr/share/doc/photos/b.jpg": b"not asked for"})
        + f'[media.photos]\npackage = "photos"\n[media.photos.files]\n"a.jpg" = "{sha256(PHOTO)}"\n'
    )


def test_takes_a_photo_out_of_a_debian_package_wherever_it_lies_inside(shelf: Shelf) -> None:
    a_photo(shelf)

    assert [state.standing for state in media.fetch(say=shelf.say)] == ["ok"]
    assert media.path("photos/a.jpg") == media.root() / "photos" / "a.jpg"
    assert media.path("photos/a.jpg").read_bytes() == PHOTO


def test_deletes_the_package_once_the_photo_is_out(shelf: Shelf) -> None:
    a_photo(shelf)

    media.fetch(say=shelf.say)

    assert [path.name for path in media.root().rglob("*")] == ["photos", "a.jpg"]


def test_a_photo_that_changed_is_refused(shelf: Shelf) -> None:
    a_photo(shelf, content=b"another hand")

    assert [state.standing for state in media.fetch(say=shelf.say)] == ["missing"]
    assert shelf.heard("holds no a.jpg with sha256")


def test_a_missing_sample_names_itself_and_the_way_out(shelf: Shelf) -> None:
    a_photo(shelf)

    with pytest.raises(media.MediaMissing, match=r"^photos/a.jpg: .*fetch-media$"):
        media.path("photos/a.jpg")


def test_a_damaged_sample_is_found_and_mended(shelf: Shelf) -> None:
    a_photo(shelf)
    media.fetch(say=shelf.say)
    media.path("photos/a.jpg").write_bytes(b"rot")

    with pytest.raises(media.MediaDamaged, match=r"^photos/a.jpg: "):
        media.path("photos/a.jpg")
    assert [state.standing for state in media.fetch(say=shelf.say)] == ["ok"]


def test_an_unknown_sample_is_answered_with_the_known_ones(shelf: Shelf) -> None:
    a_photo(shelf)

    with pytest.raises(media.MediaUnknown, match=r"there are: photos/a\.jpg$"):
        media.path("photos/z.jpg")


def test_refreshes_apts_lists_where_it_may(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    a_photo(shelf)
    bring = (shelf.folder / "bin" / "apt-get").read_text().splitlines()[1]
    lists = shelf.folder / "lists"
    unknown = f'[ -e {lists} ] || {{ echo "E: Unable to locate package photos"; exit 100; }}'
    shelf.command("apt-get", f'[ "$2" = update ] && exec touch {lists}\n{unknown}\n{bring}')
    monkeypatch.setattr("os.geteuid", lambda: 0)

    assert [state.standing for state in media.fetch(say=shelf.say)] == ["ok"]


def test_where_it_may_not_the_user_is_told_to(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    a_photo(shelf)
    shelf.command("apt-get", 'echo "E: Unable to locate package photos"; exit 100')
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    media.fetch(say=shelf.say)

    assert shelf.said[-1].startswith("  photos: apt does not know it: sudo apt-get update")


def test_a_machine_without_apt_is_told_so(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    a_photo(shelf)
    monkeypatch.setenv("PATH", "")

    media.fetch(say=shelf.say)

    assert shelf.said[-1] == "  photos: it is a Debian package and this machine has no apt-get"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("E: Failed to fetch http://x  Temporary failure resolving 'x'", "no network"),
        ("E: Could not get lock", "Could not get lock"),
        ("", "apt-get failed and said nothing"),
    ],
)
def test_apts_errors_become_one_line(output: str, expected: str) -> None:
    assert _explain_apt(output).startswith(expected)
