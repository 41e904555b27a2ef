"""The fusion network for recordings of several senses: raw clips in, a place in the sentence space out.

Each sense is averaged onto 64 steps, seen as its kind is (`kinds`), made into 8 tokens by its own stem, and answers by
itself. How likely it is to be right alone is learnt, and its logarithm is added to the attention logits when the senses
look at each other. The answer is a unit vector in the space of sentence embeddings, compared with what each class means
in words; a pairing head says whether the senses saw the same thing at all. What the senses say by themselves is
multiplied in, each as far as it is reliable: of strangers the product is right more often than either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from models.build.fusion.attention import MASKED, Gather, Layer, log_trust, unit
from models.build.fusion.kinds import front, units
from torch import Tensor, nn

STEPS = 64
_TOKENS = 8
_CLAMP = 12.0
_OWN_ANSWERS_COUNT = 2.0
"""How much a wholly reliable sense's own answer counts in the product, where the joint answer counts 1."""
FACTS = 2
"""Of a sense in a clip: log of its length against the mean length, log of its roughness."""


class Answer(NamedTuple):
    """What a network makes of a batch of n clips.

    Attributes:
        logits: [n, K], of the joint answer; what is trained.
        together: [n, K], log probabilities before the temperature: the joint answer's times the senses' own.
        closed: [n, K], of the auxiliary head that knows no words.
        alone: [n, M, K], of each sense by itself.
        reliability: [n, M], the learnt chance that the sense alone is right; 0 where it is absent.
        weights: [n, M], where the answer looked; sums to 1 where any sense is there.
        paired: [n], logit that all senses saw the same thing.
        features: [n, 1 + M, width], where prototypes live: of the joint answer, and of each sense by itself.
        embedding: [n, phrase], unit length.
    """

    logits: Tensor
    together: Tensor
    closed: Tensor
    alone: Tensor
    reliability: Tensor
    weights: Tensor
    paired: Tensor
    features: Tensor
    embedding: Tensor


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network.

    Attributes:
        widths: numbers in one step, by modality.
        classes: how many.
        width: of a token; ``heads`` divide it.
        layers: of attention between the senses.
        kinds: of the numbers, by modality; features, if it is not there.
    """

    widths: Mapping[str, int]
    classes: int
    width: int = 64
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    kinds: Mapping[str, str] = field(default_factory=dict)


class Stem(nn.Module):
    """One sense: raw steps to 8 tokens, whatever its rate, its units and its length.

    Attributes:
        mean, spread: [D], what is taken off and divided by, by the kind (`kinds.units`).
        own: [D], deviation of each number after that; 1 for features.
        usual_steps: mean length of a clip.
    """

    mean: Tensor
    spread: Tensor
    own: Tensor
    usual_steps: Tensor

    def __init__(self, size: int, width: int, dropout: float, kind: str = "features") -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("own", torch.ones(size))
        self.register_buffer("usual_steps", torch.ones(()))
        self.front = front(kind, size)
        self.convs = nn.Sequential(
            nn.Dropout1d(dropout / 2),
            nn.Conv1d(self.front.channels, width, 5, stride=2, padding=2),
            _Norm(width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 5, stride=2, padding=2),
            _Norm(width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 5, stride=2, padding=2),
        )
        self.facts = nn.Linear(FACTS, width)
        self.place = nn.Parameter(torch.randn(_TOKENS, width) * 0.02)

    @torch.no_grad()
    def measure(self, x: Tensor, steps: Tensor) -> None:
        """Take units, usual length and the view's own measures from clips ``x`` [n, T, D]."""
        values = x[torch.arange(x.shape[1])[None, :] < steps[:, None]]
        mean, spread = units(self.kind, values)
        self.mean.copy_(mean)
        self.spread.copy_(spread)
        self.own.copy_((values.std(0, unbiased=False) / spread).clamp(min=1e-3))
        self.usual_steps.copy_(steps.float().mean())
        self.front.measure(self.average(self.standard(x, steps), steps))

    def standard(self, x: Tensor, steps: Tensor) -> Tensor:
        """``x`` [n, T, D] in the units of its kind; what is not real or not finite is 0."""
        real = torch.arange(x.shape[1], device=x.device)[None, :, None] < steps[:, None, None]
        known = torch.where(torch.isfinite(x) & real, (x - self.mean) / self.spread, torch.zeros_like(x))
        return torch.where(real, known.clamp(-_CLAMP, _CLAMP), torch.zeros_like(x))

    def average(self, x: Tensor, steps: Tensor, edges: Tensor | None = None) -> Tensor:
        """Mean of standardised ``x`` [n, T, D] between 65 ``edges`` [n, 65] (shares of the clip); [n, 64, D].

        The integral is interpolated, so that nothing aliases and noise averages out whatever the rate was.
        """
        if edges is None:
            edges = (torch.arange(STEPS + 1, device=x.device) / STEPS).expand(x.shape[0], -1)
        at = edges * steps[:, None]
        integral = torch.cat([torch.zeros_like(x[:, :1]), x.cumsum(1)], 1)
        below = at.floor().long().clamp(max=x.shape[1] - 1)
        part = (at - below)[..., None]
        below = below[..., None].expand(-1, -1, x.shape[2])
        value = integral.gather(1, below) * (1 - part) + integral.gather(1, below + 1) * part
        return (value[:, 1:] - value[:, :-1]) / (at[:, 1:] - at[:, :-1])[..., None]

    def told(self, x: Tensor, steps: Tensor) -> Tensor:
        """The facts [n, 2] of standardised ``x``: how long it is, and how much it jumps from step to step."""
        real = (torch.arange(x.shape[1] - 1, device=x.device)[None, :] + 1 < steps[:, None]).to(x.dtype)
        jumps = ((x[:, 1:] - x[:, :-1]).pow(2).mean(-1) * real).sum(1) / real.sum(1).clamp(min=1)
        return torch.stack([(steps / self.usual_steps).log(), (jumps + 1e-4).log()], -1)

    def forward(self, averaged: Tensor, facts: Tensor) -> Tensor:
        """Tokens [n, 8, width] of ``averaged`` [n, 64, D]."""
        seen = self.convs(self.front(averaged).transpose(1, 2)).transpose(1, 2)
        tokens: Tensor = seen + self.facts(facts)[:, None] + self.place
        return tokens


class _Norm(nn.Module):
    """Layer norm over channels of [n, channels, steps]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return normed


class _Alone(nn.Module):
    """What a sense says by itself: its features [n, width], normed, and logits [n, K]."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(dropout)
        self.say = nn.Linear(width, classes)

    def forward(self, gist: Tensor) -> tuple[Tensor, Tensor]:
        features = self.norm(gist)
        return features, self.say(self.drop(features))


class ClipNet(nn.Module):
    """Cross-modal attention over clips; see the module.

    Args:
        shape: its sizes.
        anchors: [K, phrase], unit length: what each class means in words.
    """

    anchors: Tensor

    def __init__(self, shape: Shape, anchors: Tensor) -> None:
        super().__init__()
        width, count = shape.width, len(shape.widths)
        self.register_buffer("anchors", anchors.clone())
        self.stems = nn.ModuleList(
            Stem(size, width, shape.dropout, shape.kinds.get(name, "features")) for name, size in shape.widths.items()
        )
        self.kind = nn.Parameter(torch.randn(count, 1, width) * 0.02)
        self.gathers = nn.ModuleList(Gather(width) for _ in range(count))
        self.alone = nn.ModuleList(_Alone(width, shape.classes, shape.dropout) for _ in range(count))
        self.trust = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width + FACTS), nn.Linear(width + FACTS, 32), nn.GELU(), nn.Linear(32, 1))
            for _ in range(count)
        )
        self.layers = nn.ModuleList(Layer(width, shape.heads, shape.dropout) for _ in range(shape.layers))
        self.gather = Gather(width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(shape.dropout)
        self.say = nn.Linear(width, anchors.shape[1], bias=False)
        self.closed = nn.Linear(width, shape.classes)
        self.paired = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))

    def forward(self, x: Sequence[Tensor], steps: Sequence[Tensor], present: Tensor) -> Answer:
        """The answer to raw clips.

        Args:
            x: by modality [n, T, D].
            steps: by modality int64 [n], how many of the T are real.
            present: bool [n, M].
        """
        averaged, facts = [], []
        for stem, clip, length in zip(self.senses(), x, steps, strict=True):
            standard = stem.standard(clip, length)
            averaged.append(stem.average(standard, length))
            facts.append(stem.told(standard, length))
        return self.heard(averaged, facts, present)

    def senses(self) -> Iterator[Stem]:
        """The stems, one for each modality."""
        for stem in self.stems:
            assert isinstance(stem, Stem)
            yield stem

    def heard(self, averaged: Sequence[Tensor], facts: Sequence[Tensor], present: Tensor) -> Answer:
        """The answer to clips that are averaged already (training bends them in between)."""
        tokens = [stem(a, f) for stem, a, f in zip(self.stems, averaged, facts, strict=True)]
        gists = [gather(t, torch.zeros_like(t[..., 0]))[0] for gather, t in zip(self.gathers, tokens, strict=True)]
        said = [head(gist) for head, gist in zip(self.alone, gists, strict=True)]
        own, alone = (torch.stack(parts, 1) for parts in zip(*said, strict=True))
        doubts = [torch.cat([g.detach(), f], -1) for g, f in zip(gists, facts, strict=True)]
        reliability = torch.cat([head(d) for head, d in zip(self.trust, doubts, strict=True)], -1).sigmoid()
        reliability = reliability * present.to(reliability.dtype)
        bias = torch.where(present, log_trust(reliability), torch.full_like(reliability, MASKED))
        marked = torch.cat([t + k for t, k in zip(tokens, self.kind, strict=True)], 1)
        return self._met(marked, bias, own, alone, reliability)

    def _met(self, tokens: Tensor, bias: Tensor, own: Tensor, alone: Tensor, reliability: Tensor) -> Answer:
        trusted = bias.repeat_interleave(_TOKENS, 1)
        for layer in self.layers:
            tokens = layer(tokens, trusted)
        gist, looked = self.gather(tokens, trusted)
        features = self.norm(gist)
        embedding = unit(self.say(self.drop(features)))
        weights = looked.unflatten(1, (-1, _TOKENS)).sum(-1)
        logits = self.log_scale.exp() * embedding @ self.anchors.T
        return Answer(
            logits,
            _product(logits, alone, reliability),
            self.closed(self.drop(features)),
            alone,
            reliability,
            weights,
            self.paired(features).squeeze(-1),
            torch.cat([features[:, None], own], 1),
            embedding,
        )


def _product(logits: Tensor, alone: Tensor, reliability: Tensor) -> Tensor:
    """Log probabilities [n, K]: the joint answer's times the senses' own, to the power of how reliable each is.

    A logarithmic opinion pool (Genest and Zidek 1986); a sense that is absent has reliability 0 and no say. Divided by
    the number of answers, whoever is there: more senses make it surer, and no temperature has to undo their number.
    """
    own = (reliability[..., None] * alone.log_softmax(-1)).sum(1)
    return ((logits.log_softmax(-1) + _OWN_ANSWERS_COUNT * own) / (1 + alone.shape[1])).log_softmax(-1)
