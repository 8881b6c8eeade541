"""The command line: one module per command, none of which is imported before it is asked for."""
