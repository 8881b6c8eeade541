"""Coverage-guided fuzzers: what anybody may send, or write into a file, against what must hold for all of it."""
