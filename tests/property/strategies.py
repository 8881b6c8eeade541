"""Random conditions and events that have something to do with each other."""

from typing import Any

from hypothesis import strategies as st

from lanner.condition import (
    And,
    ArgumentList,
    Call,
    Check,
    Expr,
    Field,
    Literal,
    LiteralList,
    Not,
    Or,
)

TEXTS = (
    "create",
    "CREATE",
    "get",
    "pods",
    "exec",
    "alice",
    "system:masters",
    "/etc",
    "/etc/passwd",
    "200",
    "403",
    "x",
    "",
    "é",
    "a*b",
)
NUMBERS = ("0", "1", "2", "200", "0x10")
TEXT_FIELDS = (
    Field("ka.stage"),
    Field("ka.verb"),
    Field("ka.target.resource"),
    Field("ka.target.subresource"),
    Field("ka.target.name"),
    Field("ka.user.name"),
    Field("ka.response.code"),
    Field("ka.uri.param", "command"),
    Field("ka.req.pod.host_network"),
    Field("ka.auth.decision"),
    Field("jevt.value", "/requestObject/kind"),
    Field("jevt.value", "/objectRef"),
    Field("jevt.value", "/user/groups"),
    Field("jevt.value", "/verb"),
    Field("evt.source"),
    Field("kx.user.serviceaccount.name"),
    Field("kx.body", "/kind"),
    Field("kx.source.class"),
    Field("kx.dry_run"),
)
LIST_FIELDS = (
    Field("ka.user.groups"),
    Field("ka.sourceips"),
    Field("ka.req.pod.containers.image"),
    Field("ka.req.pod.containers.image", "0"),
    Field("ka.req.role.rules.verbs"),
    Field("ka.req.pod.volumes.hostpath"),
    Field("kx.pod.containers.image"),
    Field("kx.role.verbs", "pods"),
    Field("kx.user.extra", "name"),
)
ADDRESS_FIELDS = (Field("kx.source.ip"), Field("kx.source.ips"))
ADDRESSES = ("10.1.2.3", "203.0.113.7", "::1", "fd12::1%eth0", "::ffff:10.0.0.1")
NETWORKS = ("10.0.0.0/8", "10.1.2.3", "::1", "fd00::/8", "0.0.0.0/0")

literals = st.builds(Literal, st.sampled_from(TEXTS), st.just(True))
lists = st.lists(literals, max_size=4).map(lambda items: LiteralList(tuple(items)))
full_lists = st.lists(literals, min_size=1, max_size=4).map(lambda items: LiteralList(tuple(items)))


def _transformed(operand: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(("tolower", "toupper", "basename", "b64")).map(lambda name: Call(name, (operand,)))


texts = st.sampled_from(TEXT_FIELDS).flatmap(lambda field: st.just(field) | _transformed(field))
text_lists = st.sampled_from(LIST_FIELDS).flatmap(lambda field: st.just(field) | _transformed(field))
joined = st.tuples(texts, texts).map(lambda pair: Call("join", (Literal("/", True), ArgumentList(pair))))
concatenated = st.tuples(texts, texts).map(lambda pair: Call("concat", pair))
lengths = (texts | text_lists).map(lambda operand: Call("len", (operand,)))

networks = st.lists(st.sampled_from(NETWORKS).map(Literal), min_size=1, max_size=3).map(
    lambda items: LiteralList(tuple(items))
)
_SIMPLE = ("=", "==", "!=", "contains", "icontains", "startswith", "endswith", "glob", "iglob")


def _right_field(operator: str, left: Any, right: Any) -> Check:
    value = right if isinstance(right, Call) else Call("val", (right,))
    return Check(left, operator, value)


checks: st.SearchStrategy[Check] = st.one_of(
    st.builds(Check, texts | text_lists | joined, st.just("exists")),
    st.builds(Check, texts | joined | concatenated, st.sampled_from(_SIMPLE), literals),
    st.builds(Check, texts, st.sampled_from(("<", "<=", ">", ">=")), st.sampled_from(NUMBERS).map(Literal)),
    st.builds(Check, lengths, st.sampled_from(("=", "!=", "<", ">=")), st.sampled_from(NUMBERS[:4]).map(Literal)),
    st.builds(Check, texts, st.sampled_from(("in", "intersects")), lists),
    st.builds(Check, texts, st.just("pmatch"), full_lists),
    st.builds(Check, st.sampled_from(ADDRESS_FIELDS), st.sampled_from(("in", "intersects")), networks),
    st.builds(Check, text_lists, st.sampled_from(("in", "intersects")), lists),
    st.builds(Check, texts, st.sampled_from(_SIMPLE), lists, st.sampled_from(("oneof", "anyof", "allof"))),
    st.builds(
        Check, texts, st.just("regex"), st.sampled_from(("a.*", "[0-9]+", ".*", "")).map(lambda t: Literal(t, True))
    ),
    st.builds(_right_field, st.sampled_from(("=", "!=", "contains", "startswith", "in")), texts, texts),
    st.builds(_right_field, st.sampled_from(("in", "intersects")), text_lists, text_lists),
)

conditions: st.SearchStrategy[Expr] = st.recursive(
    checks,
    lambda inner: st.one_of(
        inner.map(lambda child: child.child if isinstance(child, Not) else Not(child)),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=12,
)

_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 500) | st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("name", "kind", "x")), inner, max_size=3)
    ),
    max_leaves=5,
)
_text: st.SearchStrategy[Any] = st.sampled_from(TEXTS) | st.sampled_from(TEXTS) | _json


def _object(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


_pod = _object(
    kind=_text,
    rules=st.lists(_object(verbs=st.lists(_text, max_size=3)), max_size=2) | _json,
    spec=_object(
        hostNetwork=st.booleans() | _json,
        containers=st.lists(_object(image=_text, name=_text), max_size=3) | _json,
        volumes=st.lists(_object(name=_text, hostPath=_object(path=_text)), max_size=2) | _json,
    ),
)

events: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"auditID": st.just("id"), "stage": st.sampled_from(("ResponseComplete", "ResponseStarted", "x"))},
    optional={
        "verb": _text,
        "requestURI": st.sampled_from(("/api?command=x", "/x?command=create&command=y", "/%zz", "")) | _json,
        "user": _object(username=_text, groups=st.lists(st.sampled_from(TEXTS), max_size=3) | _json) | _json,
        "sourceIPs": st.lists(st.sampled_from((*TEXTS, *ADDRESSES)), max_size=2) | _json,
        "objectRef": _object(resource=_text, subresource=_text, name=_text, namespace=_text) | _json,
        "responseStatus": _object(code=st.integers(0, 600) | _json) | _json,
        "requestObject": _pod | _json,
        "annotations": _object(**{"authorization.k8s.io/decision": _text}) | _json,
    },
)
