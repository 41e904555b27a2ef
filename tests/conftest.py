"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A shared machine may stall any example; what is slow is found by bench/, not by a deadline here.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
