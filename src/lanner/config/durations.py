"""Lengths of time as a configuration writes them. Source: Falco 0.44, falco_utils.cpp (`parse_prometheus_interval`)."""

from __future__ import annotations

import re

_FORM = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_UNITS_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1)
_MAX_DIGITS = 15


def parse_ms(text: str) -> int | None:
    """A time such as `1h30m`, in milliseconds; None: it is none."""
    found = _FORM.fullmatch("".join(text.split()))
    if not found or not any(found.groups()) or any(len(part or "") > _MAX_DIGITS for part in found.groups()):
        return None
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), _UNITS_MS, strict=True))
