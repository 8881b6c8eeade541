"""Where events come from: each source turns files or posts into deliveries (step 6 of the data flow).

What is exported here is what sources of other packages are written with.
"""

from lanner.sources.base import (
    Delivery,
    Framing,
    Handler,
    Limits,
    NotStored,
    RejectedDelivery,
    Source,
    SourceError,
    finish,
    reason_of,
)
from lanner.sources.plugin import (
    Checkpoint,
    Context,
    Finding,
    MemoryCheckpoint,
    NoOptions,
    Plugin,
    Start,
    Trouble,
    secret,
)
from lanner.sources.retry import insist, pauses

__all__ = [
    "Checkpoint",
    "Context",
    "Delivery",
    "Finding",
    "Framing",
    "Handler",
    "Limits",
    "MemoryCheckpoint",
    "NoOptions",
    "NotStored",
    "Plugin",
    "RejectedDelivery",
    "Source",
    "SourceError",
    "Start",
    "Trouble",
    "finish",
    "insist",
    "pauses",
    "reason_of",
    "secret",
]
