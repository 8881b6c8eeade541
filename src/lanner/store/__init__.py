"""Alerts on disk, where each output has come to, checkpoints of sources: what an acknowledgement relies on."""
