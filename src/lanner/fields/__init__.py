"""The fields of rules: one table that the type check, extraction, `lanner fields` and the documentation read."""
