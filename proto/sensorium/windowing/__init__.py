"""What ``align`` is made of, and the other kinds of window: session and pair."""
