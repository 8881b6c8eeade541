"""The page of the plugins that come with Lanner, from the models of their options."""

from __future__ import annotations

from collections.abc import Iterator

from docs.markup import code, page, table

from lanner.cli.plugins import options_of
from lanner.plugins import registry
from lanner.sources.plugin import Plugin


def plugins() -> str:
    """The text of the page."""
    intro = (
        "Where events come from. Under `plugins` in a configuration, `name` is the plugin's, `open_params` says where "
        "its events are, and `init_config` has its options, as a mapping or as a text with JSON or YAML. The keys of "
        "options are taken in any case, as Falco's plugins take them; one that a plugin does not have is an error. "
        "`lanner plugins NAME` prints the same, and describes plugins of other packages too."
    )
    return page("Plugins", intro, *map(_described, own()))


def own() -> Iterator[Plugin]:
    """The plugins that come with Lanner."""
    for name in registry.names():
        if registry.package_of(name) == registry.OWN:
            yield registry.find(name)


def _described(plugin: Plugin) -> str:
    needs = f" Needs `pip install 'lanner[{plugin.extra}]'`." if plugin.extra else ""
    rows = [
        (code(found.name), found.type, code(found.default), found.description + _also(found.aliases))
        for found in options_of(plugin)
    ]
    return (
        f"## {plugin.name}\n\n{plugin.description} Version {plugin.version}.{needs}\n\n"
        f"`open_params`: {plugin.open_params}.\n\n" + table(("option", "takes", "default", "meaning"), rows)
    )


def _also(aliases: tuple[str, ...]) -> str:
    return f" Also: {', '.join(map(code, aliases))}." if aliases else ""
