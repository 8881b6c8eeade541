import pytest

from lanner.compiler.load import load
from lanner.compiler.semantics import parse_number
from lanner.diagnostics import SourceFile
from tests.unit.compiler.loading import load_text, problems, rule


def found(condition: str) -> list[tuple[str, str]]:
    return problems(load_text(rule(condition)))


@pytest.mark.parametrize(
    "condition",
    [
        "ka.verb exists",
        "ka.verb = a and ka.verb == a and ka.verb != a",
        "ka.response.code < 500 and ka.response.code >= 0x10 and ka.response.code > -1",
        "ka.verb in (a) and ka.verb intersects (a) and ka.verb pmatch (/a)",
        "ka.verb contains a and ka.verb icontains a and ka.verb startswith a and ka.verb endswith a",
        "ka.verb glob a* and ka.verb iglob A* and ka.verb regex '[ab]{2,}c'",
        "ka.user.groups in (a) and ka.user.groups intersects (a, b) and ka.user.groups exists",
        "evt.num = 1 and evt.num != 2 and evt.num < 3 and evt.num in (1, 2) and evt.num intersects (1)",
        "ka.verb startswith oneof (a, b) and ka.verb = anyof (a) and ka.verb regex allof (ab+, b+a)",
        "len(ka.verb) > 1 and len(ka.user.groups) = 2 and len(tolower(ka.verb)) = 1",
        "tolower(ka.user.groups) intersects (a) and toupper(ka.verb) = A and basename(ka.uri) = a",
        'b64(ka.verb) = abc and concat(ka.verb, "-", ka.stage) = x and join(",", ka.user.groups) contains x',
        'join("/", (ka.target.namespace, evt.num, "x")) = "a/b"',
        'getopt(ka.user.groups, "a:b") intersects (x) and getopt(ka.user.groups, "a:")[a] = x',
        "ka.verb = val(ka.stage) and ka.verb = tolower(ka.stage) and ka.user.groups in val(ka.user.groups)",
        "len(ka.verb) = len(ka.stage) and evt.num = len(ka.verb)",
        "ka.uri.param[a] = b and ka.uri.param['a b'] = c and jevt.value[/a/b~1c] exists",
        "kx.source.ip = 10.0.0.1 and kx.source.ip != fd00::/8 and kx.source.ip in (10.0.0.0/8, ::1)",
        "kx.source.ips in (10.0.0.0/8) and kx.source.ips intersects (10.0.0.1) and kx.source.ip exists",
        "kx.token.lifetime > 86400 and kx.token.lifetime in (1, 2)",
        "ka.req.pod.containers.image[0] in (a) and ka.req.pod.containers.image[10] in (a)",
    ],
)
def test_these_conditions_have_no_problem(condition: str) -> None:
    assert not found(condition)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("ka.verb = a and ka.nope = b", ("LN0203", "ka.nope")),
        ("evt.type = open", ("LN0203", "evt.type")),
        ("tolower(ka.nope) = b", ("LN0203", "ka.nope")),
        ("ka.verb = val(ka.nope)", ("LN0203", "ka.nope")),
        ("ka.verb[x] = a", ("LN0204", "ka.verb[x]")),
        ("ka.uri.param = a", ("LN0204", "ka.uri.param")),
        ("ka.req.pod.containers.image[a] in (b)", ("LN0204", "ka.req.pod.containers.image[a]")),
        ("ka.req.pod.containers.image[01] in (b)", ("LN0204", "ka.req.pod.containers.image[01]")),
        (
            "ka.req.pod.containers.image[99999999999999999999] in (b)",
            ("LN0204", "ka.req.pod.containers.image[99999999999999999999]"),
        ),
        ("ka.user.groups = a", ("LN0205", "ka.user.groups = a")),
        ("ka.user.groups contains a", ("LN0205", "ka.user.groups contains a")),
        ("evt.num contains 1", ("LN0205", "evt.num contains 1")),
        ("ka.verb bcontains 6162", ("LN0205", "ka.verb bcontains 6162")),
        ("kx.source.ip startswith 10", ("LN0205", "kx.source.ip startswith 10")),
        ("kx.source.ips = 10.0.0.1", ("LN0205", "kx.source.ips = 10.0.0.1")),
        ("kx.source.ip = anyof (10.0.0.1)", ("LN0205", "kx.source.ip = anyof (10.0.0.1)")),
        ("kx.source.ip in (10.0.0.0/8, home)", ("LN0206", "home")),
        ("kx.source.ip = 10.0.0.0/33", ("LN0206", "10.0.0.0/33")),
        ("kx.source.ip = val(kx.source.ip)", ("LN0206", "val(kx.source.ip)")),
        ("tolower(kx.source.ip) = a", ("LN0207", "tolower(kx.source.ip)")),
        ("kx.token.lifetime = long", ("LN0206", "long")),
        ("evt.num = one", ("LN0206", "one")),
        ("evt.num = 0x10", ("LN0206", "0x10")),
        ("evt.num in (1, one, 2)", ("LN0206", "one")),
        ("ka.verb regex '(?=ab+)c'", ("LN0206", "'(?=ab+)c'")),
        ("ka.verb regex oneof (ab+, '[')", ("LN0206", "'['")),
        (r"ka.verb = 'a\x00b'", ("LN0206", r"'a\x00b'")),
        ("ka.verb in val(ka.user.groups)", ("LN0206", "val(ka.user.groups)")),
        ("ka.verb = len(ka.verb)", ("LN0206", "len(ka.verb)")),
        ("ka.verb pmatch val(ka.uri)", ("LN0206", "val(ka.uri)")),
        ("ka.verb regex val(ka.uri)", ("LN0206", "val(ka.uri)")),
        ("tolower(evt.num) = 1", ("LN0207", "tolower(evt.num)")),
        ("len(evt.num) = 1", ("LN0207", "len(evt.num)")),
        ("len(len(ka.verb)) = 1", ("LN0207", "len(len(ka.verb))")),
        ("len(ka.verb, ka.verb) = 1", ("LN0207", "len(ka.verb, ka.verb)")),
        ("tolower(ka.verb)[a] = 1", ("LN0207", "tolower(ka.verb)[a]")),
        ("concat(ka.verb) = 1", ("LN0207", "concat(ka.verb)")),
        ("concat(ka.verb, ka.user.groups) = 1", ("LN0207", "concat(ka.verb, ka.user.groups)")),
        ('join(",", ka.verb) = 1', ("LN0207", 'join(",", ka.verb)')),
        ("join(ka.user.groups, ka.user.groups) = 1", ("LN0207", "join(ka.user.groups, ka.user.groups)")),
        ('getopt(ka.verb, "a") intersects (b)', ("LN0207", 'getopt(ka.verb, "a")')),
        ('getopt(ka.user.groups, "a")[ab] = b', ("LN0207", 'getopt(ka.user.groups, "a")[ab]')),
        ("ka.verb = <NA>", ("unsafe_na_check", "<NA>")),
        ("tolower(ka.verb) in (a, '<NA>')", ("unsafe_na_check", "'<NA>'")),
        ("jevt.value[/a] != <NA>", ("unsafe_na_check", "<NA>")),
        ("ka.verb = ka.stage", ("compile_condition", "ka.stage")),
        ("ka.verb in (a, 'ka.uri.param[x]')", ("compile_condition", "'ka.uri.param[x]'")),
        ("ka.verb = 'tolower( ka.verb )'", ("compile_condition", "'tolower( ka.verb )'")),
        ("ka.verb regex ^abc$", ("compile_condition", "^abc$")),
        ("ka.verb regex '.*abc.+'", ("compile_condition", "'.*abc.+'")),
        ("ka.req.container.image = a", ("deprecated_field", "ka.req.container.image")),
        ("ka.req.binding.subject.has_name[x] = a", ("has_name_is_missing", "ka.req.binding.subject.has_name[x]")),
    ],
)
def test_the_problem_is_underlined(condition: str, problem: tuple[str, str]) -> None:
    assert found(condition) == [problem]


@pytest.mark.parametrize(
    "condition",
    [
        "ka.verb contains <NA>",
        "evt.source = <NA>",
        "ka.verb = ka.uri.param",
        "ka.verb = proc.name",
        "ka.verb regex a.c",
        "ka.verb regex .",
        "ka.verb regex a.*c",
    ],
)
def test_these_only_look_suspicious(condition: str) -> None:
    assert not found(condition)


def test_every_problem_of_a_condition_is_reported_in_order() -> None:
    assert found("(ka.a = 1 or not ka.b = 2)\nand evt.num in (x, y)\nand ka.verb[z] exists") == [
        ("LN0203", "ka.a"),
        ("LN0203", "ka.b"),
        ("LN0206", "x"),
        ("LN0206", "y"),
        ("LN0204", "ka.verb[z]"),
    ]


def test_a_value_out_of_a_list_is_underlined_in_the_list() -> None:
    result = load_text("- list: l\n  items: [1, x1]\n" + rule("evt.num in (l)"))
    assert problems(result) == [("LN0206", "x1")]


def test_a_problem_in_a_macro_is_reported_once_with_the_place_of_its_first_use() -> None:
    result = load_text("- macro: m\n  condition: ka.nope=1\n" + rule("not\n m") + rule("m", name="B"))
    assert problems(result) == [("LN0203", "ka.nope")]
    (use,) = result.diagnostics[0].related
    assert (use.span.text, use.span.position) == ("m", (9, 6))


def test_a_macro_of_system_calls_is_checked_for_each_source() -> None:
    macros = "- macro: m\n  condition: proc.name=a\n"
    assert not problems(load_text(macros + rule("m", source="syscall")))
    result = load_text(macros + rule("m", source="syscall") + rule("m", name="B"))
    assert problems(result) == [("LN0203", "proc.name")]


def test_an_audit_field_in_a_rule_of_system_calls_is_an_error() -> None:
    result = load_text(rule("ka.verb=a and proc.name=b", "%ka.verb %proc.name", source="syscall"))
    assert problems(result) == [("LN0211", "ka.verb"), ("LN0304", "%ka.verb")]
    assert result.diagnostics[0].help == "add `source: k8s_audit` to the rule"


def test_fields_of_the_json_plugin_need_the_plugin() -> None:
    result = load([SourceFile("0", rule("jevt.value[/a]=b"))], loaded_plugins={"k8saudit": "0.18.0"})
    assert problems(result) == [("LN0203", "jevt.value[/a]")]
    assert result.diagnostics[0].help == "load the plugin `json`"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        (" 5", 5),
        ("+5", 5),
        ("-1", 2**64 - 1),
        ("18446744073709551615", 2**64 - 1),
        ("99999999999999999999999999999", 2**64 - 1),
        ("5 ", None),
        ("0x10", None),
        ("1e3", None),
        ("", None),
        ("\u0665", None),
    ],
)
def test_numbers_are_read_as_falco_reads_them(text: str, number: int | None) -> None:
    assert parse_number(text) == number


def test_transformers_of_system_calls_are_checked_as_far_as_their_fields_are_known() -> None:
    known = 'tolower(proc.name) = a and join(",", (proc.name, fd.name)) = b and len(proc.args) = 1'
    assert not problems(load_text(rule(known, source="syscall")))
    wrong = "concat(proc.name) = a and tolower(proc.name, fd.name) = b"
    assert problems(load_text(rule(wrong, source="syscall"))) == [
        ("LN0207", "concat(proc.name)"),
        ("LN0207", "tolower(proc.name, fd.name)"),
    ]
