"""Sigma rules for Kubernetes audit logs to Falco rules. Needs the library pySigma, which reads them."""
