"""Fields of pod bodies: containers, volumes, security contexts.

Each function gets the decoded `requestObject` and, last, an index that picks one container or volume (None: all of
them). A container without the value adds none and hides no other; when no value is left, the field is missing.

Source: Falco plugins, k8saudit extract.go, with the differences that the user documentation lists.
"""

from lanner.events.values import Json, as_text, as_texts, select, spread, walk

_VOLUMES = ("spec", "volumes")
_CONTAINERS = ("spec", "containers")


def texts(keys: tuple[str, ...], body: Json, index: int | None = None) -> list[str] | None:
    """The values at a path, as texts; a list at the path's end is one text."""
    return as_texts(select(body, keys, index))


def texts_within(keys: tuple[str, ...], body: Json, index: int | None = None) -> list[str] | None:
    """The elements of the lists at a path, as texts; the index picks the list's owner, not the element."""
    return as_texts(spread(select(body, keys, index)))


def joined_texts(keys: tuple[str, ...], body: Json, index: int | None = None) -> list[str] | None:
    """The lists at a path, each joined by blanks, as a container's command or arguments."""
    lists = [value for value in select(body, keys, index) if isinstance(value, list)]
    return [" ".join(as_texts(words) or ()) for words in lists] or None


def image_repository(image: str) -> str:
    """The repository of an image reference: registry and path as written, without tag and digest.

    A colon starts a tag only after the last slash; before it stands a registry's port.
    """
    name = image.partition("@")[0]
    registry, slash, last = name.rpartition("/")
    return registry + slash + last.partition(":")[0]


def repositories(keys: tuple[str, ...], body: Json, index: int | None = None) -> list[str] | None:
    """The repositories of the image references at a path."""
    images = texts(keys, body, index)
    return None if images is None else [image_repository(image) for image in images]


def first_image(body: Json) -> str | None:
    """The image of the first container."""
    images = texts((*_CONTAINERS, "image"), body, 0)
    return images[0] if images else None


def first_repository(body: Json) -> str | None:
    """The repository of the first container's image."""
    image = first_image(body)
    return None if image is None else image_repository(image)


def host_ports(keys: tuple[str, ...], body: Json, index: int | None = None) -> list[str] | None:
    """The hostPort of each entry of the port lists at a path, else its containerPort.

    The containerPort is the host's port too when the pod uses the host's network.
    """
    ports = [port for port in spread(select(body, keys, index)) if isinstance(port, dict)]
    return as_texts(
        port.get("containerPort") if port.get("hostPort") is None else port.get("hostPort") for port in ports
    )


def effective_ids(keys: tuple[str, ...], name: str, body: Json, index: int | None = None) -> list[str] | None:
    """The user or group each container at a path begins with: its own, else the pod's, else 0."""
    default = as_text(walk(body, ("spec", "securityContext", name))) or "0"
    containers = [item for item in spread(select(body, keys, index), index) if isinstance(item, dict)]
    return [as_text(walk(item, ("securityContext", name))) or default for item in containers] or None


def any_privileged(body: Json) -> str | None:
    """Whether any container is privileged: `true` or `false`; None when the body has no containers."""
    if not any(isinstance(found, list | dict) for found in select(body, _CONTAINERS)):
        return None
    flags = select(body, (*_CONTAINERS, "securityContext", "privileged"))
    return "true" if any(flag is True for flag in flags) else "false"


def volume_types(body: Json, index: int | None = None) -> list[str] | None:
    """The members of each volume but its name, such as `hostPath` or `emptyDir`."""
    volumes = [volume for volume in spread(select(body, _VOLUMES, index), index) if isinstance(volume, dict)]
    kinds = [kind for volume in volumes for kind, value in volume.items() if kind != "name" and value is not None]
    return kinds or None


def mounts_host_path(body: Json, wanted: str) -> str | None:
    """Whether any volume mounts this path of the host: `true` or `false`; None when the body has no volumes.

    Args:
        body: The request's object.
        wanted: A path, or with a `*` at its end a prefix.
    """
    if not any(isinstance(found, list | dict) for found in select(body, _VOLUMES)):
        return None
    paths = texts((*_VOLUMES, "hostPath", "path"), body) or []
    if wanted.endswith("*"):
        return "true" if any(path.startswith(wanted[:-1]) for path in paths) else "false"
    return "true" if wanted in paths else "false"


def target_pod_name(target: Json, answer: Json) -> str | None:
    """The pod's name in the answer, when the request's target is a pod itself and not a subresource of one.

    Args:
        target: The event's `objectRef`.
        answer: The event's `responseObject`; it also has the name that the server generated.
    """
    if walk(target, ("resource",)) != "pods" or walk(target, ("subresource",)) not in (None, ""):
        return None
    return as_text(walk(answer, ("metadata", "name")))
