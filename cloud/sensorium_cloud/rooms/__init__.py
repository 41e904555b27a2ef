"""Sessions that several devices and browsers feed, in one process or in many."""
