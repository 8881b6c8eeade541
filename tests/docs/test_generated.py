"""The committed pages are what the generator writes."""

import pytest
from docs.generate import DOCS, PAGES
from docs.markup import table


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_up_to_date(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == PAGES[name](), "run `python -m docs.generate`"


def test_cells_stay_on_their_line_and_show_what_they_hold() -> None:
    text = table(("a", "b"), [("x | y", "<NA> and\n`<NA> | *`")])
    assert text == "| a | b |\n| --- | --- |\n| x \\| y | \\<NA> and `<NA> \\| *` |\n"
