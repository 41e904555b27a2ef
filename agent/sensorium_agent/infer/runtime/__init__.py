"""What runs a model here: one call whatever the runtime; versions that change between two samples, and their judges."""
