"""Writes recordings of UTD-MHAD as the datasets this package takes.

    python -m models.build.fusion.utd_mhad FILE.npz OUT.npz

UTD-MHAD (C. Chen, R. Jafari, N. Kehtarnavaz, ICIP 2015): a depth camera's skeleton and a worn accelerometer and
gyroscope, recorded together. The file holds ``skel`` [clip, frame, 20, 3], ``skel_len``, ``imu`` [clip, sample, 6],
``imu_len``, ``action``, ``subject``, ``names`` and ``desc``. For evaluation only: nothing that ships is trained on it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main() -> None:
    """Convert what the command line names."""
    source, target = (Path(argument) for argument in sys.argv[1:3])
    with np.load(source, allow_pickle=False) as own:
        skeleton, imu, steps = own["skel"], own["imu"], own["imu_len"]
        np.savez_compressed(
            target,
            x_skeleton=skeleton.reshape(*skeleton.shape[:2], -1),
            len_skeleton=own["skel_len"],
            x_accelerometer=imu[..., :3],
            len_accelerometer=steps,
            x_gyroscope=imu[..., 3:],
            len_gyroscope=steps,
            y=own["action"],
            group=own["subject"],
            names=own["names"],
            descriptions=own["desc"] if "desc" in own else own["names"],
        )
    print(f"{target}: written")


if __name__ == "__main__":
    main()
