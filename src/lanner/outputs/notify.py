"""Alerts to people: chats, pagers, e-mail and every other service that Apprise knows."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

from lanner.engine.alert import Alert
from lanner.outputs.format import escape, for_terminal
from lanner.outputs.sink import OptionError, RefusedError
from lanner.outputs.template import AlertTemplate
from lanner.rules.priority import Priority

if TYPE_CHECKING:
    from apprise import AppriseAsset
    from apprise.plugins.base import NotifyBase

_MAX_TITLE = 200
_MAX_REASON = 300
_PAUSE_S = 1.0
"""Seconds between messages to a service of which Apprise knows no limit; it waits 5.5 s then, too long for alerts."""
_CUT = " … (cut)"
_MASK = "***"
_SCHEME = re.compile(r"\s*([a-z0-9][a-z0-9+.-]{0,40})://", re.I)
_PARTS_OF_URL = re.compile(r"[^/:@?&=,#\s]{4,}")
_HOST = re.compile(r"//([^\s/]*)")
_ACTIVE = re.compile(r"@|//|<(?!NA>)|www(?=\.)", re.I)
"""What a medium may turn into a mention, a link or a tag: `@channel`, `<!here>`, `<users/all>`, `https://…`."""
_LINK = re.compile(r"\](?=\(|\Z)")
"""Between the two halves of a link, `[text](address)`; the second may come from what follows the value."""

TYPES = MappingProxyType(
    {
        Priority.EMERGENCY: "failure",
        Priority.ALERT: "failure",
        Priority.CRITICAL: "failure",
        Priority.ERROR: "failure",
        Priority.WARNING: "warning",
        Priority.NOTICE: "info",
        Priority.INFORMATIONAL: "info",
        Priority.DEBUG: "info",
    }
)
"""What Apprise calls a severity; services show it as a colour, an icon or, on a pager, as theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyOptions:
    """What an entry of `notify_outputs` says beside which alerts it wants.

    Attributes:
        urls: Addresses of services in the form of Apprise, such as `slack://…` or `mailtos://…`; all are secrets.
        title: A template of the title, of the subject for e-mail.
        template: A template of the text; it may have several lines.
        max_chars: A longer text is cut there, and again at what the service takes.
        timeout_s: How long connecting and the answer may take, each.
        give_up_s: How long an alert is tried again before it is given up.
    """

    urls: Sequence[str]
    title: str = "%priority: %rule"
    template: str = "%message\n%time on %hostname"
    max_chars: int = 4000
    timeout_s: float = 10
    give_up_s: float = 300


@dataclass(frozen=True, slots=True)
class _Service:
    """One address, and what of it must not be told."""

    plugin: NotifyBase
    secrets: tuple[str, ...]


class NotifyOutput:
    """Sends a message an alert to each service, as plain text that Apprise encodes for the medium.

    Values from events are broken where a medium would make something of them: no mention, no link, no tag comes from
    one. What the operator writes into a template stays as it is.

    Apprise does not say why a service did not take a message. So each failure is tried again, for services that did not
    take it alone, and a message that fails for `give_up_s` is refused: it could be the message.
    """

    max_batch: ClassVar[int] = 1

    def __init__(
        self, options: NotifyOptions, *, iso8601: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Check the options; services are sought with the first write.

        Args:
            options: Where to and how.
            iso8601: Date and time in UTC instead of the local time of day in `%output`.
            clock: Seconds that never go back.

        Raises:
            OptionError: An option cannot be used, or Apprise is not installed. It shows no address.
        """
        self._title = AlertTemplate(options.title, iso8601=iso8601, option="title")
        self._body = AlertTemplate(options.template, iso8601=iso8601)
        self._options = options
        self._clock = clock
        self._services = _services(options)
        self._current: Alert | None = None
        self._left: Sequence[_Service] = ()
        self._since = 0.0

    @property
    def place(self) -> str:
        """Nothing: addresses are secrets, and failures name the service."""
        return ""

    def write(self, alerts: Sequence[Alert]) -> None:
        """Send the alerts, in order.

        Raises:
            RefusedError: A service did not take the alert for too long.
            OSError: A service did not take it; with the same alert again, those that did are left out.
        """
        for alert in alerts:
            self._deliver(alert)

    def flush(self) -> None:
        """Nothing waits: each message was answered."""

    def close(self) -> None:
        """Nothing is open between messages."""

    def reopen(self) -> None:
        """Nothing is open between messages."""

    def _deliver(self, alert: Alert) -> None:
        if alert != self._current:
            self._current, self._left, self._since = alert, self._services, self._clock()
        title = _cut(self._title.fill(alert, inert), _MAX_TITLE)
        body = _cut(self._body.fill(alert, inert), self._options.max_chars)
        tried = [(service, _send(service, title, body, TYPES[alert.priority])) for service in self._left]
        reasons = [reason for _, reason in tried if reason is not None]
        self._left = [service for service, reason in tried if reason is not None]
        if not reasons:
            self._current = None
            return
        text = "; ".join(reasons)
        if self._clock() - self._since >= self._options.give_up_s:
            self._current = None
            raise RefusedError(text)
        raise OSError(text)


def inert(value: str) -> str:
    """A value of an event on one line, in which no medium finds anything to act on.

    As those who share addresses of malware write them: `https:[//]evil[.]example`, `[@]channel`, `[<]!here>`. What
    UTF-8 cannot say becomes `?`.
    """
    text = for_terminal(escape(value.encode("utf-8", "replace").decode())).decode()
    text = _HOST.sub(lambda found: f"//{found[1].replace('.', '[.]')}", text)
    text = _ACTIVE.sub(lambda found: f"[{found[0]}]", text)
    return _LINK.sub("] ", text)


def _send(service: _Service, title: str, body: str, kind: str) -> str | None:
    """Send one message, and give what went wrong, without secrets."""
    from apprise import NotifyFormat  # noqa: PLC0415 - as below

    name = str(service.plugin.service_name)
    with _listening() as said:
        try:
            is_taken = service.plugin.notify(body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT)
        except Exception as error:  # a plugin's own failure must not keep the other services from the alert
            said.append(f"failed with {type(error).__name__}")
            is_taken = False
    if is_taken:
        return None
    reason = said[-1] if said else "did not take the alert"
    for secret in service.secrets:
        reason = reason.replace(secret, _MASK)
    return f"{name}: {_cut(for_terminal(escape(reason)).decode(), _MAX_REASON)}"


def _services(options: NotifyOptions) -> tuple[_Service, ...]:
    """The services of the addresses.

    Raises:
        OptionError: There is none, Apprise does not know one, or Apprise is not installed.
    """
    try:
        import apprise  # noqa: F401, PLC0415 - an extra, and slow to load; only who notifies needs it
    except ImportError as error:
        raise OptionError("urls", "Apprise is not installed", "run `pip install 'lanner[notify]'`") from error
    if not options.urls:
        raise OptionError("urls", "empty", "write an address such as `slack://…` or `mailtos://…`")
    _quieten()
    asset = _asset()
    return tuple(_service(url, number, options, asset) for number, url in enumerate(options.urls, 1))


def _service(url: str, number: int, options: NotifyOptions, asset: AppriseAsset) -> _Service:
    from apprise import Apprise, NotifyBase, OverflowMode  # noqa: PLC0415 - as above

    plugin = Apprise.instantiate(url, asset=asset)
    if plugin is None:
        raise OptionError("urls", f"address {number} cannot be used: {_misfit(url)}", _near(url))
    if plugin.overflow_mode is OverflowMode.UPSTREAM:
        plugin.overflow_mode = OverflowMode.TRUNCATE  # a service refuses what is too long for it
    if plugin.request_rate_per_sec == NotifyBase.request_rate_per_sec:
        plugin.request_rate_per_sec = _PAUSE_S
    if "cto=" not in url:
        plugin.socket_connect_timeout = options.timeout_s
    if "rto=" not in url:
        plugin.socket_read_timeout = options.timeout_s
    return _Service(plugin, _secrets(url))


def _misfit(url: str) -> str:
    """What is wrong with an address. Apprise's own words are not used: it names the parts that it does not like."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "it does not begin with a service and `://`"
    if scheme[1].lower() not in _schemes():
        return f"Apprise knows no service `{scheme[1]}`"
    return f"a part is missing or has not the form that `{scheme[1]}://` wants"


def _near(url: str) -> str | None:
    scheme = _SCHEME.match(url)
    near = get_close_matches(scheme[1].lower(), _schemes(), n=1) if scheme else []
    return f"did you mean `{near[0]}://`?" if near and scheme and near[0] != scheme[1].lower() else None


def _schemes() -> list[str]:
    from apprise.manager_plugins import NotificationManager  # noqa: PLC0415 - as above

    return [*map(str, NotificationManager().schemas())]  # type: ignore[no-untyped-call] # theirs has no types


def _asset() -> AppriseAsset:
    """Apprise with nothing that reads files, keeps files, follows redirects or interprets what is sent."""
    from apprise import AppriseAsset  # noqa: PLC0415 - as above

    return AppriseAsset(
        app_id="Lanner",
        app_desc="Lanner",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        http_redirects=False,
        interpret_emojis=False,
        interpret_escapes=False,
        pgp_autogen=False,
        pem_autogen=False,
        secure_logging=True,
    )


def _secrets(url: str) -> tuple[str, ...]:
    """All in an address that is long enough to be a secret, longest first."""
    _, _, rest = url.partition("://")
    found = {part for text in (rest, unquote(rest)) for part in _PARTS_OF_URL.findall(text)}
    return tuple(sorted(found, key=len, reverse=True))


def _quieten() -> None:
    """Keep what Apprise and urllib3 say to themselves: it may hold addresses; `_listening` hears what matters."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.ERROR)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise warns of in this thread."""
    handler = _Handler()
    logger = logging.getLogger("apprise")
    logger.addHandler(handler)
    try:
        yield handler.said
    finally:
        logger.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.said.append(record.getMessage())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT
