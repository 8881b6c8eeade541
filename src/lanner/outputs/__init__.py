"""Alerts to where people and programs read them; an output does not know rules or sources exist."""
