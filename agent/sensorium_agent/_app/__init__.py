"""Building, running and watching the agent; nothing here decides what a sample means."""
