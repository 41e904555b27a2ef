"""The encoders and the fusion network, from verified model files, as the settings ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sensorium import concepts
from sensorium.event import Modality
from sensorium.symbol import ModelRef
from sensorium_cloud._app.settings import Encoders, Settings
from sensorium_cloud.encode.encoders import FrameEncoder, SentenceEncoder
from sensorium_cloud.encode.listen import Hears, Listener
from sensorium_cloud.encode.whisper import Whisper
from sensorium_cloud.fuse.dialects import Dialects
from sensorium_cloud.fuse.evidence import embed
from sensorium_cloud.fuse.fusion import Fuser
from sensorium_cloud.fuse.network import Network, read_card
from sensorium_cloud.fuse.reading import EncodeSentences
from sensorium_cloud.fuse.space import Space
from sensorium_cloud.fuse.trials import FRAMES, FUSION, SENTENCES
from sensorium_cloud.runtime.choice import AUTO, Choose, as_told, choose
from sensorium_cloud.runtime.net import Provider, available

MODELS: Final = (
    "sentence_embedding",
    "sentence_tokenizer",
    "sentence_space",
    "frame_embedding",
    "fusion_senses",
    "fusion",
)
NETS: Final = (FUSION.net, SENTENCES.net, FRAMES.net)
"""What a runtime is chosen for, each by itself."""
SPEECH: Final = {
    "model.bin": "whisper",
    "config.json": "whisper_config",
    "vocabulary.txt": "whisper_vocabulary",
    "tokenizer.json": "whisper_tokenizer",
}
"""Names of Whisper's files in the store, by those they have in their folder."""


def software() -> str:
    """Name and version of this service."""
    return f"sensorium-cloud/{version('sensorium')}"


def check_files(settings: Settings) -> None:
    """Everything that `work.load_engines` reads is there and whole; raises as it does, without loading anything."""
    from sensorium_models import store

    vocabulary(settings)
    for name in (*MODELS, *(SPEECH.values() if settings.encoders.speech == "whisper" else ())):
        store.path(name)


def vocabulary(settings: Settings) -> concepts.Vocabulary:
    """What a symbol may mean."""
    chosen = settings.fusion.vocabulary
    return concepts.load(Path(chosen) if chosen else None)


def sizes() -> Mapping[Modality, int]:
    """Numbers in a feature vector, by modality, as the fusion network's card says."""
    from sensorium_models import store

    return read_card(store.path("fusion").with_suffix(".json")).dims


def identity(settings: Settings) -> str:
    """Of everything that makes an answer what it is, but for what runs the nets."""
    from sensorium_models import store

    return _digest(software(), vocabulary(settings).digest, *(store.digest(name) for name in MODELS))


def exact_identity(settings: Settings) -> str:
    """Of everything that makes an answer what it is to the last digit.

    It knows what runs the nets as far as ``settings`` name it: those of `runtimes.settled` do. What is not there is
    done without; on a cluster that is joined nobody knows that here.
    """
    where = settings.ray.address if settings.engine.kind == "ray" else ""
    named = [provider(settings, net) for net in NETS]
    there = {*named} if where else {AUTO, *available()}
    return _digest(identity(settings), where, *(name if name in there else Provider.CPU for name in named))


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


def provider(settings: Settings, net: str) -> str:
    """What is to run ``net``, one of `NETS`: a provider, or ``auto``."""
    named: str = getattr(settings.engine.providers, net)
    return named or settings.engine.provider


# --- loading ---------------------------------------------------------------------------


def _way(settings: Settings, net: str) -> Choose:
    """How the provider of ``net`` is come by: told for it alone, it is not tried again."""
    return as_told if getattr(settings.engine.providers, net) else choose


def load_sentences(settings: Settings) -> SentenceEncoder:
    """What reads words; raises as `work.load_engines` does."""
    return _way(settings, SENTENCES.net)(SENTENCES, provider(settings, SENTENCES.net), sentences(settings))


def sentences(settings: Settings) -> Callable[[Provider], SentenceEncoder]:
    """Makes what reads words; raises as `work.load_engines` does."""
    from sensorium_models import store

    files = store.path("sentence_embedding"), store.path("sentence_tokenizer")
    table = settings.encoders

    def made(with_: Provider) -> SentenceEncoder:
        return SentenceEncoder(*files, remember=table.remember_sentences, threads=table.threads, provider=with_)

    return made


def load_frames(settings: Settings) -> FrameEncoder:
    """What looks at pictures; raises as `work.load_engines` does."""
    return _way(settings, FRAMES.net)(FRAMES, provider(settings, FRAMES.net), frames(settings))


def frames(settings: Settings) -> Callable[[Provider], FrameEncoder]:
    """Makes what looks at pictures; raises as `work.load_engines` does."""
    from sensorium_models import store

    file, table = store.path("frame_embedding"), settings.encoders

    def made(with_: Provider) -> FrameEncoder:
        return FrameEncoder(file, remember=table.remember_pictures, threads=table.threads, provider=with_)

    return made


def network(settings: Settings, encode_sentences: EncodeSentences) -> Callable[[Provider], Network]:
    """Makes the fusion network, which answers in its vocabulary; raises as `work.load_engines` does."""
    from sensorium_models import store

    meeting = store.path("fusion")
    halves, card = (store.path("fusion_senses"), meeting), read_card(meeting.with_suffix(".json"))
    concepts = embed(vocabulary(settings), encode_sentences)
    return lambda with_: Network(*halves, card, concepts, provider=with_)


def load_whisper(table: Encoders) -> Whisper:
    """What hears words.

    Raises:
        ModelMissing: run: sensorium-cloud models fetch whisper whisper_config whisper_vocabulary whisper_tokenizer.
        ModelError: CTranslate2 is not installed, or the files are not its model.
    """
    from sensorium_models import store

    return Whisper({file: store.path(name) for file, name in SPEECH.items()}, threads=table.threads)


def listener(network: Hears, table: Encoders) -> Listener:
    """What adds to windows the words that ``network`` hears in their clips."""
    from sensorium_models import store

    model = ModelRef("whisper", store.digest("whisper"))
    return Listener(network, model, limit=table.max_clips, longest_s=table.clip_s)


def load_dialects(settings: Settings, sentences: SentenceEncoder) -> Dialects:
    """What fuses; raises as `work.load_engines` does."""
    from sensorium_models import store

    meeting = store.path("fusion")
    fuser = Fuser.load(
        store.path("fusion_senses"),
        meeting,
        meeting.with_suffix(".json"),
        vocabulary(settings),
        sentences.encode,
        processed_on=settings.name,
        software=software(),
        encoders=[ModelRef(name, store.digest(name)) for name in ("sentence_embedding", "frame_embedding")],
        space=Space.load(store.path("sentence_space")),
        provider=provider(settings, FUSION.net),
        choose=_way(settings, FUSION.net),
    )
    return Dialects(fuser, sentences.encode)
