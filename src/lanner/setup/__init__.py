"""Files that set up a cluster for Lanner: for its API server, for Lanner in it, and for the log of a provider."""
