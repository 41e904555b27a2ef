"""Hearts and skins: how near to the reference libraries, and is stress told from rest?

    pip install "heartpy==1.2.7" "neurokit2>=0.2.12" matplotlib "setuptools<80"   # in an environment of its own
    python models/build/biometric.py rate                  against heartpy's recordings and NeuroKit2's simulator
    python models/build/biometric.py arousal [--real DIR] [--wesad TABLE.csv]     people who do not exist, and who do
    python models/build/biometric.py fit --real DIR        the weights in infer/biometric/arousal.py

DIR is a copy of github.com/italha-d/Stress-Predict-Dataset (MIT): Iqbal et al., Stress Monitoring Using Wearable
Sensors: A Pilot Study and Stress-Predict Dataset, Sensors 22 (21), 2022. TABLE.csv has the features of WESAD's minutes
(Schmidt et al., Introducing WESAD, ICMI 2018), whose terms allow research and nothing else: it is measured on, and
nothing here was fitted to it. Make it from your own copy; `biometric_persons.windows` names the columns.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import biometric_arousal
import biometric_rate


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rate", "arousal", "fit"))
    parser.add_argument("--real", type=Path, help="folder of the Stress-Predict dataset")
    parser.add_argument("--wesad", type=Path, help="table of WESAD's minutes")
    parser.add_argument("--people", type=int, default=80, help="people who do not exist, of each kind")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.what == "rate":
        biometric_rate.report()
    elif options.what == "arousal":
        biometric_arousal.report(options.people, options.real, options.wesad)
    else:
        biometric_arousal.fit(options.people, options.real)


if __name__ == "__main__":
    main()
