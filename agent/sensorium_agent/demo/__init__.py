"""The recording that `sensorium demo` plays, and what made the parts of it that are not real."""
