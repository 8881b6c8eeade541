"""k8saudit-gke: the audit log of Google Kubernetes Engine."""
