"""Settings to a plan: what `lanner run` does, made when it starts, and each time the configuration is read again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec

from lanner.cli.delivery import configured_routes
from lanner.cli.detection import alert_format, compile_settings
from lanner.cli.messages import Console, ExitCode, Failure
from lanner.cli.place import UNNAMED, Place, choose_places, select_places
from lanner.cli.settings import Settings
from lanner.compiler.ruleset import RuleSet
from lanner.config.durations import parse_ms
from lanner.config.models import Config, Metrics, Webserver
from lanner.config.routing import Makings, option_problems
from lanner.config.storage import store_plan
from lanner.config.vigil import vigil_plan
from lanner.outputs.sink import OptionError
from lanner.outputs.stdout import Lines
from lanner.plugins import k8saudit
from lanner.rules.files import DEFAULT_RULES, rule_paths
from lanner.server.plan import Files, Hooks, Plan, PlanError, SnapshotPlan, SourcePlan, StorePlan, WebPlan
from lanner.server.watch import digests
from lanner.sources.auth import Access, read_tokens
from lanner.sources.base import Source, SourceError, reason_of
from lanner.sources.plugin import Context, Start
from lanner.sources.tls import Tls
from lanner.sources.webhook import WebhookOptions, WebhookSource, url_of
from lanner.vigil.plan import VigilPlan

_LOG = logging.getLogger(__name__)

_READABLE = (
    "`webserver` is open to other machines, and its tokens can be read on their way: set `webserver.ssl_enabled`"
)

_MIN_INTERVAL_MS = 100
"""Of metrics, as in Falco."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks of a run.

    Attributes:
        source: Where events come from; None: where the configuration says.
        from_start: Begin with the first event that is there, whatever was read before.
        certificate: PEM file with the certificate, for https.
        key: PEM file with its key; None: in the same file.
        allow_unauthenticated: Listen beyond loopback though nothing asks who posts.
        enabled: Names of sources; without one, all.
        disabled: Names of sources that are left out.
        client_ca: PEM file with the CAs of client certificates; None: they are not asked for.
        token_file: File of bearer tokens; None: they are not asked for.
    """

    source: str | None = None
    from_start: bool = False
    certificate: str | None = None
    key: str | None = None
    allow_unauthenticated: bool = False
    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    client_ca: str | None = None
    token_file: str | None = None


@dataclass(slots=True)
class Planner:
    """Makes plans of settings.

    Attributes:
        wishes: What the command line asks for.
        console: What to say beside the results.
        stdout: Standard output.
    """

    wishes: Wishes
    console: Console
    stdout: Lines

    def plan(self, settings: Settings) -> Plan:
        """A plan of settings.

        Raises:
            Failure: They cannot be used.
        """
        config = settings.config or Config()
        wishes = self.wishes
        places = select_places(choose_places(wishes.source, settings), wishes.enabled, wishes.disabled)
        known = _files(settings, config)
        shared = None if all(place.rules_files for place in places) else compile_settings(settings, self.console)
        return Plan(
            sources=tuple(self._source(place, settings, shared) for place in places),
            routes=configured_routes(config, settings, self.console, self.stdout),
            web=_web(config.webserver, settings),
            snapshots=_snapshots(config.metrics),
            store=_store(config),
            vigil=_vigil(config, [place.name for place in places]),
            files=known,
        )

    def again(self, settings: Settings) -> Plan:
        """A plan of the same configuration, read anew.

        Raises:
            PlanError: It cannot be used; what is wrong in detail has been said.
        """
        assert settings.again is not None  # noqa: S101 - INVARIANT: settings for a run know how they were read
        try:
            return self.plan(settings.again(replace(self.console, quiet=True)))
        except Failure as failure:
            detail = f": {failure.detail}" if failure.detail else ""
            raise PlanError(f"{failure.message}{detail}", failure.help) from failure

    def _source(self, place: Place, settings: Settings, shared: RuleSet | None) -> SourcePlan:
        own = replace(settings, rules_files=place.rules_files)
        rules = compile_settings(own, self.console) if shared is None or place.rules_files else shared
        options = self._options(place)
        webhook = listening(place, options)
        check = partial(place.plugin.check, place.open_params, options) if place.plugin.check else None
        if webhook is None:
            start = Start.FIRST if self.wishes.from_start else place.start
            try_open(place, options, start)
            opened = partial(place.plugin.open, place.open_params, options)
            return SourcePlan(
                name=place.name,
                # Rules are not among it: a file that was opened anew for other rules would be read again.
                made_of=(place.plugin, place.open_params, options),
                rules=rules,
                open=lambda hooks: opened(hooks.context),
                start=start,
                check=check,
            )
        self._check_open(place, webhook, settings)
        return SourcePlan(
            name=place.name,
            made_of=webhook,
            rules=rules,
            open=lambda hooks: _webhook(webhook, hooks),
            webhook=webhook,
            warning="" if webhook.is_guarded else _is_open(place, webhook),
            check=check,
        )

    def _options(self, place: Place) -> Any:
        """The plugin's options, with what the command line says of them."""
        wishes = self.wishes
        given = {
            "ssl_certificate": wishes.certificate,
            "ssl_key": wishes.key,
            "client_ca": wishes.client_ca,
            "token_file": wishes.token_file,
        }
        changed = {key: value for key, value in given.items() if value is not None}
        is_ours = isinstance(place.options, k8saudit.Options)
        return msgspec.structs.replace(place.options, **changed) if is_ours and changed else place.options

    def _check_open(self, place: Place, webhook: WebhookOptions, settings: Settings) -> None:
        is_wanted = place.is_wanted or self.wishes.allow_unauthenticated or settings.allow_unauthenticated
        if not webhook.is_guarded and not is_wanted:
            help_text = (
                "listen on 127.0.0.1, or by https with `clientCA` or `tokenFile`, or add `--allow-unauthenticated`"
            )
            raise Failure(_is_open(place, webhook), help_text)
        _check_secrets(webhook)


def listening(place: Place, options: Any) -> WebhookOptions | None:
    """Where and how a place listens; None when it is no webhook.

    Raises:
        Failure: It cannot be understood.
    """
    try:
        return place.plugin.listening(place.open_params, options) if place.plugin.listening else None
    except SourceError as error:
        raise Failure(str(error), error.help) from error


def try_open(place: Place, options: Any, start: Start) -> None:
    """See that a source can be made of what is configured, to begin where it is to; nothing is read.

    Raises:
        Failure: It cannot.
    """
    try:
        place.plugin.open(place.open_params, options, Context(name=place.name, start=start))
    except SourceError as error:
        raise Failure(str(error), error.help) from error
    except Exception as error:  # a plugin may be anybody's
        reason = f"{type(error).__name__}: {reason_of(error)}"
        raise Failure(f"source `{place.name}` cannot be opened: {reason}", "tell those who wrote the plugin") from error


def _is_open(place: Place, webhook: WebhookOptions) -> str:
    why = "tokens can be read on their way over http" if webhook.access.asks else "nothing asks who posts"
    return f"`{place.open_params}` is open to other machines, and {why}"


def settings_problems(settings: Settings) -> Iterator[tuple[str, str, str | None]]:
    """What would keep a run from starting with these settings: a key, what is wrong, and what to do about it."""
    config = settings.config or Config()
    makings = Makings(alert_format(settings), lambda encoding: encoding, _Nowhere(), lambda text: None)
    for error in option_problems(config, makings):
        yield error.option, error.message, error.help
    checks: Mapping[str, Callable[[], object]] = {
        "webserver.token_file": lambda: _check_web_tokens(config.webserver),
        "webserver.ssl_certificate": lambda: _check_web_certificate(config.webserver, settings),
        "metrics.interval": lambda: _snapshots(config.metrics),
    }
    for key, check in checks.items():
        try:
            check()
        except Failure as failure:
            yield key, failure.message, failure.help
    for option in (lambda: vigil_plan(config.blindness, _source_names(config)), lambda: _stored(config)):
        try:
            option()
        except OptionError as error:
            yield error.option, error.message, error.help


class _Nowhere:
    def append(self, lines: bytes) -> None:
        """Take lines, and forget them."""


def _webhook(options: WebhookOptions, hooks: Hooks) -> Source:
    def started(host: str, port: int) -> None:
        url = url_of(options, host, port)
        hooks.context.started(f"listening on {url}", url)

    at = options if hooks.at is None else replace(options, host=hooks.at[0], port=hooks.at[1])
    return WebhookSource(
        at,
        extra=hooks.extra,
        stats=hooks.stats,
        is_shared=hooks.at is not None,
        on_started=started,
        on_trouble=hooks.context.tell,
        name=hooks.context.name,
    )


def _check_secrets(options: WebhookOptions, help_text: str | None = None) -> None:
    """See that certificates and tokens can be used.

    Raises:
        Failure: They cannot.
    """
    try:
        if options.tls_files:
            Tls(options.tls_files)
        if options.access.token_file:
            read_tokens(options.access.token_file)
    except SourceError as error:
        raise Failure(str(error), help_text or error.help, ExitCode.FAILED) from error


def _check_web_tokens(server: Webserver) -> None:
    """See that the tokens of those who read metrics can be used.

    Raises:
        Failure: They cannot.
    """
    if server.enabled:
        access = Access(token_file=server.token_file or None)
        _check_secrets(WebhookOptions(access=access), "`webserver.token_file` names a file with a token a line")


def _check_web_certificate(server: Webserver, settings: Settings) -> None:
    """See that the certificate of the port for health can be used.

    Raises:
        Failure: It cannot.
    """
    listening = _web_listening(server, settings)
    if server.enabled and listening is not None:
        help_text = "`webserver.ssl_certificate` names a PEM file with a certificate and its unencrypted key"
        _check_secrets(listening, help_text)


def _web_listening(server: Webserver, settings: Settings) -> WebhookOptions | None:
    """Where health is served; None: at the port that takes posts too."""
    if settings.audit_endpoint:
        return None
    return WebhookOptions(
        host=server.listen_address,
        port=server.listen_port,
        is_tls=server.ssl_enabled,
        certificate=server.ssl_certificate,
    )


def _web(server: Webserver, settings: Settings) -> WebPlan | None:
    """What the configuration's web server serves; where it takes posts too, all is at the port of that source."""
    if not server.enabled:
        return None
    _check_web_tokens(server)
    _check_web_certificate(server, settings)
    listening = _web_listening(server, settings)
    is_read_on_the_way = listening and server.token_file and not (listening.is_tls or listening.is_loopback)
    return WebPlan(
        listening=listening,
        health_path="/" + server.k8s_healthz_endpoint.lstrip("/"),
        has_metrics=server.prometheus_metrics_enabled,
        token_file=server.token_file,
        warning=_READABLE if is_read_on_the_way else "",
    )


def _snapshots(metrics: Metrics) -> SnapshotPlan | None:
    if not metrics.enabled or not (metrics.output_rule or metrics.output_file):
        return None
    return SnapshotPlan(
        interval_s=_interval_ms(metrics.interval) / 1000,
        as_alert=metrics.output_rule,
        file=metrics.output_file,
        has_rules=metrics.rules_counters_enabled,
        has_resources=metrics.resource_utilization_enabled,
        in_megabytes=metrics.convert_memory_to_mb,
        has_zeros=metrics.include_empty_values,
    )


def _store(config: Config) -> StorePlan:
    try:
        return _stored(config)
    except OptionError as error:
        raise Failure(str(error), error.help) from error


def _stored(config: Config) -> StorePlan:
    return store_plan(config.store, config.outputs_queue.capacity, os.environ, os.geteuid())


def _vigil(config: Config, names: Iterable[str]) -> VigilPlan:
    try:
        return vigil_plan(config.blindness, {*names, *_source_names(config)})
    except OptionError as error:
        raise Failure(f"`{error.option}`: {error.message}", error.help) from error


def _source_names(config: Config) -> set[str]:
    """Names that sources of a configuration have, or those that a command line names."""
    return {*(plugin.name for plugin in config.plugins), *(entry.name for entry in config.sources), *UNNAMED}


def _interval_ms(text: str) -> int:
    """A time such as `1h30m`, or milliseconds.

    Raises:
        Failure: It is none, or so short that metrics would be all that there is.
    """
    interval = int(text) if text.isascii() and text.isdecimal() else parse_ms(text) or 0
    if interval < _MIN_INTERVAL_MS:
        raise Failure(f"`metrics.interval`: `{text}` is no time of at least 100 ms", "write it like `15m`, `1h30m`")
    return interval


def _files(settings: Settings, config: Config) -> Files:
    """The files that rules and configuration come from; the program's own rules are not watched."""
    of_sources = [path for entry in config.sources for path in entry.rules_files]
    configured = [*config.rules_files, *config.rules_file, *config.rule_files]
    rules = tuple(dict.fromkeys([*settings.rules_files, *of_sources])) or (DEFAULT_RULES,)
    includes = [entry if isinstance(entry, str) else entry.path for entry in config.config_files]
    named = dict.fromkeys([*settings.config_files, *includes, *rules, *configured])
    watched = tuple(name for name in named if name != DEFAULT_RULES) if config.watch_config_files else ()
    return Files(
        config=digests(settings.config_files),
        rules=digests(map(str, rule_paths(rules))),
        watched=watched,
        seen=digests(watched),
    )
