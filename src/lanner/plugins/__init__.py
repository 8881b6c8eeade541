"""Sources as plugins: Lanner's own, found like those of others through entry points."""
