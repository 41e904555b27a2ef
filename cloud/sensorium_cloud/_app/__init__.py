"""Building, running and watching the service."""
