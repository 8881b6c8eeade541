"""Kinds of sources: those that come with Lanner, a package each, and how those and others are found."""
