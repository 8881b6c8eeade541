"""The configuration: `falco.yaml` and `-o` options to checked values that know where they come from."""
