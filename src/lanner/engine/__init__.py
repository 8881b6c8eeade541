"""Events in, alerts out."""
