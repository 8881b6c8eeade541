"""k8saudit-aks: the audit log of Azure Kubernetes Service, from an event hub."""
