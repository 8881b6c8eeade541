"""One fuzzer in a process of its own: `python -m fuzz.worker TARGET OPTION…`, with options of libFuzzer."""

from __future__ import annotations

import sys
import time

import atheris

with atheris.instrument_imports(include=["lanner", "uvicorn.protocols", "yaml", "lark"], enable_loader_override=False):
    from fuzz.targets import TARGETS

MAX_CPU_S = 1.0
"""What an input may cost. Instrumented code is several times slower than it is for users."""


def main() -> None:
    """Fuzz until the options say that it is over, or a promise is broken."""
    name, *options = sys.argv[1:]
    function = TARGETS[name]

    def test(data: bytes) -> None:
        started = time.thread_time()
        function(data)
        used_s = time.thread_time() - started
        assert used_s < MAX_CPU_S, f"{len(data)} bytes took {used_s:.1f} s"

    function(b"")  # what is made once is not the first input's to pay
    command = f"{sys.executable} -m fuzz.worker {name}"  # by this, libFuzzer starts itself to merge corpora
    atheris.Setup([command, *options], test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
