"""What device and cloud agree on: nouns, formulas and the wire. No I/O happens here."""
