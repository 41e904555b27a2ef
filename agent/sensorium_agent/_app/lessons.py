"""What `sensorium teach` does: examples out of files, and what they mean, into the files that the agent reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sensorium import phrases
from sensorium.concepts import Meaning
from sensorium.errors import SensoriumError
from sensorium.event import Modality
from sensorium_agent._app import compose, knowledge
from sensorium_agent._app.settings import Settings
from sensorium_agent.infer import taught
from sensorium_agent.infer.taught import Form, Lesson, Sign, TaughtError, example
from sensorium_agent.infer.touch import taught as strokes

_EXAMPLES: Final = 5
_CAMERA: Final = "camera"
_MICROPHONE: Final = "microphone"
_WAKE: Final = "wake"
"""The concept of what calls the device."""

Numbers = npt.NDArray[np.float32]
Say = Callable[[str], None]
"""Told, in a line, of what did not work."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be taught.

    Attributes:
        name: of the sign.
        modality: the sense.
        concept: what it stands for; None for the concept of its own name.
        means: the concept's description, if it is given.
        say: what one may say for it.
        examples: at most so many of a video, a sound file, a camera or a microphone; None for the usual.
        form: whether the hand's sign is how it is held or the way it goes.
        wake: the sound calls the device.
    """

    name: str
    modality: Modality
    concept: str | None = None
    means: str = ""
    say: tuple[str, ...] = ()
    examples: int | None = None
    form: Form = Form.HELD
    wake: bool = False


class Blackboard:
    """All that was taught, between reading and writing it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._taught = taught.read(settings.taught_file)
        self._strokes = strokes.read(settings.strokes_file)
        self._before = self._written()

    def known(self) -> Iterator[tuple[str, str, str, int]]:
        """Of each sign its name, its sense, its concept and how many examples there are."""
        for sign in self._taught.signs:
            if sign.modality is not Modality.HAPTIC:
                yield sign.name, str(sign.modality), sign.concept, sign.shown
        for name, count in self._strokes.names.items():
            sign_of_it = self._taught.sign(Modality.HAPTIC, name)
            yield name, str(Modality.HAPTIC), sign_of_it.concept if sign_of_it else "", count

    def save(self) -> None:
        """Keep what changed.

        Raises:
            SensoriumError: a file cannot be written, or there are more concepts than can be told apart.
        """
        if self._written() == self._before:
            return
        knowledge.extended(self._settings, self._taught)
        strokes.write(self._settings.strokes_file, self._strokes)
        taught.write(self._settings.taught_file, self._taught.export())

    def _written(self) -> tuple[bytes, bytes]:
        return self._taught.export(), self._strokes.export()

    # --- in and out ----------------------------------------------------------------------

    def export(self, path: Path) -> None:
        """Copy everything into one file."""
        taught.write(path, self._taught.export(self._strokes.export()))

    def take(self, path: Path) -> None:
        """Take over what was exported; signs of the same name give way."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TaughtError(f"{path}: {error.strerror}; check the path") from error
        other = taught.parse(data, str(path))
        self._taught = self._taught.joined(other)
        drawn = strokes.parse(other.strokes, str(path)) if other.strokes else strokes.Strokes()
        for name in drawn.names:
            self._strokes.forget(name)
        self._strokes = strokes.Strokes((*self._strokes.examples, *drawn.examples))

    def forget(self, name: str, modality: Modality | None) -> None:
        """Drop a sign.

        Raises:
            TaughtError: nobody taught it.
        """
        before = self._taught
        self._taught = before.without(name, modality)
        dropped = self._strokes.forget(name) if modality in (None, Modality.HAPTIC) else 0
        if not dropped and self._taught.signs == before.signs:
            names = ", ".join(known for known, *_ in self.known()) or "none"
            raise TaughtError(f"{name}: nobody taught it; known are: {names}")

    # --- teaching ------------------------------------------------------------------------

    def teach(self, wish: Wish, sources: Sequence[str], say: Say) -> bool:
        """Learn from ``sources``; one that cannot be read takes nothing from the others, and gives True.

        Raises:
            SensoriumError: there is nothing to learn from, or the name is no name.
        """
        if wish.modality is Modality.TEXT:
            return self._teach_sentences(wish, sources, say)
        if not sources:
            raise TaughtError(f"{wish.name}: name the files to learn from, with --from FILE...")
        if self._built_in(wish):
            say(f"{wish.name}: it is built in; it keeps that meaning too, so give another sign another name")
        if wish.modality is Modality.HAPTIC:
            count, failed = self._teach_strokes(wish, sources, say)
            self._mean(wish, ()) if count else None
            return failed
        examples, failed = self._examples(wish, sources, say)
        if examples:
            self._mean(wish, tuple(examples))
            self._warn(wish, say)
        return failed

    def _teach_sentences(self, wish: Wish, sources: Sequence[str], say: Say) -> bool:
        """Learn what is written in ``sources``, a sentence a line, and what ``wish`` says."""
        from sensorium_agent._app.files.sentences import sentences_in

        said, failed = list(wish.say), False
        for source in sources:
            try:
                said += sentences_in(source, wish.examples)
            except SensoriumError as error:
                say(_told(error, source))
                failed = True
        if not said and not failed:
            raise TaughtError(
                f'{wish.name}: what may one write for it? Give --say "..." or --from FILE, a sentence a line'
            )
        self._warn_of_rivals(wish, said, say)
        if said:
            self._mean(replace(wish, say=()), (), tuple(said))
        return failed

    def _warn_of_rivals(self, wish: Wish, said: Sequence[str], say: Say) -> None:
        """Say so where a sentence is a phrase of another concept as it stands: then it is neither's alone."""
        vocabulary = knowledge.untaught(self._settings)
        for sentence in said:
            known = phrases.exact(sentence, vocabulary)
            name = None if known is None else vocabulary.concepts[known].name
            if name not in (None, wish.concept or wish.name):
                say(f"{wish.name}: {sentence!r} means {name} already, so that it will tell neither surely")

    def _mean(self, wish: Wish, examples: tuple[tuple[float, ...], ...], said: tuple[str, ...] = ()) -> None:
        """Keep the sign's examples or sentences, and what it stands for."""
        known = self._taught.sign(wish.modality, wish.name)
        concept = wish.concept or (known.concept if known else _WAKE if wish.wake else self._usual(wish))
        before = self._taught.concepts.get(concept, Lesson())
        lesson = Lesson(wish.means or before.means, tuple(dict.fromkeys((*before.say, *wish.say))))
        wake = wish.wake or bool(known and known.wake)
        sign = Sign(wish.name, wish.modality, concept, examples, wish.form, wake, said)
        self._taught = self._taught.with_sign(sign, lesson)

    def _usual(self, wish: Wish) -> str:
        """What a built-in label of this name stands for, or the concept of this name."""
        vocabulary = knowledge.untaught(self._settings)
        meant = self._meanings(wish)
        return vocabulary.concepts[max(meant, key=lambda m: m.strength).index].name if meant else wish.name

    def _built_in(self, wish: Wish) -> bool:
        """Whether the sense says this name by itself, and nobody has taught more of it yet."""
        names = {name for name, modality, *_ in self.known() if modality == wish.modality}
        return wish.name not in names and bool(self._meanings(wish))

    def _meanings(self, wish: Wish) -> Sequence[Meaning]:
        return knowledge.untaught(self._settings).meanings(wish.modality, wish.name)

    def _teach_strokes(self, wish: Wish, sources: Sequence[str], say: Say) -> tuple[int, bool]:
        from sensorium_agent.capture.recording import RecordingError, open_recording
        from sensorium_agent.infer.touch.perceive import drawings

        count, failed = 0, False
        for file in sources:
            try:
                samples = open_recording(Path(file)).samples()
                found = drawings(s for s in samples if s.modality is Modality.HAPTIC)
                if not found:
                    raise RecordingError(f"{file}: no finger moves in it; see docs/recording.md")
                for paths in found:
                    self._strokes.teach(wish.name, paths)
                count += len(found)
            except SensoriumError as error:
                say(_told(error, file))
                failed = True
        return count, failed

    def _examples(self, wish: Wish, sources: Sequence[str], say: Say) -> tuple[list[tuple[float, ...]], bool]:
        examples: list[tuple[float, ...]] = []
        failed = False
        for source in sources:
            try:
                found = self._live(wish, source, say) if source in _LIVE else self._in_file(wish, Path(source))
                examples += map(example, found)
            except SensoriumError as error:
                say(_told(error, source))
                failed = True
        return examples, failed

    def _in_file(self, wish: Wish, file: Path) -> Sequence[Numbers]:
        from sensorium_agent._app.files import hands, sounds

        models = compose.shelf(self._settings)
        if wish.modality is Modality.AUDIO:
            return sounds.sounds_in(file, models, wish.examples or _EXAMPLES)
        if wish.form is Form.MOVED:
            return hands.ways_in(file, models, wish.examples or _EXAMPLES)
        usual = taught.MOST_EXAMPLES if file.suffix.lower() == ".npz" else _EXAMPLES
        return hands.hands_in(file, models, wish.examples or usual)

    def _live(self, wish: Wish, source: str, say: Say) -> Sequence[Numbers]:
        sense, doing = _LIVE[source]
        if wish.modality is not sense:
            raise TaughtError(f"{wish.name}: {source} is for --modality {sense}; this is {wish.modality}")
        most = wish.examples or _EXAMPLES
        say(doing[wish.form].format(most=most))
        return asyncio.run(_taken(self._watched(wish), most, say))

    def _watched(self, wish: Wish) -> AsyncIterator[Numbers]:
        """Examples as a sensor gives them."""
        from sensorium.clock import DeviceClock
        from sensorium_agent._app.files import hands, sounds

        models, clock = compose.shelf(self._settings), DeviceClock()
        if wish.modality is Modality.AUDIO:
            from sensorium_agent.capture.microphone import Microphone

            ears = self._settings.microphone
            return sounds.sounds_before(Microphone(ears.source if ears else "default"), clock, models)
        from sensorium_agent.capture.camera import Camera

        chosen = self._settings.camera
        camera = Camera(chosen.source if chosen else "0", max_fps=chosen.fps if chosen else 15.0)
        return (hands.ways_before if wish.form is Form.MOVED else hands.hands_before)(camera, clock, models)

    def _warn(self, wish: Wish, say: Say) -> None:
        """Say so where what was taught would hardly be known beside what is known already."""
        from sensorium_agent._app.files.hands import hardly_told
        from sensorium_agent._app.files.sounds import hardly_heard

        if wish.form is Form.MOVED:
            return
        if wish.modality is Modality.AUDIO:
            count, like = hardly_heard(self._taught, wish.name)
            advice = f"are like {like}" if like else "differ too much from the others; give more, or a longer word"
        else:
            count, like = hardly_told(self._taught, wish.name, compose.shelf(self._settings))
            advice = f"are not told from {like}; show it more clearly, or otherwise"
        if count and like != wish.name:
            say(f"{wish.name}: {count} of its examples {advice}")


def _told(error: SensoriumError, source: str) -> str:
    """The error as a line that names its source."""
    text = str(error)
    return f"sensorium: {text if text.startswith(source) else f'{source}: {text}'}"


async def _taken(examples: AsyncIterator[Numbers], most: int, say: Say) -> list[Numbers]:
    """The first ``most`` of them, counted aloud."""
    found: list[Numbers] = []
    async for one in examples:
        found.append(one)
        say(f"{len(found)} of {most}")
        if len(found) >= most:
            break
    return found


_LIVE: Final[Mapping[str, tuple[Modality, Mapping[Form, str]]]] = {
    _CAMERA: (
        Modality.GESTURE,
        {
            Form.HELD: "hold it before the camera, a little differently each time: {most} looks are taken",
            Form.MOVED: "move your hand before the camera, from rest to rest: {most} movements are taken",
        },
    ),
    _MICROPHONE: (Modality.AUDIO, {Form.HELD: "say it, or make the sound, {most} times, with a pause after each"}),
}
