"""The fusion network in torch: what `models.build.fusion.events` trains and writes as ONNX.

One token per modality: its events, each a feature vector and the phrase its label stands for, are
pooled by attention before the modalities look at each other (48 event tokens instead of 6 would cost
the cloud eight times as much). What a modality says of itself depends on no other, so it is written as a
network of its own (`Senses`), run once a window, with what it answers alone, which is most of the work; the one that
lets modalities look at each other (`Meeting`) is asked about all, and about all but one. Tokens know of a phrase only
that there is one: what it means counts by its place in the sentence space (the anchors), so that no concept is known by
heart. Absence is a mask; how far a sense can be trusted is added to the attention logits as log(reliability x decay)
(Vaswani et al. 2017, masked scaled dot-product attention). The answer lives in the sentence encoder's space:

    embedding = unit(sum_m attention_m (gain_m phrase_m + W h_m))

so that a concept is scored by its own words, also one that was never trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from models.build.fusion.attention import Gather, Layer, log_trust, unit
from torch import Tensor, nn

FACTS = 4
"""Of an event: features given, phrase given, score, trust."""
TRUST = 3


class FusionNet(nn.Module):
    """Cross-modal attention over the events of a window.

    Args:
        dims: numbers in a feature vector, by modality, in the order of `Modality`.
        phrase: length of a sentence embedding.
        width: of a token; heads divide it.
        layers: of attention between the modalities.
        heads: of each layer.
    """

    def __init__(
        self, dims: Mapping[str, int], phrase: int = 384, width: int = 128, layers: int = 1, heads: int = 4
    ) -> None:
        super().__init__()
        self.stems = nn.ModuleList(nn.Linear(d, width) for d in dims.values())
        self.dim = nn.Dropout(0.3)
        self.facts = nn.Linear(FACTS, width)
        self.kind = nn.Parameter(torch.randn(len(dims), 1, width) * 0.02)
        self.event = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.1))
        self.pick = nn.Linear(width, 1)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.gather = Gather(width)
        self.gain = nn.Parameter(torch.ones(len(dims), 1))
        self.say = nn.Linear(width, phrase, bias=False)
        self.none = nn.Linear(width, 1)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        nn.init.normal_(self.say.weight, std=0.01)
        nn.init.constant_(self.none.bias, 0.5)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The window's place in the sentence space, where it looked, and how near a concept has to be.

        Args:
            inputs: features by modality [batch, events, dims], then phrases [batch, modalities, events,
                phrase], then facts [batch, modalities, events, 4].

        Returns:
            embedding [batch, phrase] at unit length; attention [batch, modalities], sums to 1; none
            [batch], the cosine a concept must exceed to be likelier than "none of them".
        """
        *features, phrases, facts = inputs
        raw = torch.stack([stem(self.dim(x)) for stem, x in zip(self.stems, features, strict=True)], 1)
        tokens, anchors, trusted = self.told(raw, phrases, facts, self.kind, self.gain)
        return self.met(tokens, anchors, trusted)

    def told(
        self, raw: Tensor, phrases: Tensor, facts: Tensor, kind: Tensor, gain: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What each modality says by itself: its token [..., width], anchor [..., phrase] and log trust [...].

        ``raw`` [..., events, width] are its events' features behind their stem; ``kind`` and ``gain`` are its own.
        """
        trust = facts[..., TRUST]
        events = self.event(raw + self.facts(facts) + kind)
        within = torch.softmax(self.pick(events).squeeze(-1) + log_trust(trust), -1).unsqueeze(-1)
        return (within * events).sum(-2), (within * phrases).sum(-2) * gain, log_trust(trust.amax(-1))

    def met(self, tokens: Tensor, anchors: Tensor, trusted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What modalities say together; [batch, modalities, ...], as many as there are."""
        for layer in self.layers:
            tokens = layer(tokens, trusted)
        gist, attention = self.gather(self.norm(tokens), trusted)
        embedding, none = self._said(gist, (attention.unsqueeze(-1) * anchors).sum(1))
        return embedding, attention, none

    def alone(self, tokens: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """What `met` says of groups of one: embedding [n, phrase] and none [n] of ``tokens`` [n, width]."""
        for layer in self.layers:
            tokens = layer.alone(tokens)
        return self._said(self.norm(tokens), anchors)

    def _said(self, gist: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        return unit(anchors + self.say(gist)), self.none(gist).squeeze(-1)


class Senses(nn.Module):
    """The half of a `FusionNet` that hears each modality by itself, over only those that are there."""

    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Of each of n modalities of some windows: what it passes on, and what it says with nobody beside it.

        Token [n, width], anchor [n, phrase] and log trust [n]; embedding [n, phrase] and none [n], as `Meeting` gives
        them of groups of one.

        Args:
            inputs: features by modality [n_m, events, dims], then for all of them, in the same order, phrases [n,
                events, phrase], facts [n, events, 4] and which modality it is, int64 [n].
        """
        *features, phrases, facts, which = inputs
        raw = torch.cat([stem(x) for stem, x in zip(self.net.stems, features, strict=True)], 0)
        tokens, anchors, trusted = self.net.told(raw, phrases, facts, self.net.kind[which], self.net.gain[which])
        return tokens, anchors, trusted, *self.net.alone(tokens, anchors)


class Meeting(nn.Module):
    """The other half: any of a window's modalities look at each other."""

    def __init__(self, net: FusionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: Tensor, anchors: Tensor, trusted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embedding [n, phrase], attention [n, modalities] and none [n], as `FusionNet` gives them."""
        return self.net.met(tokens, anchors, trusted)


def logits(net: FusionNet, inputs: list[Tensor], concepts: Tensor) -> Tensor:
    """[batch, concepts + 1]: scaled cosines, then the bar for "none of them"."""
    embedding, _, none = net(*inputs)
    return net.log_scale.exp() * torch.cat([embedding @ concepts.T, none.unsqueeze(-1)], -1)
