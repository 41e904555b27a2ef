"""What is kept: answers, how far spools came, history; embedded, or in Redis."""
