"""What device and cloud agree on: nouns, formulas and the wire. No I/O happens here."""

import os

# ONNX Runtime 1.32 is built with telemetry: as it is imported it makes an identifier, and a store of events in the
# user's cache. Every part of this software imports this package before it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
