"""Episodes: one thing a person meant, out of the symbols of many windows.

A wave that lasts four windows is four symbols and one episode, told as ``new``, ``update`` and ``end``. Pure and
deterministic: the same symbols in the same order give the same episodes. The rules, all in event time:

- The first window that names a concept begins its episode at once; a *state* (how things are) only with the second
  window in a row that names it, for states are what flickers at a threshold. A window in which nobody says anything
  breaks no row: a heart is felt once a second, in every other window.
- The episode lives as long as windows name its concept, or still hold it likely (``stay``): it takes more to begin
  than to go on (a Schmitt trigger).
- Only fresh evidence begins or prolongs it: a word of the window before, still counted as stale, does neither.
- It ends ``gap_ns`` after its last evidence, or when another concept of the same precedence begins. A command ends no
  state, and a state no command.
- Words and touches are momentary: a second line, or a second tap, of the same meaning is a second episode, however
  soon it comes. Whatever lasts (a pose, a voice, a heart) is one.
- An episode keeps the id of the window it was first told by, also where a later answer finds that it began in a window
  before: who has acted on it once is not to act again. When a later revision of that window names another
  concept, the episode is updated to that; where it takes the naming back, the episode ends, ``withdrawn``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce
from types import MappingProxyType
from typing import Final

from sensorium.concepts import Precedence, Vocabulary
from sensorium.event import Modality
from sensorium.symbol import Evidence, Reason, Revision, Symbol

_S: Final = 1_000_000_000
_MOMENTARY: Final = frozenset({Modality.TEXT, Modality.HAPTIC})
_CHANGED: Final = 0.1
"""A confidence that moved by less than this is no news."""


class Phase(StrEnum):
    """Where in its life an episode is."""

    NEW = "new"
    UPDATE = "update"
    END = "end"


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """How much it takes to begin, to go on and to end.

    Attributes:
        stay: probability with which an abstaining window still carries the episode on.
        gap_ns: by precedence, how long an episode outlives its last evidence.
        settle: windows in a row, by precedence, that begin an episode; no farther apart than its gap.
        revisable_ns: how long after its end a window's answer may still change the story.
    """

    stay: float = 0.25
    gap_ns: Mapping[Precedence, int] = field(
        default_factory=lambda: MappingProxyType(
            {Precedence.COMMAND: 1 * _S, Precedence.ADDRESS: 1 * _S, Precedence.STATE: 5 * _S}
        )
    )
    settle: Mapping[Precedence, int] = field(
        default_factory=lambda: MappingProxyType({Precedence.COMMAND: 1, Precedence.ADDRESS: 1, Precedence.STATE: 2})
    )
    revisable_ns: int = 5 * _S


@dataclass(frozen=True, slots=True)
class Episode:
    """One meaning from its first evidence to its last.

    Attributes:
        id: of the window it was first told by; every phase has the same.
        session_id: whose it is.
        phase: ``new`` once, then ``update`` where it changed, then ``end`` once.
        concept: what is meant; an update may correct it.
        content: the concept's description, for people.
        confidence: the highest calibrated probability of the concept in any of its windows.
        revision: the cloud's once it named it in any window, else the device's.
        modalities: the senses that took part so far, in their order.
        start_ns, end_ns: first and newest evidence, on the device's monotonic clock.
        windows: how many windows named it.
        withdrawn: it ended because a revision took it back: it should not have been told.
    """

    id: str
    session_id: str
    phase: Phase
    concept: str
    content: str
    confidence: float
    revision: Revision
    modalities: tuple[Modality, ...]
    start_ns: int
    end_ns: int
    windows: int = 1
    withdrawn: bool = False


Moment = tuple[Modality, int]
"""A word or a touch: its modality and time."""


@dataclass(frozen=True, slots=True)
class _Named:
    """A window that names a concept, and the evidence in it that speaks for that."""

    symbol: Symbol
    concept: str
    start_ns: int
    end_ns: int
    moments: frozenset[Moment] = frozenset()


@dataclass(frozen=True, slots=True)
class _Story:
    """What is open after some windows, and what is about to begin."""

    open: tuple[Episode, ...] = ()
    moments: frozenset[Moment] = frozenset()
    """The newest of each modality in the open episodes."""
    waiting: tuple[_Named, ...] = ()
    """Windows in a row that name a concept which has not settled yet."""


class Episodes:
    """Follows one session's symbols.

    Args:
        vocabulary: says each concept's precedence; an unknown concept counts as a command.
        session_id: symbols of other sessions are passed over.
        hysteresis: the thresholds.
    """

    def __init__(self, vocabulary: Vocabulary, session_id: str, hysteresis: Hysteresis | None = None) -> None:
        self.learn(vocabulary)
        self._session_id = session_id
        self._rules = hysteresis or Hysteresis()
        self._settled = _Story()
        self._answers: dict[str, Symbol] = {}
        """The newest symbol of each window that may still be revised, by id: a late event may move a window's start."""
        self._told: dict[str, Episode] = {}
        self._known_as: dict[str, str] = {}
        """The id an episode was told by, where it begins in another window."""

    def learn(self, vocabulary: Vocabulary) -> None:
        """Go by another vocabulary from now on: something was taught."""
        self._vocabulary = vocabulary
        self._index = {concept.name: index for index, concept in enumerate(vocabulary)}

    def hear(self, symbol: Symbol) -> tuple[Episode, ...]:
        """What a symbol, or its later revision, changes; oldest first."""
        if symbol.session_id != self._session_id or not self._replaces(symbol):
            return ()
        self._answers[symbol.id] = symbol
        told = self._tell()
        self._settle()
        return told

    def finish(self) -> tuple[Episode, ...]:
        """End whatever is open, as it stands now: nothing more will come."""
        now = {e.id: e for e in self._recognised(tuple(self._read()))}
        open_now = [e for e in self._told.values() if e.phase is not Phase.END]
        ended = tuple(replace(now.get(e.id, e), phase=Phase.END) for e in open_now)
        self._told.clear()
        self._known_as.clear()
        self._answers.clear()
        self._settled = _Story()
        return ended

    def _replaces(self, symbol: Symbol) -> bool:
        before = self._answers.get(symbol.id)
        if before is None:
            newest_ns = max((s.start_ns for s in self._answers.values()), default=symbol.start_ns)
            return symbol.start_ns >= newest_ns - self._rules.revisable_ns
        return _rank(symbol) >= _rank(before)

    def _tell(self) -> tuple[Episode, ...]:
        """Compare the story as it now reads with what was told of it."""
        now = {e.id: e for e in self._recognised(tuple(self._read()))}
        gone = [
            replace(e, phase=Phase.END, withdrawn=True)
            for e in self._told.values()
            if e.id not in now and e.phase is not Phase.END
        ]
        news = [*gone, *(n for e in now.values() for n in _news(self._told.get(e.id), e))]
        self._told.update({e.id: e for e in news})
        return tuple(sorted(news, key=lambda e: (e.phase is not Phase.END, e.start_ns)))

    def _recognised(self, story: Sequence[Episode]) -> Iterator[Episode]:
        """The episodes as they read now, by the ids they were told by."""
        begun = {e.id for e in story}
        lost = [e for e in self._told.values() if e.id not in begun and e.phase is not Phase.END]
        for episode in story:
            same = next((old for old in lost if episode.id not in self._told and _one(old, episode)), None)
            if same is not None:
                self._known_as[episode.id] = same.id
            known_as = self._known_as.get(episode.id, episode.id)
            yield episode if known_as in begun else replace(episode, id=known_as)

    def _read(self) -> Iterator[Episode]:
        story = self._settled
        for symbol in self._in_order():
            story, ended = self._after(story, symbol)
            yield from ended
        yield from story.open

    def _in_order(self) -> list[Symbol]:
        return sorted(self._answers.values(), key=lambda symbol: (symbol.start_ns, symbol.id))

    def _settle(self) -> None:
        """Fold in the windows that no revision will change any more, and forget what has ended in them."""
        answers = self._in_order()
        until = answers[-1].start_ns - self._rules.revisable_ns
        for symbol in answers:
            if symbol.start_ns < until:
                self._settled, _ = self._after(self._settled, self._answers.pop(symbol.id))
        open_now = {self._known_as.get(e.id, e.id) for e in self._settled.open}
        self._told = {
            e.id: e for e in self._told.values() if e.id in open_now or e.end_ns >= until or e.phase is not Phase.END
        }
        self._known_as = {begun: told for begun, told in self._known_as.items() if told in self._told}

    # --- one window on ------------------------------------------------------------------

    def _after(self, story: _Story, symbol: Symbol) -> tuple[_Story, tuple[Episode, ...]]:
        """The story one window on, and the episodes that ended with it."""
        if symbol.concept is None:
            story, ended = self._outlived(story, symbol.end_ns)
            carried = tuple(self._carried(e, symbol) for e in story.open)
            return replace(story, open=carried, waiting=self._still_waiting(story, symbol)), ended
        named = self._named(symbol, symbol.concept)
        if named.end_ns < symbol.start_ns:
            return self._outlived(story, symbol.end_ns)
        story, ended = self._outlived(story, named.start_ns)
        going = next((e for e in story.open if e.concept == named.concept), None)
        if going is not None and not _again(story.moments, named.moments):
            longer = tuple(_longer(e, named) if e is going else e for e in story.open)
            return _Story(longer, _latest(story.moments | named.moments)), ended
        story, replaced = self._begun(story, named)
        return story, ended + replaced

    def _outlived(self, story: _Story, now_ns: int) -> tuple[_Story, tuple[Episode, ...]]:
        """Without the episodes whose last evidence is too old."""
        over = [e for e in story.open if now_ns - e.end_ns > self._rules.gap_ns[self._rank_of(e.concept)]]
        kept = tuple(e for e in story.open if e not in over)
        moments = story.moments if kept else frozenset()
        return replace(story, open=kept, moments=moments), tuple(replace(e, phase=Phase.END) for e in over)

    def _still_waiting(self, story: _Story, symbol: Symbol) -> tuple[_Named, ...]:
        """What waits for a second window: one in which nobody said anything is none, and breaks no row, for a while."""
        if symbol.concept is None and symbol.abstained is not Reason.NOTHING:
            return ()
        return tuple(
            named
            for named in story.waiting
            if symbol.start_ns - named.end_ns <= self._rules.gap_ns[self._rank_of(named.concept)]
        )

    def _carried(self, episode: Episode, symbol: Symbol) -> Episode:
        """An abstaining window that holds the concept likely carries its episode on."""
        likely = next((h.probability for h in symbol.alternatives if h.concept == episode.concept), 0.0)
        newest_ns = self._named(symbol, episode.concept).end_ns
        if likely < self._rules.stay or newest_ns < symbol.start_ns:
            return episode
        return replace(episode, end_ns=max(episode.end_ns, newest_ns))

    def _begun(self, story: _Story, named: _Named) -> tuple[_Story, tuple[Episode, ...]]:
        """A new episode, once it has settled; it replaces those of its own precedence."""
        rank = self._rank_of(named.concept)
        before = (n for n in self._still_waiting(story, named.symbol) if n.concept == named.concept)
        row = (*before, named)
        if len(row) < self._rules.settle[rank]:
            return replace(story, waiting=row), ()
        replaced = [e for e in story.open if self._rank_of(e.concept) is rank]
        kept = tuple(e for e in story.open if e not in replaced)
        begun = reduce(_longer, row[1:], _episode(row[0]))
        moments = _latest(story.moments | named.moments)
        return _Story((*kept, begun), moments), tuple(replace(e, phase=Phase.END) for e in replaced)

    def _named(self, symbol: Symbol, concept: str) -> _Named:
        """What speaks for ``concept`` in the window; the whole window where it lists nothing that does."""
        speaks = [e for e in symbol.timeline if self._means(e, concept)]
        if not speaks:
            here = bool(symbol.modalities)
            return _Named(symbol, concept, symbol.start_ns, symbol.end_ns if here else symbol.start_ns - 1)
        moments = frozenset((e.modality, e.at_ns) for e in speaks if e.modality in _MOMENTARY)
        return _Named(symbol, concept, min(map(_onset, speaks)), max(e.at_ns for e in speaks), moments)

    def _means(self, evidence: Evidence, concept: str) -> bool:
        index = self._index.get(concept)
        meanings = self._vocabulary.meanings(evidence.modality, evidence.label)
        return evidence.text is not None or any(m.index == index for m in meanings)

    def _rank_of(self, concept: str) -> Precedence:
        index = self._index.get(concept)
        return Precedence.COMMAND if index is None else self._vocabulary.concepts[index].precedence


def _rank(symbol: Symbol) -> tuple[int, bool]:
    return symbol.window_revision, _by_cloud(symbol.revision)


def _by_cloud(revision: Revision) -> bool:
    return revision is Revision.CLOUD


def _one(told: Episode, now: Episode) -> bool:
    """Whether an episode is what was told before, only that it began earlier."""
    return told.concept == now.concept and now.start_ns <= told.start_ns <= now.end_ns


def _latest(moments: Iterable[Moment]) -> frozenset[Moment]:
    """The newest of each modality."""
    return frozenset(dict(sorted(moments)).items())


def _again(before: Iterable[Moment], now: Iterable[Moment]) -> bool:
    """Whether a word or a touch came that is later than one of its own kind."""
    last = dict(before)
    return any(at_ns > last.get(modality, at_ns) for modality, at_ns in now)


def _news(told: Episode | None, now: Episode) -> Iterator[Episode]:
    """What has to be told of an episode that was told before as ``told``."""
    if told is None:
        yield replace(now, phase=Phase.NEW)
    elif told.phase is Phase.END and not told.withdrawn:
        return
    elif now.phase is not Phase.END and (told.withdrawn or _differs(told, now)):
        yield replace(now, phase=Phase.NEW if told.withdrawn else Phase.UPDATE)
    if now.phase is Phase.END:
        yield now


def _differs(told: Episode, now: Episode) -> bool:
    return (
        told.concept != now.concept
        or told.modalities != now.modalities
        or told.revision is not now.revision
        or abs(told.confidence - now.confidence) >= _CHANGED
    )


def _episode(named: _Named) -> Episode:
    symbol = named.symbol
    return Episode(
        symbol.id,
        symbol.session_id,
        Phase.UPDATE,
        named.concept,
        symbol.content,
        symbol.confidence,
        symbol.revision,
        symbol.modalities,
        named.start_ns,
        named.end_ns,
    )


def _longer(episode: Episode, named: _Named) -> Episode:
    """The episode with one more window that names its concept."""
    both = {*episode.modalities, *named.symbol.modalities}
    return replace(
        episode,
        confidence=max(episode.confidence, named.symbol.confidence),
        revision=max(episode.revision, named.symbol.revision, key=_by_cloud),
        modalities=tuple(m for m in Modality if m in both),
        start_ns=min(episode.start_ns, named.start_ns),
        end_ns=max(episode.end_ns, named.end_ns),
        windows=episode.windows + 1,
    )


def _onset(evidence: Evidence) -> int:
    return evidence.at_ns - evidence.span_ns
