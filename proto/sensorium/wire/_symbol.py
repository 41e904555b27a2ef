"""Symbols as protobuf."""

from __future__ import annotations

import re
from functools import lru_cache

from sensorium import limits
from sensorium.errors import FieldError
from sensorium.symbol import (
    Entropy,
    Evidence,
    Hypothesis,
    ModelRef,
    Provenance,
    Reason,
    Revision,
    Share,
    Stage,
    Symbol,
)
from sensorium.v1 import symbol_pb2 as pb
from sensorium.wire._checks import (
    after,
    at_least,
    at_most,
    each,
    finite,
    inverse,
    label,
    member,
    name,
    numbers,
    part,
    text,
    unique,
    unit,
)
from sensorium.wire._event import MODALITY, MODALITY_NUMBER
from sensorium.wire._window import PRESENCE, PRESENCE_NUMBER

_REVISION_NUMBER = numbers("REVISION", Revision, pb.Revision)
_REVISION = inverse(_REVISION_NUMBER)
_REASON_NUMBER = numbers("REASON", Reason, pb.Reason)
_REASON = inverse(_REASON_NUMBER)
_SHA256 = re.compile("[0-9a-f]{64}")


# --- to protobuf -----------------------------------------------------------------------


def symbol_to_proto(symbol: Symbol) -> pb.Symbol:
    """The symbol's message."""
    message = _without_provenance(symbol)
    message.provenance.CopyFrom(_provenance_to_proto(symbol.provenance))
    return message


def symbol_to_bytes(symbol: Symbol) -> bytes:
    """The serialized message of the symbol; who made it, which is nearly always the same, is not written anew."""
    return _without_provenance(symbol).SerializeToString() + _provenance_bytes(symbol.provenance)


def _without_provenance(symbol: Symbol) -> pb.Symbol:
    entropy = symbol.entropy
    message = pb.Symbol(
        id=symbol.id,
        session_id=symbol.session_id,
        revision=_REVISION_NUMBER[symbol.revision],
        window_revision=symbol.window_revision,
        start_ns=symbol.start_ns,
        end_ns=symbol.end_ns,
        concept=symbol.concept,
        content=symbol.content,
        abstained=pb.REASON_UNSPECIFIED if symbol.abstained is None else _REASON_NUMBER[symbol.abstained],
        confidence=symbol.confidence,
        domains=symbol.domains,
        boot_id=symbol.boot_id,
    )
    message.entropy.posterior = entropy.posterior
    message.entropy.information = entropy.information
    message.entropy.disagreement = entropy.disagreement
    message.entropy.attention = entropy.attention
    message.entropy.legacy_entropy_bits = entropy.legacy_entropy_bits
    _add_parts(message, symbol)
    return message


def _add_parts(message: pb.Symbol, symbol: Symbol) -> None:
    """All that is repeated; made in place, for a message of its own would be copied.

    Fields are set one by one: by keyword each takes half as long again.
    """
    for hypothesis in symbol.alternatives:
        alternative = message.alternatives.add()
        alternative.concept = hypothesis.concept
        alternative.probability = hypothesis.probability
    for share in symbol.shares:
        _write_share(share, message.shares.add())
    for stage in symbol.latency:
        timed = message.latency.add()
        timed.name = stage.name
        timed.ms = stage.ms
    for evidence in symbol.timeline:
        _write_evidence(evidence, message.timeline.add())


def _write_share(share: Share, message: pb.Share) -> None:
    message.modality = MODALITY_NUMBER[share.modality]
    message.presence = PRESENCE_NUMBER[share.presence]
    if share.label is not None:
        message.label = share.label
    message.reliability = share.reliability
    message.weight = share.weight
    message.contribution = share.contribution
    message.attention = share.attention
    if share.offset_ns is not None:
        message.offset_ns = share.offset_ns
    if share.age_ns is not None:
        message.age_ns = share.age_ns


def _write_evidence(evidence: Evidence, message: pb.Evidence) -> None:
    message.modality = MODALITY_NUMBER[evidence.modality]
    if evidence.label is not None:
        message.label = evidence.label
    message.score = evidence.score
    message.at_ns = evidence.at_ns
    message.span_ns = evidence.span_ns
    if evidence.text is not None:
        message.text = evidence.text


@lru_cache(maxsize=8)  # a process makes its symbols with the same few models
def _provenance_to_proto(provenance: Provenance) -> pb.Provenance:
    return pb.Provenance(
        processed_on=provenance.processed_on,
        software=provenance.software,
        models=[pb.ModelRef(name=model.name, sha256=model.sha256) for model in provenance.models],
    )


@lru_cache(maxsize=8)
def _provenance_bytes(provenance: Provenance) -> bytes:
    """A message that has nothing else: behind another's bytes it is a part of that one."""
    return pb.Symbol(provenance=_provenance_to_proto(provenance)).SerializeToString()


# --- from protobuf ---------------------------------------------------------------------


def symbol_from_proto(message: pb.Symbol) -> Symbol:
    """The message's symbol.

    Raises:
        FieldError: a value is not what the contract promises, or contradicts another.
    """
    _check_counts(message)
    _check_names(message)
    after(message.start_ns, message.end_ns)
    shares = each("shares", message.shares, _share)
    unique("shares", [share.modality for share in shares])
    return Symbol(
        id=message.id,
        session_id=message.session_id,
        revision=member("revision", message.revision, _REVISION),
        window_revision=message.window_revision,
        start_ns=message.start_ns,
        end_ns=message.end_ns,
        concept=name("concept", message.concept) if message.HasField("concept") else None,
        content=text("content", message.content),
        abstained=_abstained(message),
        confidence=unit("confidence", message.confidence),
        alternatives=each("alternatives", message.alternatives, _hypothesis),
        domains=each("domains", message.domains, lambda domain: label("", domain)),
        shares=shares,
        entropy=part("entropy", message, _entropy),
        latency=each("latency", message.latency, _stage),
        timeline=each("timeline", message.timeline, _evidence),
        provenance=part("provenance", message, _provenance),
        boot_id=label("boot_id", message.boot_id),
    )


def _check_counts(message: pb.Symbol) -> None:
    at_most(limits.ALTERNATIVES, "alternatives", message.alternatives)
    at_most(limits.DOMAINS, "domains", message.domains)
    at_most(limits.STAGES, "latency", message.latency)
    at_most(limits.TIMELINE_ENTRIES, "timeline", message.timeline)


def _check_names(message: pb.Symbol) -> None:
    """A symbol has the id of a window of its session."""
    name("session_id", message.session_id)
    if not name("id", message.id).startswith(f"{message.session_id}."):
        raise FieldError("id", "session_id and the window's index joined by a dot")


def _abstained(message: pb.Symbol) -> Reason | None:
    """Why no concept is named: there is a concept or a reason, never both or none."""
    if message.HasField("concept"):
        if message.abstained != pb.REASON_UNSPECIFIED:
            raise FieldError("abstained", "unspecified where a concept is named")
        return None
    return member("abstained", message.abstained, _REASON)


def _hypothesis(message: pb.Hypothesis) -> Hypothesis:
    return Hypothesis(name("concept", message.concept), unit("probability", message.probability))


def _share(message: pb.Share) -> Share:
    has = message.HasField
    return Share(
        modality=member("modality", message.modality, MODALITY),
        presence=member("presence", message.presence, PRESENCE),
        label=label("label", message.label) if has("label") else None,
        reliability=unit("reliability", message.reliability),
        weight=unit("weight", message.weight),
        contribution=finite("contribution", message.contribution),
        attention=unit("attention", message.attention),
        offset_ns=at_least(0, "offset_ns", message.offset_ns) if has("offset_ns") else None,
        age_ns=at_least(0, "age_ns", message.age_ns) if has("age_ns") else None,
    )


def _entropy(message: pb.Entropy) -> Entropy:
    return Entropy(
        posterior=finite("posterior", message.posterior),
        information=finite("information", message.information),
        disagreement=finite("disagreement", message.disagreement),
        attention=finite("attention", message.attention),
        legacy_entropy_bits=finite("legacy_entropy_bits", message.legacy_entropy_bits),
    )


def _stage(message: pb.Stage) -> Stage:
    if finite("ms", message.ms) < 0:
        raise FieldError("ms", f"at least 0, not {message.ms:g}")
    return Stage(name("name", message.name), message.ms)


def _evidence(message: pb.Evidence) -> Evidence:
    return Evidence(
        modality=member("modality", message.modality, MODALITY),
        label=label("label", message.label) if message.HasField("label") else None,
        score=unit("score", message.score),
        at_ns=message.at_ns,
        span_ns=at_least(0, "span_ns", message.span_ns),
        text=text("text", message.text) if message.HasField("text") else None,
    )


def _provenance(message: pb.Provenance) -> Provenance:
    at_most(limits.MODELS, "models", message.models)
    return Provenance(
        processed_on=label("processed_on", message.processed_on),
        software=label("software", message.software),
        models=each("models", message.models, _model),
    )


def _model(message: pb.ModelRef) -> ModelRef:
    if not _SHA256.fullmatch(message.sha256):
        raise FieldError("sha256", "64 hex digits in lower case")
    return ModelRef(name("name", message.name), message.sha256)
