"""`lanner init`: the files that set up a cluster."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from lanner.cli.messages import Console, ExitCode, Failure, counted, say
from lanner.cli.options import rules_option
from lanner.cli.policy import enabled_rules, starved, warn_of_blind_spot
from lanner.policy.check import check_policy
from lanner.policy.generate import generate_policy
from lanner.policy.lint import patch_bodies as records_patch_bodies
from lanner.policy.write import BLIND_SPOT, SCOPE, policy_object, to_text
from lanner.rules.files import DEFAULT_RULES, read_rule_files
from lanner.setup.apiserver import DISTRIBUTIONS, apiserver_files, audit_sink
from lanner.setup.clouds import CLOUDS, cloud_files
from lanner.setup.manifests import manifest_files
from lanner.setup.model import LOOPBACK, Files, Setup
from lanner.setup.watching import port_of, with_canary

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PRIVATE = 0o600
_UNFIT = re.compile(r"[^-._a-zA-Z0-9]")
"""What the name of a file in a ConfigMap does not have."""
_MOST_RULES = 150_000
"""Bytes; `kubectl apply` puts all of an object once more into an annotation, of 256 KiB at most and escaped."""
_ALWAYS = ("distribution", "provider", "folder", "force")


@click.command("init")
@click.option("--distribution", type=click.Choice([*DISTRIBUTIONS]), help="How the cluster was made.")
@click.option("--provider", type=click.Choice([*CLOUDS]), help="Who runs the managed cluster.")
@click.option("--output", "folder", metavar="DIR", default="lanner-setup", show_default=True, help="Where to write.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@rules_option
@click.option(
    "--secret-bodies", is_flag=True, help="Let the policy record bodies of secrets, where rules ask for them."
)
@click.option(
    "--no-patch-bodies", is_flag=True, help="Let it record none of patches: one apply in YAML then loses no events."
)
@click.option("--url", default=LOOPBACK, show_default=True, help="Where the API servers post.")
@click.option("--ca", metavar="PATH", help="The CA's certificate, on the API servers.")
@click.option("--client-cert", "client_certificate", metavar="PATH", help="Their client certificate, likewise.")
@click.option("--client-key", metavar="PATH", help="Its key, likewise.")
@click.option("--token-file", metavar="PATH", help="Where the file with their bearer token goes, likewise.")
@click.option("--image", default="lanner:latest", show_default=True, help="Lanner's container image.")
@click.option("--namespace", default="lanner", show_default=True, help="The namespace that Lanner runs in.")
@click.option("--from", "source_ranges", metavar="CIDR", multiple=True, help="Network of the API servers; repeatable.")
@click.option("--audit-sink", "has_sink", is_flag=True, help="Also write an AuditSink, for Kubernetes 1.13 to 1.18.")
@click.option("--allow-unauthenticated", is_flag=True, help="Let it post without proving who it is, with --from.")
@click.option("--watch", is_flag=True, help="Have Lanner watch the API servers' metrics, and send canaries.")
@click.option("--name", "names", metavar="KEY=VALUE", multiple=True, help="What a provider's things are called.")
@click.pass_context
def init(
    context: click.Context,
    /,
    *,
    distribution: str | None,
    provider: str | None,
    folder: str,
    force: bool,
    rules_files: tuple[str, ...],
    secret_bodies: bool,
    no_patch_bodies: bool,
    has_sink: bool,
    allow_unauthenticated: bool,
    names: tuple[str, ...],
    **place: Any,
) -> None:
    """Write what a cluster needs, for its API servers and for Lanner, into a folder.

    For a cluster of your own: the audit policy, the webhook's kubeconfig, the API server's configuration, and
    manifests for Lanner. For a managed one: the commands that lead its log to Lanner, and Lanner's configuration.
    Their names are given with --name: project, cluster, topic, subscription, sink, account (gke); region, cluster,
    policy (eks); group, cluster, hub_namespace, hub, consumer_group, storage, container (aks); project, cluster,
    stream (ovh).
    """
    if (distribution is None) == (provider is None):
        raise Failure("give one of `--distribution` and `--provider`", "`lanner init --help` lists them")
    _refuse_unused(context, is_managed=provider is not None)
    if provider is not None:
        files = _cloud_files(provider, names)
    else:
        setup = Setup(**place)
        setup = replace(setup, apiserver_port=port_of(distribution or ""))
        _check(setup)
        _check_access(setup, distribution, has_sink=has_sink, is_open_wanted=allow_unauthenticated)
        if not setup.is_local:
            is_asked = not setup.client_certificate and not has_sink  # a dynamic sink proves nothing
            setup = replace(setup, token=token_hex(32) if is_asked else "", metrics_token=token_hex(32))
        setup = _with_rules(setup, rules_files)
        setup = _with_policy(setup, rules_files, secret_bodies=secret_bodies, patch_bodies=not no_patch_bodies)
        files = {**apiserver_files(distribution or "", setup), **manifest_files(setup)}
        if has_sink:
            files |= audit_sink(setup)
    _write(Path(folder), files, force=force)
    for name in files:
        click.echo(os.path.join(folder, name))
    say(f"{counted(len(files), 'file')}; what to do with each stands at its head")


def _refuse_unused(context: click.Context, *, is_managed: bool) -> None:
    """See that all options that are given have an effect.

    Raises:
        Failure: One has none.
    """
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if not given or option.name in _ALWAYS or (option.name == "names") == is_managed:
            continue
        kind = "--distribution" if is_managed else "--provider"
        is_rules = option.name == "rules_files"
        help_text = "name them in `rules_files` of the `lanner.yaml` that is written" if is_rules else "leave it out"
        raise Failure(f"`{option.opts[-1]}` is for `{kind}` alone", help_text)


def _with_policy(setup: Setup, rules_files: tuple[str, ...], *, secret_bodies: bool, patch_bodies: bool) -> Setup:
    """The setup with the least policy that feeds the rules."""
    console = Console()
    rules = enabled_rules(rules_files, console)
    generated = generate_policy(rules, secret_bodies=secret_bodies, patch_bodies=patch_bodies)
    if setup.watch:
        generated = with_canary(generated, setup.namespace)
    has_bodies = records_patch_bodies(generated.policy)
    hungry = starved(check_policy(generated.policy, rules))
    for line in hungry:
        console.warn(line, help="" if secret_bodies else "`--secret-bodies` records bodies of secrets and tokens too")
    title = "The least policy for the rules, from `lanner init`."
    head = [title, *SCOPE, *hungry, *(BLIND_SPOT if has_bodies else ())]
    warn_of_blind_spot(generated.policy, console, "`--no-patch-bodies` records them at Metadata")
    return replace(setup, policy=to_text(generated, head), policy_object=policy_object(generated.policy))


def _with_rules(setup: Setup, names: tuple[str, ...]) -> Setup:
    """The setup with the texts of rule files, by names that a ConfigMap can have.

    Raises:
        Failure: One cannot be read, or they are too large.
    """
    order: list[str] = []
    texts: dict[str, str] = {}
    for name in names:
        sources, problems = read_rule_files([] if name == DEFAULT_RULES else [name])
        if problems.errors:
            raise Failure(problems.errors[0].message, "nothing was written")
        order += [DEFAULT_RULES] if name == DEFAULT_RULES else []
        for source in sources:
            key = _UNFIT.sub("-", os.path.basename(source.name))
            while key in texts or key == DEFAULT_RULES:
                key = f"more-{key}"
            texts[key] = source.text
            order.append(key)
    size = sum(len(text.encode()) for text in texts.values())
    if size > _MOST_RULES:
        help_text = "give `default` for the default rules, and put large files into Lanner's image"
        raise Failure(f"the rule files have {size:,} bytes, more than the {_MOST_RULES:,} of a manifest", help_text)
    return replace(setup, rules=texts, rules_files=tuple(order))


def _cloud_files(provider: str, names: tuple[str, ...]) -> Files:
    """The files for a provider.

    Raises:
        Failure: A name is malformed, unknown or missing.
    """
    given: dict[str, str] = {}
    known = {*CLOUDS[provider].required, *CLOUDS[provider].defaults}
    for each in names:
        key, equals, value = each.partition("=")
        if not equals or key not in known or not value:
            raise Failure(f"`{each}` does not name a thing of {provider}", f"names are {', '.join(sorted(known))}")
        if not value.isprintable():
            raise Failure(f"the value of `{key}` holds characters that cannot be printed", "write it on one line")
        given[key] = value
    try:
        return cloud_files(provider, given)
    except KeyError as missing:
        raise Failure(f"`{missing.args[0]}` is not given", f"add `--name {missing.args[0]}=…`") from None


def _check(setup: Setup) -> None:
    """Refuse what would make a file that a cluster refuses.

    Raises:
        Failure: A value does not fit.
    """
    try:
        found = urlsplit(setup.url)
        has_place = found.scheme in ("http", "https") and bool(found.hostname) and (found.port or 1) > 0
    except ValueError:
        has_place = False
    if not has_place or not setup.url.isprintable():
        raise Failure(f"`{setup.url}` is not an address to post to", "write `https://HOST:PORT/k8s-audit`")
    paths: Mapping[str, str | None] = {
        "--ca": setup.ca,
        "--client-cert": setup.client_certificate,
        "--client-key": setup.client_key,
        "--token-file": setup.token_file,
    }
    if found.scheme == "http" and any(paths.values()):
        raise Failure("certificates and tokens need an https address", "an API server sends a token over HTTPS only")
    if found.scheme == "http" and not setup.is_local:
        help_text = "give an https address, or none, which runs Lanner beside each API server"
        raise Failure(f"nobody could prove to `{setup.url}` who posts", help_text)
    if (setup.client_certificate is None) != (setup.client_key is None):
        raise Failure("a client certificate and its key go together", "give both `--client-cert` and `--client-key`")
    for option, path in paths.items():
        if path is not None and (not path.startswith("/") or not path.isprintable()):
            raise Failure(f"`{option}` is a path on the API servers, from the root", "write `/etc/…`")
    if not _NAMESPACE.fullmatch(setup.namespace):
        raise Failure(f"`{setup.namespace}` is not a namespace's name", "use lower-case letters, digits and hyphens")
    for each in setup.source_ranges:
        try:
            ip_network(each)
        except ValueError:
            raise Failure(f"`{each}` is not a network", "write it as `10.0.0.0/24`") from None


def _check_access(setup: Setup, distribution: str | None, *, has_sink: bool, is_open_wanted: bool) -> None:
    """See that what posts from other machines can prove who it is, or is let in because that is wanted.

    Raises:
        Failure: It cannot and is not, or all could read how it does.
    """
    proof = setup.client_certificate or setup.token_file
    if is_open_wanted and not has_sink:
        raise Failure("`--allow-unauthenticated` is for `--audit-sink` alone", "leave it out: a token is made")
    if setup.is_local:
        return
    if not has_sink:
        if distribution == "talos" and not proof:
            help_text = "give `--token-file`, or `--client-cert` and `--client-key`"
            raise Failure("all on a node of Talos could read a token in its machine configuration", help_text)
    elif proof:
        raise Failure("a dynamic sink can send neither certificate nor token", "leave these options out")
    elif not is_open_wanted or not setup.source_ranges:
        help_text = (
            "leave `--url` out, which keeps it on loopback, or add `--allow-unauthenticated` and `--from NETWORK`"
        )
        raise Failure(f"a dynamic sink cannot prove to `{setup.url}` who posts", help_text)


def _write(folder: Path, files: Files, *, force: bool) -> None:
    """Write all files, or none where one is there already.

    Raises:
        Failure: A file is there already, or cannot be written.
    """
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise Failure(f"`{folder / there[0]}` is there already", "`--force` overwrites; `--output` writes elsewhere")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            is_program = name.endswith(".sh")
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                os.fchmod(stream.fileno(), 0o700 if is_program else _PRIVATE)
    except OSError as problem:
        place = problem.filename or folder
        raise Failure(f"cannot write `{place}`: {(problem.strerror or '').lower()}", code=ExitCode.FAILED) from None
