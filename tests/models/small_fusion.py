"""A small fusion as torch trained it, for machines without torch, and what torch said of some clips.

    python -m models.small_fusion      in tests/, with the extra `train`: trains it anew into tests/models/small_fusion/

It knows three of the four classes of `clips`; the fourth is for teaching. ``said.npz`` holds clips and, for each output
of the network, what torch said of them: as they are, and with one sense each.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("small_fusion")
KNOWN = ("rise", "fall", "swing")


def main() -> None:
    """Train, export, and have torch say what ONNX Runtime must say."""
    from models.build.fusion import commands, study
    from models.build.fusion import dataset as datasets
    from models.build.fusion.answers import OUTPUTS, inputs
    from models.build.fusion.export import answers
    from models.build.fusion.recipe import Recipe
    from models.clips import a_file

    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        data = a_file(Path(scratch))
        plan = study.Plan(seeds=1, folds=4, processes=1, recipe=Recipe(epochs=120, width=16, layers=1))
        commands.train(data, out, plan, novel=("rest",), kinds={"camera": "features"})
        pool, clips = study.load_pool(out), datasets.read(data).only(KNOWN).take(np.arange(0, 36, 5))
        FOLDER.mkdir(exist_ok=True)
        for name in study.MODEL_FILES:
            (FOLDER / name).write_bytes((out / name).read_bytes())
    card = json.loads((FOLDER / "model.json").read_text())
    card["data"]["path"] = "clips.npz"  # the scratch folder is gone
    (FOLDER / "model.json").write_text(json.dumps(card, indent=1) + "\n")
    one_each = np.arange(len(clips))[:, None] % 2 == np.arange(2)[None, :]
    shown = {"whole": clips, "one": clips.seen_through(one_each)}
    widths = {name: sense.x.shape[2] for name, sense in clips.senses.items()}
    said = {f"{how}_{name}": getattr(answers(pool, some), name) for how, some in shown.items() for name in OUTPUTS}
    given = {f"given_{how}_{name}": x for how, some in shown.items() for name, x in inputs(some, widths).items()}
    np.savez_compressed(FOLDER / "said.npz", **said, **given)


if __name__ == "__main__":
    main()
