"""kafka: topics of audit events, shared between the members of a consumer group.

How an installation grows past one machine: every Lanner of a group reads its own partitions.
"""

from lanner.plugins.kafka.plugin import PLUGIN

__all__ = ["PLUGIN"]
