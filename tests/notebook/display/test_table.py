"""The table that commands such as `%codex threads` return."""

import pytest

from codex_jupyter.notebook.display.table import Table

TABLE = Table([{"name": "<main>", "turns": 2}, {"name": "side", "turns": None}], ("name", "turns"))


def test_pandas_accepts_a_table() -> None:
    """A data frame of a table has its columns and its rows."""
    import pandas  # type: ignore[import-untyped]

    frame = pandas.DataFrame(TABLE)
    assert list(frame.columns) == ["name", "turns"]
    assert list(frame["name"]) == ["<main>", "side"]


def test_a_table_is_iterated_by_rows() -> None:
    """Length and iteration are those of the rows, and a column is a list of values."""
    assert len(TABLE) == 2
    assert [row["name"] for row in TABLE] == ["<main>", "side"]
    assert TABLE.column("turns") == [2, None]
    with pytest.raises(KeyError, match=r"There is no column 'x'\. The columns are name, turns"):
        TABLE.column("x")


def test_both_forms_of_a_table_show_all_values_as_text() -> None:
    """The HTML is escaped, and an empty table shows its replacement text."""
    assert repr(TABLE) == "name    turns\n<main>  2\nside"
    assert '<td style="text-align: left">&lt;main&gt;</td>' in TABLE._repr_html_()
    assert Table([], ("name",), empty="Nothing yet.")._repr_html_() == "<p>Nothing yet.</p>"
    assert repr(Table([], ("name",), empty="Nothing yet.")) == "Nothing yet."


def test_numbers_have_separators_and_sums_are_a_line_of_their_own() -> None:
    """The sums are not among the rows."""
    table = Table([{"tokens": 1200}, {"tokens": 34000}], ("tokens",), total={"tokens": 35200})
    assert repr(table).splitlines() == ["tokens", "1,200", "34,000", "35,200"]
    assert "<tfoot>" in table._repr_html_()
    assert len(table) == 2
