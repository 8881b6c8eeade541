"""k8saudit-aks: the audit log of Azure Kubernetes Service, from an event hub, with checkpoints in a blob container."""

from lanner.plugins.aks.plugin import PLUGIN

__all__ = ["PLUGIN"]
