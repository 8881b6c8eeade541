import io

from lanner.outputs.format import AlertFormat
from lanner.outputs.stdout import StdoutOutput

from .test_format import ALERT


def test_alerts_are_written_in_order_and_flushed() -> None:
    raw = io.BytesIO()
    output = StdoutOutput(io.BufferedWriter(raw), AlertFormat())
    output.write([ALERT, ALERT])
    output.write([])
    output.flush()
    assert raw.getvalue() == AlertFormat().encode(ALERT) * 2


def test_closing_flushes_and_leaves_the_stream_open() -> None:
    raw = io.BytesIO()
    stream = io.BufferedWriter(raw)
    output = StdoutOutput(stream, AlertFormat())
    output.write([ALERT])
    output.close()
    output.close()
    assert raw.getvalue() == AlertFormat().encode(ALERT)
    assert not stream.closed
