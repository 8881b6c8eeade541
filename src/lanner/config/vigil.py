"""From the keys of `blindness` to what is watched."""

from __future__ import annotations

from collections.abc import Collection

from lanner.config.blindness import Blindness
from lanner.config.durations import parse_ms
from lanner.config.reader import near
from lanner.outputs.sink import OptionError
from lanner.vigil.plan import SilencePlan, VigilPlan

_EXAMPLE = "write it like `10m`, `1h30m`"


def vigil_plan(keys: Blindness, sources: Collection[str]) -> VigilPlan:
    """What is watched.

    Args:
        keys: The section.
        sources: Names that sources can have; a path is one too.

    Raises:
        OptionError: A key cannot be used; it is named with its sections.
    """
    silence = keys.silence
    for name in silence.sources:
        if name not in sources and "/" not in name:
            help_text = near(name, [*sources]) or f"there are {', '.join(sorted(sources))}"
            raise OptionError("blindness.silence.sources", f"there is no source `{name}`", help_text)
    given = silence.sources.items()
    plan = SilencePlan(
        at_least_s=_seconds("blindness.silence.at_least", silence.at_least, 1),
        at_most_s=_seconds("blindness.silence.at_most", silence.at_most, 1),
        fixed_s={name: _seconds(f"blindness.silence.sources.{name}", text, 1, or_0=True) for name, text in given},
    )
    if plan.at_most_s < plan.at_least_s:
        raise OptionError("blindness.silence.at_most", "is less than `blindness.silence.at_least`", _EXAMPLE)
    return VigilPlan(
        silence=plan if silence.enabled else None,
        late_s=_seconds("blindness.late_after", keys.late_after, 1, or_0=True),
    )


def _seconds(key: str, text: str, least_s: float, *, or_0: bool = False) -> float:
    """A time in seconds.

    Raises:
        OptionError: It is none, or too short.
    """
    if or_0 and text.strip() == "0":
        return 0.0
    found = parse_ms(text)
    if found is None or found < least_s * 1000:
        other = ", or 0" if or_0 else ""
        raise OptionError(key, f"`{text}` is no time of at least {least_s:g} s{other}", _EXAMPLE)
    return found / 1000
