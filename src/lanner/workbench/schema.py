"""The JSON Schema of files of rule tests, from the models that reading goes by."""

from __future__ import annotations

from typing import Any

import msgspec

from lanner.config.schema import DIALECT, rule_schema
from lanner.workbench.models import Suite


def suite_schema() -> dict[str, Any]:
    """What a file of rule tests may hold; `overrides` are items as in a rule file."""
    schema = msgspec.json.schema(Suite)
    overrides = schema["$defs"]["RuleTest"]["properties"]["overrides"]
    overrides["items"] = rule_schema()["items"]
    return {"$schema": DIALECT, "title": "Rule tests of Lanner", **schema}
