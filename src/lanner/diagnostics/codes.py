"""The table of diagnostic codes: what `rules check`, `rules explain` and the documentation say of each.

Errors are numbered `LNxxyy` (01 files and YAML, 02 conditions, 03 outputs, 04 rules, macros, lists and versions, 05
configuration, 06 rule tests, 07 audit policies, 08 Sigma rules), warnings are words. `falco` is the code that Falco
0.44 gives to the same problem (falco, userspace/engine/falco_load_result.cpp), None for what only Lanner reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether rules with such a problem can be used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem: what it is called, Falco's name for it, and what a user should know of it."""

    code: str
    falco: str | None
    title: str
    explanation: str

    @property
    def severity(self) -> Severity:
        """Numbered codes are errors, words are warnings."""
        return Severity.ERROR if self.code.startswith("LN") else Severity.WARNING


_READ = "LOAD_ERR_FILE_READ"
_PARSE = "LOAD_ERR_YAML_PARSE"
_YAML = "LOAD_ERR_YAML_VALIDATE"
_CONDITION = "LOAD_ERR_COMPILE_CONDITION"
_OUTPUT = "LOAD_ERR_COMPILE_OUTPUT"
_VALIDATE = "LOAD_ERR_VALIDATE"

_ROWS = (
    Code("LN0101", _READ, "file cannot be read", "The file is missing, is not a file, may not be read, or is not UTF-8 text."),
    Code("LN0102", _PARSE, "not valid YAML", "The text is not YAML. Indent with blanks: YAML does not allow tabs there."),
    Code("LN0103", _YAML, "not a list of items", "A rule file is a YAML list; each of its items is a rule, macro, list or requirement."),
    Code("LN0104", _YAML, "item is not a mapping", "Each item of a rule file is a mapping such as `- rule: …`, `- macro: …`, `- list: …`."),
    Code("LN0105", _YAML, "missing key", "The item lacks a key that it needs. A rule needs condition, output, desc and priority."),
    Code("LN0106", _YAML, "wrong kind of value", "The key takes another kind of value: a text, a list, a mapping, or true/false."),
    Code("LN0107", _YAML, "empty value", "The key is there but has no value."),
    Code("LN0108", _YAML, "unknown priority", "A priority is one of emergency, alert, critical, error, warning, notice, informational (info), debug."),
    Code("LN0109", _YAML, "override not possible", "`override` takes `append` or `replace` for each key; some keys can only be replaced."),
    Code("LN0110", _YAML, "override does not fit the item", "Each key of an overriding item needs an entry under `override`, and the other way round."),
    Code("LN0111", _YAML, "append and override together", "`append` is the older form of `override`; an item uses one of the two."),
    Code("LN0112", _YAML, "malformed version", "Versions are written as x.y.z; an engine version may be one number (15 means 0.15.0)."),
    Code("LN0113", _YAML, "nested too deeply", "The YAML is nested deeper, or refers to itself more often, than any rule file needs."),
    Code("LN0201", _CONDITION, "condition cannot be parsed", "The condition is not written in Falco's condition language."),
    Code("LN0202", _VALIDATE, "unknown macro", "A name that stands alone in a condition is a macro, and no macro of that name is visible there: a macro sees those defined above it."),
    Code("LN0203", _CONDITION, "unknown field", "No field of this name exists for the rule's source. `lanner fields` lists them all."),
    Code("LN0204", _CONDITION, "field argument does not fit", "Some fields need an argument in brackets, some allow one, some take none; an index is a number without leading zeros."),
    Code("LN0205", _CONDITION, "operator does not fit the field", "Lists take in, intersects and exists; numbers take = != < <= > >= in intersects exists; texts take all but bcontains and bstartswith."),
    Code("LN0206", _CONDITION, "value does not fit", "The value cannot be what the operator and the field's type need: a number, a regular expression (RE2, POSIX syntax), a text without NUL."),
    Code("LN0207", _CONDITION, "transformer does not fit", "The transformer takes other arguments, another number of them, or no argument in brackets."),
    Code("LN0208", _CONDITION, "list in the wrong place", "A list's name stands for all of its items; where one value is expected it can only be used if it has exactly one. `in`, `intersects` and `pmatch` want it in parentheses."),
    Code("LN0209", _VALIDATE, "macro refers to itself", "The macro's condition leads back to the macro."),
    Code("LN0210", _CONDITION, "condition is too large", "With all macros and lists put in, the condition is nested deeper or larger than Lanner's limits."),
    Code("LN0211", _CONDITION, "field of another source", "The field exists, but not for the source of this rule. Without `source` a rule is about system calls."),
    Code("LN0301", _OUTPUT, "output cannot be parsed", "Behind each `%` stands a field, or a transformer around one. A plain percent sign cannot be printed."),
    Code("LN0302", _OUTPUT, "output field does not exist", "No field of this name exists for the rule's source. `lanner fields` lists them all."),
    Code("LN0303", _OUTPUT, "output field cannot be printed", "The field's argument or the transformer around it does not fit."),
    Code("LN0304", _OUTPUT, "output field of another source", "The field exists, but not for the source of this rule. Without `source` a rule is about system calls."),
    Code("LN0401", _VALIDATE, "nothing to append to or override", "An item with `append` or `override` changes one that is defined above it, in the same file or in one loaded before."),
    Code("LN0402", _VALIDATE, "engine version is too new", "The rules need a newer engine than this Lanner is."),
    Code("LN0403", None, "plugin version is not met", "The rules need a newer version of a plugin, or a plugin that is not loaded."),
    Code("LN0404", _VALIDATE, "malformed exception", "An exception has a name, fields, comps and values; each value has one entry for each field."),
    Code("LN0405", _VALIDATE, "rule redefined with another source", "A rule keeps the source that it was first defined with."),
    Code("LN0406", _VALIDATE, "malformed plugin requirement", "A plugin requirement has a name and a version x.y.z; each plugin is named once among the alternatives."),
    Code("LN0501", None, "unknown key of a configuration or test", "The configuration, or the file of rule tests, has no such key, or the path of an option leads nowhere. `lanner --config-schema` has all keys of a configuration."),
    Code("LN0502", None, "value does not fit the key", "The key takes another kind of value: true or false, a number, a text, a list, a mapping, or one of some words."),
    Code("LN0503", None, "plugin cannot be used", "A plugin that is loaded has an entry under `plugins`, is one of those that are built in, and takes these options."),
    Code("LN0504", None, "file cannot be included", "`config_files` names files or folders; a file that is included cannot include others, nor can a file include itself."),
    Code("LN0601", None, "test of an unknown rule", "The test names a rule that its rule files do not define. `rules` of the test file, or `-r`, says which are loaded."),
    Code("LN0602", None, "event of a test cannot be made", "The base event or the file is missing, the patch does not fit, or what comes of it is no audit event."),
    Code("LN0603", None, "parts of a test do not fit together", "The names of cases differ, `events` stands alone, and every expected alert is one that counts."),
    Code("LN0701", None, "not an audit policy", "An audit policy is one YAML document with `apiVersion: audit.k8s.io/v1` and `kind: Policy`."),
    Code("LN0702", None, "value does not fit a policy", "An API server does not start with this policy: it wants another kind of value here, or one of some words."),
    Code("LN0703", None, "policy is incomplete", "A policy has at least one rule, and each rule has a level."),
    Code("LN0704", None, "unknown or repeated key in a policy", "An API server passes over such a key with a line in its own log, and older ones do not start: the policy in force is not the one that was written."),
    Code("LN0801", None, "Sigma rule cannot be read", "pySigma finds a mistake in the file: YAML, a key, a modifier, the condition, a regular expression."),
    Code("LN0802", None, "Sigma rule cannot be carried over", "The rule asks for something that audit events do not have, or that a condition cannot say."),
    Code("unknown_source", "LOAD_UNKNOWN_SOURCE", "unknown source", "No loaded plugin produces events of this source, so the rule is skipped."),
    Code("unsafe_na_check", "LOAD_UNSAFE_NA_CHECK", "comparison with <NA>", "A missing value is never equal to the text <NA>. Use `exists`, or `not … exists`."),
    Code("unknown_filter", "LOAD_UNKNOWN_FILTER", "rule skipped for an unknown field", "The rule says `skip-if-unknown-filter: true` and uses a field that does not exist, so it is skipped."),
    Code("unused_macro", "LOAD_UNUSED_MACRO", "unused macro", "No rule and no used macro refers to this macro."),
    Code("unused_list", "LOAD_UNUSED_LIST", "unused list", "No condition and no other list refers to this list."),
    Code("unknown_item", "LOAD_UNKNOWN_ITEM", "unknown item", "The item is none of rule, macro, list, required_engine_version, required_plugin_versions; it is ignored."),
    Code("deprecated_item", "LOAD_DEPRECATED_ITEM", "deprecated form", "Use `override` instead of `append`, and instead of an item with nothing but `enabled`."),
    Code("append_no_values", "LOAD_APPEND_NO_VALUES", "exception appended without values", "Appending to an exception adds values; there are none here."),
    Code("exception_name_not_unique", "LOAD_EXCEPTION_NAME_NOT_UNIQUE", "exception name used twice", "Two exceptions of one rule have the same name, so appending to it reaches only the first."),
    Code("invalid_macro_name", "LOAD_INVALID_MACRO_NAME", "macro name cannot be referred to", "A macro's name starts with a letter and holds letters, digits and underscores only."),
    Code("invalid_list_name", "LOAD_INVALID_LIST_NAME", "list name cannot be referred to", "A list's name holds no blanks, quotes, parentheses, commas or equals signs."),
    Code("compile_condition", "LOAD_COMPILE_CONDITION", "suspicious value", "The value is the name of a field, or a transformer, and is compared as a text; or a regular expression does what a simpler operator can do."),
    Code("unknown_key", "LOAD_UNKNOWN_KEY", "unknown key", "The key is none that this kind of item has; it is ignored."),
    Code("duplicate_key", None, "key given twice", "YAML allows a key once in a mapping; the first one counts, as in Falco."),
    Code("missing_list", None, "text that looks like the name of a list", "As in Falco, a word in parentheses that is no list is a text, so that a misspelt list makes a check that never holds. Put a text in quotes."),
    Code("deprecated_field", None, "deprecated field", "The field is kept for old rules; another one says the same, or more."),
    Code("shortened_field", None, "output prints a shorter field", "As in Falco, where the name behind `%` is no field but begins with one, that field is printed and the rest of the name is text."),
    Code("has_name_is_missing", None, "field that never has a value", "The field is documented to give no value, so the check is never true."),
    Code("policy_blind_spot", None, "policy with a blind spot", "The API server puts the body of a server-side apply that is sent as YAML into its event as it is. At level Request and above the event can then not be written as JSON: it is lost, and a webhook loses the whole batch around it. Anybody who may patch anything can do it. The only trace is `apiserver_audit_error_total` in the API server's metrics."),
    Code("policy_group", None, "resource in the wrong API group", "The rule names a resource that the API group does not have, so this part of it matches nothing. `deployments`, for one, are in group `apps`."),
    Code("policy_secrets", None, "policy that records secrets", "At this level the bodies hold secrets or live tokens, and everybody who can read the log can read them."),
    Code("policy_unreachable", None, "policy rule that never decides", "The first rule that matches a request decides, and an earlier rule matches all that this one does."),
    Code("policy_version", None, "policy for other versions of Kubernetes", "Some versions of Kubernetes do not start with this policy."),
    Code("split_item", None, "list item is split at its comma", "As in Falco, an unquoted item with a comma counts as several items. Put double quotes inside the quotes to keep it whole."),
    Code("sigma_difference", None, "imported Sigma rule differs", "The rule was carried over, but is not quite the same as in Sigma; the message says in what."),
)  # fmt: skip

CODES: Mapping[str, Code] = {row.code: row for row in _ROWS}
