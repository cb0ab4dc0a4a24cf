"""The words of `--context`, and of the setting of this name."""

import pytest
from IPython.core.error import UsageError

from codex_jupyter.notebook.context import CellRange, Spec, parse_spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("auto", Spec(overview=True, fresh_error=True)),
        ("vars", Spec(overview=True, values=True)),
        ("vars:df,model", Spec(names=("df", "model"))),
        ("vars:df, model+error", Spec(names=("df", "model"), last_error=True)),
        ("vars:df,cells", Spec(names=("df",), cells=(CellRange(),))),
        ("cells:-5..", Spec(cells=(CellRange(-5),))),
        ("cells:3..7", Spec(cells=(CellRange(3, 7),))),
        ("cells:..7", Spec(cells=(CellRange(None, 7),))),
        ("cells:4", Spec(cells=(CellRange(4, 4),))),
        ("cells:1,3..4", Spec(cells=(CellRange(1, 1), CellRange(3, 4)))),
        ("outputs:-1", Spec(outputs=(CellRange(-1, -1),))),
        ("vars + cells:-3..", Spec(overview=True, values=True, cells=(CellRange(-3),))),
        ("auto,outputs", Spec(overview=True, fresh_error=True, outputs=(CellRange(),))),
        ("none", Spec()),
    ],
)
def test_a_spec_is_read(text: str, spec: Spec) -> None:
    """Words are joined by plus or comma. A comma after names or ranges continues the list of them."""
    assert parse_spec(text) == spec


def test_specs_join_when_the_option_is_repeated() -> None:
    """Each time that it is given adds something; nothing at all is `auto`."""
    assert parse_spec("vars:a", "cells:2", "vars:a,b") == Spec(names=("a", "b"), cells=(CellRange(2, 2),))
    assert parse_spec() == parse_spec("auto")


@pytest.mark.parametrize(
    "text",
    ["", "everything", "vars:", "vars:a b", "cells:x", "cells:", "cells:..", "cells:0", "cells:7..3", "cells:-1..-5", "error:1", "vars+"],
)
def test_a_bad_spec_is_one_line_with_the_choices(text: str) -> None:
    """The message names the mistake and the correct form."""
    with pytest.raises(UsageError) as raised:
        parse_spec(text)
    message = str(raised.value)
    assert "\n" not in message
    assert "cells:3..7" in message
    assert repr(text.partition("+")[2] if "+" in text else text) in message


def test_none_stands_alone() -> None:
    """Nothing and something is a mistake."""
    with pytest.raises(UsageError, match="cannot be combined"):
        parse_spec("none+vars")
