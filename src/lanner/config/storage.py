"""The keys of `store`, and from them to where alerts are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from lanner.config.durations import parse_ms
from lanner.config.section import Section, used
from lanner.outputs.sink import OptionError

if TYPE_CHECKING:
    from lanner.server.plan import StorePlan

_SIZE = re.compile(r"([0-9]{1,9})\s*(B|KiB|MiB|GiB|TiB)", re.ASCII | re.IGNORECASE)
_UNITS = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_MIN_SIZE = 1 << 20


class Storage(Section, frozen=True):
    """`store`."""

    enabled: Annotated[
        bool, used("Whether alerts are stored durably; if not, they are kept in memory and lost when Lanner ends.")
    ] = True
    url: Annotated[
        str,
        used(
            "Where: `sqlite:////PATH/alerts.db` or `postgresql://USER@HOST/DATABASE`; none: `alerts.db` in "
            "`$LANNER_STATE_DIR`, `$STATE_DIRECTORY`, `/var/lib/lanner` for root, or `~/.local/state/lanner`."
        ),
    ] = ""
    retention: Annotated[str, used("How long delivered alerts, and dead letters, are kept.")] = "30d"
    max_size: Annotated[
        str, used("What alerts may take; the oldest delivered ones go first, and undelivered ones never.")
    ] = "1GiB"
    give_up_after: Annotated[
        str, used("How long an output that fails is tried with an alert before that becomes a dead letter.")
    ] = "24h"


def store_plan(keys: Storage, capacity: int, environment: Mapping[str, str], user: int) -> StorePlan:
    """Where alerts are kept, and for how long.

    Args:
        keys: The section.
        capacity: How many alerts are kept in memory beside; 0: the usual number.
        environment: Variables of the environment.
        user: The number of the user.

    Raises:
        OptionError: A key cannot be used; it is named with its section.
    """
    from lanner.outputs.window import QueueLimits  # noqa: PLC0415 - heavy, and only who runs needs it
    from lanner.server.plan import StorePlan  # noqa: PLC0415 - as above
    from lanner.store.errors import StoreError  # noqa: PLC0415 - as above
    from lanner.store.place import locate, usual  # noqa: PLC0415 - as above
    from lanner.store.writer import Bounds  # noqa: PLC0415 - as above

    give_up_after_s = _seconds("give_up_after", keys.give_up_after)
    bounds = Bounds(
        retention_s=_seconds("retention", keys.retention), max_bytes=_bytes(keys.max_size), absence_s=give_up_after_s
    )
    try:
        place = locate(keys.url) if keys.url else usual(environment, user)
    except StoreError as error:
        raise OptionError("store.url", str(error), error.help) from error
    return StorePlan(
        place=place if keys.enabled else None,
        may_fall_back=not keys.url,
        bounds=bounds,
        give_up_after_s=give_up_after_s,
        limits=QueueLimits(max_alerts=capacity) if capacity else QueueLimits(),
    )


def usual_store(keys: Storage) -> str:
    """The URL of the store that a run with these keys uses; for those who look at it."""
    from lanner.store.place import usual  # noqa: PLC0415 - heavy

    return keys.url or usual(os.environ, os.geteuid()).url.render_as_string(hide_password=False)


def _seconds(key: str, text: str) -> float:
    found = parse_ms(text)
    if found is None or found < 1000:
        raise OptionError(f"store.{key}", f"`{text}` is no time of at least 1 s", "write it like `30d`, `12h`")
    return found / 1000


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    size = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    if size < _MIN_SIZE:
        raise OptionError("store.max_size", f"`{text}` is no size of at least 1 MiB", "write it like `1GiB`, `500MiB`")
    return size
