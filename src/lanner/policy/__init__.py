"""Audit policies of Kubernetes: what an API server records under one, and what a rule set needs of it."""
