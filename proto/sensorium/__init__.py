"""What device and cloud agree on: nouns, formulas and the wire. No I/O happens here."""

import os

# ONNX Runtime tells its makers how it is used, from the moment that it is imported: over HTTPS, with an identifier that
# it keeps in the user's cache. Every part of this software imports this package before it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
