"""Threat detection on Kubernetes audit logs, with Falco's rules."""
