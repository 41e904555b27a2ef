"""Trains the space in which sentences are compared with concepts: one linear map of the encoder's vectors.

    python -m models.build.sentence_space CHECKOUTS --out models/weights/sentence_space.npz

CHECKOUTS is a folder with copies of the public collections of `sentence_sets`. Each step of the training is a small
vocabulary as a user writes one: intents drawn from the collections, each with its name in some wordings and none to
eight examples; the map is moved so that other sentences of the intents come to lie nearest to the mean of their own
(prototypical networks, Snell et al. 2017), and held to the identity by a quadratic penalty. Nothing of a vocabulary is
learnt, only which directions of the encoder tell intents apart.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from models.build.sentence_sets import COLLECTIONS, Said, read

from sensorium_cloud.encode.encoders import SENTENCE_WIDTH, SentenceEncoder
from sensorium_cloud.fuse.space import in_words
from sensorium_models import store

Floats = npt.NDArray[np.float32]
_SEED: Final = 2026
_STEPS: Final = 500
_RATE: Final = 1e-3
_HELD: Final = 0.03
"""Weight of the squared distance from the identity."""
_SHARPNESS: Final = 20.0
_SMOOTHING: Final = 0.05
_INTENTS: Final = 60
_ASKED: Final = 3
_SHOTS: Final = (0, 0, 1, 2, 5, 8)
_NAME_WEIGHS: Final = 2.0
"""Beside an example: the name stands for itself and for a description made of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Intent:
    """One intent of a collection.

    Attributes:
        collection: which one.
        named: float32 [w, 384], its name in w wordings.
        said: float32 [n, 384], its sentences.
    """

    collection: str
    named: torch.Tensor
    said: torch.Tensor


def encoded(said: Said, collection: str, encoder: SentenceEncoder) -> list[Intent]:
    """The intents of a collection that have two sentences or more, as vectors."""
    own: dict[str, list[str]] = {}
    for text, intent in said:
        own.setdefault(intent, []).append(text)
    return [
        Intent(
            collection,
            torch.from_numpy(encoder.encode([f"A request about {name}.", *in_words(name)])),
            torch.from_numpy(encoder.encode(texts)),
        )
        for name, texts in sorted(own.items())
        if len(texts) > 1
    ]


def trained(intents: Sequence[Intent], *, seed: int = _SEED, steps: int = _STEPS) -> tuple[Floats, Floats]:
    """The map's matrix [384, 384] and offset [384]: a row x becomes x matrix + offset, at unit length."""
    rng = np.random.default_rng(seed)
    matrix = torch.eye(SENTENCE_WIDTH, requires_grad=True)
    offset = torch.zeros(SENTENCE_WIDTH, requires_grad=True)
    sharpness = torch.tensor(float(np.log(_SHARPNESS)), requires_grad=True)
    given = [matrix, offset, sharpness]
    optimiser = torch.optim.AdamW(given, lr=_RATE, weight_decay=0)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    identity = torch.eye(SENTENCE_WIDTH)
    for _ in range(steps):
        loss = _loss(_chosen(intents, rng), rng, matrix, offset, sharpness.exp())
        held = (matrix - identity).square().sum() + offset.square().sum()
        optimiser.zero_grad()
        (loss + _HELD * held).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        slower.step()
    return matrix.detach().numpy(), offset.detach().numpy()


def _chosen(intents: Sequence[Intent], rng: np.random.Generator) -> list[Intent]:
    """A vocabulary: of one collection, where intents are alike, or of all."""
    pool = list(intents)
    if rng.random() < 1 / 2:
        collections = sorted({intent.collection for intent in intents})
        one = collections[rng.integers(len(collections))]
        pool = [intent for intent in intents if intent.collection == one]
    return [pool[place] for place in rng.permutation(len(pool))[:_INTENTS]]


def _loss(
    chosen: Sequence[Intent],
    rng: np.random.Generator,
    matrix: torch.Tensor,
    offset: torch.Tensor,
    sharpness: torch.Tensor,
) -> torch.Tensor:
    shots = int(rng.choice(_SHOTS))
    places, asked, meant = [], [], []

    def moved(rows: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(rows @ matrix + offset, dim=-1)

    for number, intent in enumerate(chosen):
        order = rng.permutation(len(intent.said))
        kept = min(shots, len(order) - 1)
        worded = intent.named[rng.permutation(len(intent.named))[: rng.integers(1, len(intent.named) + 1)]]
        places.append(_NAME_WEIGHS * moved(worded).mean(0) + moved(intent.said[order[:kept]]).sum(0))
        others = intent.said[order[kept : kept + _ASKED]]
        asked.append(others)
        meant += [number] * len(others)
    concepts = torch.nn.functional.normalize(torch.stack(places), dim=-1)
    logits = sharpness * moved(torch.cat(asked)) @ concepts.T
    return torch.nn.functional.cross_entropy(logits, torch.tensor(meant), label_smoothing=_SMOOTHING)


def whole_words(tokenizer: Path) -> list[str]:
    """The words of Latin letters that have a piece of their own."""
    pieces = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(piece for piece in pieces if piece.isascii() and piece.isalnum())


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", type=Path, metavar="CHECKOUTS")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(COLLECTIONS), help="leave these out")
    asked = parser.parse_args()
    torch.manual_seed(_SEED)
    torch.set_num_threads(1)
    encoder = SentenceEncoder(store.path("sentence_embedding"), store.path("sentence_tokenizer"), remember=100_000)
    intents: list[Intent] = []
    for name in COLLECTIONS:
        if name not in asked.without:
            own = encoded(read(asked.checkouts, name), name, encoder)
            print(f"{name}: {len(own)} intents, {sum(len(i.said) for i in own)} sentences", flush=True)
            intents += own
    matrix, offset = trained(intents)
    # Half floats: the map moves a sentence by far more than the 11 bits they keep.
    words = np.frombuffer("\n".join(whole_words(store.path("sentence_tokenizer"))).encode(), np.uint8)
    np.savez_compressed(asked.out, matrix=matrix.astype(np.float16), offset=offset.astype(np.float16), words=words)
    print(f"wrote {asked.out}, {asked.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
