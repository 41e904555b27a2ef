"""Rules: when something is meant, do something. Declared in TOML, decided here, carried out elsewhere.

    [rule.lights_out]
    when = ["light_off", "good_night"]    # any of these concepts
    confidence = 0.8                      # at least so sure
    publish = { topic = "home/light", payload = "off" }

A rule fires once an episode: at the first phase that fulfils all of its conditions, so also when a second sense or the
cloud makes an episode sure enough that did not begin so. What was withdrawn fires nothing.
"""

from __future__ import annotations

import difflib
import string
import tomllib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from sensorium.concepts import Vocabulary
from sensorium.episode import Episode, Phase
from sensorium.event import Modality
from sensorium.settings import SettingsError, decode, explained, read_text

_REMEMBERED: Final = 256
"""Episodes a rule remembers having fired for; more are never open at once."""
_FIELDS: Final = ("concept", "confidence", "content", "id", "modalities", "phase", "revision", "session")


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are errors."""


class Publish(_Table, frozen=True, kw_only=True):
    """Tell it over MQTT, by the broker of the agent's settings."""

    topic: Annotated[str, Meta(min_length=1, pattern=r"^[^+#\x00]+$", description="where")]
    payload: Annotated[str, Meta(description="what; {concept}, {confidence} and the like are filled in")] = "{concept}"
    retain: Annotated[bool, Meta(description="the broker keeps it for who comes later")] = False


class Webhook(_Table, frozen=True, kw_only=True):
    """POST the episode as JSON."""

    url: Annotated[str, Meta(pattern=r"^https?://[!-~]+$", description="http:// or https://, percent-encoded")]
    timeout_s: Annotated[float, Meta(gt=0, le=60, description="give up a try after so long")] = 5.0


class Rule(_Table, frozen=True, kw_only=True):
    """What has to be meant, and what to do then."""

    when: Annotated[tuple[str, ...], Meta(min_length=1, description="concepts; any of them")]
    phase: Annotated[Literal["new", "end"], Meta(description="when it is sure, or when it is over")] = "new"
    confidence: Annotated[float, Meta(ge=0, le=1, description="at least so sure")] = 0.0
    modalities: Annotated[tuple[Modality, ...], Meta(description="senses that must all take part")] = ()
    pause_s: Annotated[float, Meta(ge=0, description="not again within so long, in event time")] = 0.0
    publish: Publish | None = None
    webhook: Webhook | None = None


class Rules(_Table, frozen=True, kw_only=True):
    """The file."""

    rule: dict[str, Rule] = {}


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule whose time has come: its name, what it does, and for which episode."""

    rule: str
    action: Publish | Webhook
    episode: Episode


def read(path: Path, vocabulary: Vocabulary) -> Rules:
    """The rules in ``path``, checked against the concepts there are.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong; one line.
    """
    rules = _decoded(read_text(path, "name a file with rules"), str(path))
    for name, rule in rules.rule.items():
        _check(name, rule, [concept.name for concept in vocabulary], str(path))
    return rules


def _decoded(text: str, where: str) -> Rules:
    """The rules; where one is wrong, by its name, which the decoder does not tell."""
    try:
        return decode(text, Rules, where=where)
    except SettingsError as whole:
        for name, body in _tables(text) if "[...]" in whole.key else ():
            try:
                msgspec.convert(body, Rule)
            except msgspec.ValidationError as error:
                raise explained(error, where, inside=f"rule.{name}") from error
        raise


def _tables(text: str) -> Iterable[tuple[str, object]]:
    """The rules as they stand; none if the file is not TOML, or not of rules."""
    try:
        rules = tomllib.loads(text).get("rule")
    except tomllib.TOMLDecodeError:
        return ()
    return rules.items() if isinstance(rules, dict) else ()


def filled(template: str, episode: Episode) -> str:
    """``template`` with the episode's words and figures in it."""
    return template.format(
        concept=episode.concept,
        confidence=f"{episode.confidence:.2f}",
        content=episode.content,
        id=episode.id,
        modalities=" ".join(episode.modalities),
        phase=episode.phase,
        revision=episode.revision,
        session=episode.session_id,
    )


class Rulebook:
    """Which rules an episode fires; told the episodes in the order they happen."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules.rule
        self._done: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._last_ns: dict[str, int] = {}

    def fire(self, episode: Episode) -> tuple[Fired, ...]:
        """What to do about ``episode`` as it now is, in the file's order."""
        due = [(name, rule) for name, rule in self._rules.items() if self._due(name, rule, episode)]
        for name, _ in due:
            self._last_ns[name] = episode.end_ns
            self._done[name, episode.id] = None
            if len(self._done) > _REMEMBERED * len(self._rules):
                self._done.popitem(last=False)
        return tuple(
            Fired(name, action, episode) for name, rule in due for action in (rule.publish, rule.webhook) if action
        )

    def _due(self, name: str, rule: Rule, episode: Episode) -> bool:
        if not fits(rule, episode) or (name, episode.id) in self._done:
            return False
        last_ns = self._last_ns.get(name)
        return last_ns is None or episode.end_ns - last_ns >= rule.pause_s * 1e9


def fits(rule: Rule, episode: Episode) -> bool:
    """Whether an episode, as it now is, fulfils a rule's conditions."""
    return (
        episode.concept in rule.when
        and not episode.withdrawn
        and (rule.phase == "end") == (episode.phase is Phase.END)
        and episode.confidence >= rule.confidence
        and set(rule.modalities) <= set(episode.modalities)
    )


def _check(name: str, rule: Rule, known: Sequence[str], where: str) -> None:
    for concept in rule.when:
        if concept not in known:
            close = difflib.get_close_matches(concept, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "name one of the vocabulary's"
            raise SettingsError(where, f"rule.{name}.when", f"no concept is called {concept!r}; {hint}")
    if rule.publish is None and rule.webhook is None:
        raise SettingsError(where, f"rule.{name}", "does nothing; give it publish = {...} or webhook = {...}")
    if rule.publish is not None:
        _check_template(rule.publish.payload, where, f"rule.{name}.publish.payload")


def _check_template(template: str, where: str, key: str) -> None:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise SettingsError(where, key, f"{error}; write {{{{ and }}}} for braces") from error
    strange = [field for field in fields if field not in _FIELDS]
    if strange:
        raise SettingsError(where, key, f"nothing is called {{{strange[0]}}}; known: {', '.join(_FIELDS)}")
