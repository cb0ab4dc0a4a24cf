"""Values in a prompt, and all the braces that are not templates."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codex_jupyter.notebook.templates import MAX_EXPRESSION, MAX_VALUE, expand


class Loud:
    """An object whose attributes raise, and whose methods must not be called."""

    calls = 0

    @property
    def broken(self) -> object:
        raise RuntimeError("no")

    def method(self) -> str:
        self.calls += 1
        return "called"

    def __str__(self) -> str:
        raise ValueError("no text")


NAMES: dict[str, Any] = {
    "x": 3,
    "pi": math.pi,
    "name": "penguins",
    "i": 1,
    "rows": [10, 20, 30, 40],
    "table": {"a": 1, "b c": 2, "a:b!": 3},
    "point": SimpleNamespace(x=1, inner=SimpleNamespace(y=2), _private=4),
    "grid": {(0, 1): "cell"},
    "nested": "{x}",
    "loud": Loud(),
    "héllo": "wörld",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{x}", "3"),
        ("{name}, {x} and {name}", "penguins, 3 and penguins"),
        ("{pi:.2f}|{name!r}|{name!r:>12}|{x:03d}", "3.14|'penguins'|  'penguins'|003"),
        ("{rows[0]} {rows[-1]} {rows[i]} {rows[i+1]}", "10 40 20 30"),
        ("{rows[1:3]} {rows[:i]} {rows[::2]}", "[20, 30] [10] [10, 30]"),
        ("{table['a']} {table[\"b c\"]} {table['a:b!']} {grid[0, 1]}", "1 2 3 cell"),
        ("{point.x} {point.inner.y}", "1 2"),
        ("{len(rows)} {len(rows) + x} {len(rows)/x:.1f}", "4 7 1.3"),
        ("{x+1} {x*2-1} {-x} {x**2} {x//2} {x%2} {(x + 1) * 2}", "4 5 -3 9 1 1 8"),
        ("{héllo}", "wörld"),
        ("{(x-2)**100} {x**0.5:.2f}", "1 1.73"),
        ("{pi:.{x}f}|{name:>{rows[0]}}|{pi:{rows[0]}.{i}f}|{name!r:{x}}", "3.142|  penguins|       3.1|'penguins'"),
        ("{unknown:{x}} {'a': {x}, 'b': {i}} {{a: {x}}}", "{unknown:3} {'a': 3, 'b': 1} {{a: 3}}"),
        ('{"a": {x}, "b": [{rows[0]}]}', '{"a": 3, "b": [10]}'),
    ],
)
def test_an_expression_becomes_the_text_of_its_value(text: str, expected: str) -> None:
    """Names, attributes, subscripts, slices, arithmetic, `len`, conversions and format specs."""
    assert expand(text, NAMES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{unknown} {unknown.x} {x + unknown}",
        "{} { } {x } { x } {x: 1} {x, i} {'x': x}",
        r"\frac{1}{2} \d{3} {0} {1,2} {True} {...} {'text'}",
        "{point._private} {x.__class__} {point.inner.__dict__}",
        "{rows.clear()} {loud.method()} {print(x)} {table.get('a')} {rows.index(10)} {len(rows, x)} {len} {max(x)} {rows.__len__()}",
        "{x if x else i} {lambda: x} {[x for x in rows]} {x := 5} {x == 3} {x < 4} {x and i} {not x} {*rows} {x; i} {await x} {f'x'}",
        "{rows[9]} {table['q']} {point.z} {x.y} {name/2} {x/0} {loud.broken} {loud} {name:d} {pi:q}",
        "{x!z} {x!} {x!=3} {x=} {x:\n} {x\n}",
        "{x**9**9**9} {x**99999} {(x-2)**101} {x**-1} {(x**99)**99} {x**x} {x<<99} {x:999999999}",
        "if (a) { return {}; } else { b }",
        "unbalanced { x } } { and {x",
        "{pi:.{unknown}f} {pi:.{name}f} {pi:{{unknown}}f}",
        r"\frac{x}{i} 2\frac{x}{i} $\mathbf{x}_{i}$ \sqrt[3]{x} \sum_{i}^{x} \text{name} \begin{name} \hat{x}^{i}",
        r"$x_{i}$ and $y^{x}$, $$x_{i}$$ \(x_{i}\) \[ x^{i} \] $\alpha + x_{i} + x^{x}$",
        "$$\nx_{i} = x^{x}\n$$",
    ],
)
def test_everything_else_in_braces_stays(text: str) -> None:
    """Code, dicts, LaTeX, unknown names, private attributes, calls, and what raises."""
    assert expand(text, NAMES) == text
    assert NAMES["rows"] == [10, 20, 30, 40]
    assert NAMES["loud"].calls == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{x}}", "{x}"),
        ("{{x:.2f}}", "{x:.2f}"),
        ("{{{x}}}", "{3}"),
        ("{{{{x}}}}", "{{x}}"),
        ("{{unknown}} {{}} {{ x }} {{1}}", "{{unknown}} {{}} {{ x }} {{1}}"),
        ("{{x}+1}", "{3+1}"),
        ("{a: {x}}", "{a: 3}"),
    ],
)
def test_double_braces_are_an_escape_only_where_single_ones_would_be_replaced(text: str, expected: str) -> None:
    """A template of another language is not touched."""
    assert expand(text, NAMES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file_{x}.csv and x^{x}", "file_3.csv and x^3"),
        ("from ${x} to ${i}, $HOME/run_{x} to $DEST", "from $3 to $1, $HOME/run_3 to $DEST"),
        (r"C:\plots\run{x}.png and .\run{x}", r"C:\plots\run3.png and .\run3"),
        (r"\frac{a}{b} with {x}, costs $5_{x}", r"\frac{a}{b} with 3, costs $5_3"),
    ],
)
def test_what_only_looks_like_latex_is_replaced(text: str, expected: str) -> None:
    assert expand(text, NAMES) == expected


def test_what_a_value_contains_is_not_expanded() -> None:
    """One pass: a value that looks like an expression is text."""
    assert expand("{nested} {{nested}}", NAMES) == "{x} {nested}"


def test_len_is_always_the_real_one() -> None:
    """A variable of that name is a value, and is never called."""
    calls: list[object] = []
    assert expand("{len(rows)}", {**NAMES, "len": calls.append}) == "4"
    assert expand("{len}", {"len": 7}) == "7"
    assert calls == []


def test_a_huge_value_is_cut_with_a_note() -> None:
    """The limit itself is not cut."""
    assert expand("{a}", {"a": "y" * MAX_VALUE}) == "y" * MAX_VALUE
    assert expand("<{a}>", {"a": "y" * (MAX_VALUE + 5)}) == f"<{'y' * MAX_VALUE}\n[cut: 20,000 of 20,005 characters]>"


def test_a_long_expression_is_not_a_template() -> None:
    """At the limit it is one."""
    longest = "x" + "+1" * ((MAX_EXPRESSION - 2) // 2) + " "
    assert expand(f"{{{longest.strip()}}}", NAMES) == str(3 + (MAX_EXPRESSION - 2) // 2)
    longer = "x" + "+1" * (MAX_EXPRESSION // 2)
    assert expand(f"{{{longer}}}", NAMES) == f"{{{longer}}}"


@pytest.mark.timeout(20)
def test_a_great_many_braces_take_no_time() -> None:
    """The search is linear."""
    braces = ("{" * 300_000, "{x" * 100_000, "}" * 300_000, "{" * 100_000 + "q" + "}" * 100_000)
    nested = ("{x:{" * 50_000, "{:::" * 50_000 + "}", "{x:{q}" * 50_000)
    latex = (r"\a{x}" * 50_000, r"\a_{x}^" * 50_000, "$a_{x}$ " * 20_000, r"\( \[ $ " * 50_000 + r"\q_{x}")
    for text in (*braces, *nested, *latex):
        assert expand(text, NAMES) == text
    assert expand("$_{x}" * 50_000, NAMES) == "$_3" * 50_000


BRACED = st.text(alphabet=st.sampled_from("{}{}{}\\\"'()[]:!=.,+-*/%_ \n019abNonelk"), max_size=80)


@settings(deadline=None)
@given(st.one_of(st.text(), BRACED))
@example("{None} {len([1])} {len('ab')} {'a'.b} {1.5:.2f} {0x1for x in y} {'\\d'}")
def test_text_without_a_known_name_comes_back_unchanged(text: str) -> None:
    """For any value."""
    assert expand(text, {}) == text
    assert expand(text, {"known": 1, "also_known": "x"}) == text


@settings(deadline=None)
@given(st.one_of(st.text(), BRACED))
def test_no_text_is_an_error(text: str) -> None:
    """Names that exist and text around them in any disorder."""
    assert isinstance(expand(text, {"a": [1], "b": "text", "l": 2.5, "k": {"a": 1}, "N": None}), str)
    assert expand(f"{text} {{known}}", {"known": "value"}).endswith(" value")
