"""Rules made ready: macros and lists put in, fields and types checked, conditions turned into Python."""
