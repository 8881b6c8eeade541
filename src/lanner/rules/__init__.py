"""Rule files: YAML to rules, macros and lists, each with its place; nothing is known of fields yet."""
