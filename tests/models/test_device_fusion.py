"""What the device's fusion is trained and measured on, and that its file says what torch says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models.build.device_fusion import measure, picture
from models.build.device_fusion.perceived import NOTHING, Bank, Told
from models.build.device_fusion.scenes import Director, Scene, sentences

from sensorium import concepts
from sensorium.event import Modality
from sensorium.window import Presence
from sensorium_agent.fuse.network import FusionNetwork
from sensorium_agent.fuse.pooling import by_rules
from sensorium_agent.infer.runtime.model import load
from sensorium_models import store

VOCABULARY = concepts.load()
SAID = sentences(VOCABULARY, "practice")
BANK: Bank = {
    Modality.GESTURE: {"open_palm": [(Told("open_palm", 0.9, 0.9),)], NOTHING: [(Told(None, 0.0, 0.9),)]},
}


def a_director(seed: int = 1, *, own: bool = False) -> Director:
    return Director(VOCABULARY, BANK, SAID, seed, own=own)


def some(count: int, seed: int = 1, *, own: bool = False) -> list[Scene]:
    return measure.drawn_scenes(a_director(seed, own=own), count)


def test_the_same_seed_draws_the_same_scenes() -> None:
    one, other, third = ([(s.window, s.showing) for s in some(30, seed)] for seed in (3, 3, 4))

    assert one == other != third


def test_scenes_hold_what_a_device_meets() -> None:
    drawn = some(600)
    presences = {sense.presence for scene in drawn for sense in scene.told}

    assert presences == set(Presence)
    assert {len(scene.speaking) for scene in drawn} >= {1, 2, 3}
    assert any(scene.target is None for scene in drawn)
    assert any(sense.reliability < 0.5 for scene in drawn for sense in scene.speaking)
    assert any(sense.label and not sense.speaks for scene in drawn for sense in scene.told)
    assert 0.15 < np.mean([scene.target == scene.concepts for scene in drawn]) < 0.6


def test_what_nobody_rightly_tells_means_nothing_known_or_something_else() -> None:
    for scene in some(300):
        claimed = {k for sense in scene.speaking for k in sense.claims()}
        right = {scene.showing[s.modality] for s in scene.speaking if s.modality in scene.showing}
        assert set(scene.meaning()) <= right or not set(scene.meaning()) & claimed


def test_what_is_only_stale_means_nothing_by_itself() -> None:
    drawn = [scene for scene in some(800) if scene.intended is None]
    stale = [(scene, sense) for scene in drawn for sense in scene.speaking if sense.presence is Presence.STALE]

    assert stale
    assert all(not set(scene.meaning([sense])) & set(scene.showing.values()) for scene, sense in stale)


def test_vocabularies_of_one_s_own_differ_in_size_and_order() -> None:
    drawn = some(500, own=True)

    assert len({scene.vocabulary.digest for scene in drawn}) > 3
    assert max(scene.concepts for scene in drawn) > 100


def test_answers_are_judged_by_what_they_name() -> None:
    drawn = some(400)
    found = measure.answers(by_rules, drawn)
    rows = {row.name: row for row in measure.figures(found)}

    assert rows["right where named"].value > 0.7
    assert all(row.low <= row.value <= row.high for row in rows.values())
    assert sum(count for *_, count in measure.reliability(found)) == int((found.targets >= 0).sum())


def test_the_shipped_network_is_surer_of_what_is_right_than_the_rules() -> None:
    drawn = some(500, seed=9)
    ways = {"rules": by_rules, "network": FusionNetwork(load(store.path("device_fusion")))}

    found = {
        who: {r.name: r.value for r in measure.figures(measure.answers(pool, drawn))} for who, pool in ways.items()
    }

    assert found["network"]["calibration error"] < 0.08 < found["rules"]["calibration error"]
    assert found["network"]["contradictions noticed"] > found["rules"]["contradictions noticed"]


def test_a_picture_shows_every_curve() -> None:
    drawn = picture.reliability({"rules": [(0.3, 0.8, 10)], "network": [(0.9, 0.9, 30)]}, "Device")

    assert drawn.startswith("<svg")
    assert drawn.count("<polyline") == 2


# --- with torch ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # torch's exporter warns of itself
def test_torch_onnx_runtime_and_the_device_say_the_same(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    pytest.importorskip("onnxscript", reason="needs the extra `train`")
    from models.build.device_fusion import export
    from models.build.device_fusion.net import VotingNet

    torch.manual_seed(1)
    net = VotingNet()
    torch.nn.init.normal_(net.told)

    assert export.write(net.eval(), tmp_path / "net.onnx") < 1e-4


def test_a_temperature_only_changes_how_sure_it_is() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    from models.build.device_fusion.export import question
    from models.build.device_fusion.net import VotingNet

    net, asked = VotingNet().eval(), question(4, 3, 7, seed=0)
    with torch.no_grad():
        before = net(*asked)
        net.cool(2.0)
        after = net(*asked)

    assert torch.allclose(before / 2, after, atol=1e-6)


def test_training_makes_it_less_surprised() -> None:
    pytest.importorskip("torch", reason="needs the extra `train`")
    from models.build.device_fusion import learn
    from models.build.device_fusion.net import VotingNet

    batch = learn.Batch.of(learn.lessons(some(200, seed=5)))
    trained = learn.train(a_director(6, own=True).draw, 1, steps=60, tell=lambda _: None, fresh=800)

    assert float(batch.loss(trained).detach()) < 0.6 * float(batch.loss(VotingNet()).detach())
