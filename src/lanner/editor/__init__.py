"""What an editor asks about a rule file while it is written."""
