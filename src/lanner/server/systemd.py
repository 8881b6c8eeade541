"""What systemd wants to know of a service of `Type=notify`. Source: sd_notify(3), sd_watchdog_enabled(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell systemd, if it has started this program and wants to know; what goes wrong with it is of no consequence.

    Args:
        state: Lines such as `READY=1`.
        environment: Where `NOTIFY_SOCKET` is looked up.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.setblocking(False)
        to.sendto(state.encode(), b"\0" + address[1:].encode() if address[0] == "@" else address)


def notify_reloading(environment: Mapping[str, str] = os.environ) -> None:
    """Tell systemd that the configuration is being read again; `READY=1` ends that."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", environment)


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often systemd wants a sign of life, in seconds: half of the time after which it would kill; None: never."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 2e6 if text.isdecimal() and int(text) > 0 else None
