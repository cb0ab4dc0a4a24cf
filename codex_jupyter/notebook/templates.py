"""Values of the notebook in a prompt: `{expr}` becomes the value's text, everything else in braces stays as it is.

Prompts hold code, JSON and LaTeX, so a brace means something only if what it holds is a small expression over names that exist. Nothing is
called but `len`, nothing private is reached, and no text is looked at twice: what a value contains is never expanded.
"""

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any, Final

MAX_EXPRESSION: Final = 200
"""Characters between two braces above which they are no expression."""
MAX_VALUE: Final = 20_000
"""Characters of a value's text that are kept."""
MAX_EXPONENT: Final = 100
"""A larger constant exponent could keep the kernel busy for ever."""

# One run of braces, what it holds, the run that ends it. The look-behind and the possessive run keep a long run of braces linear.
_BRACES: Final = re.compile(rf"(?<!{{)({{++)([^{{}}\n]{{1,{MAX_EXPRESSION}}})(}}++)")
_WIDE: Final = re.compile(r"\d{4}")
"""A format spec that could make gigabytes of blanks."""
_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_CONVERSIONS: Final[dict[str | None, Callable[[Any], Any]]] = {None: lambda value: value, "r": repr, "s": str, "a": ascii}


def expand(text: str, namespace: Mapping[str, Any]) -> str:
    """Replace `{expr}` by the text of its value.

    An expression is made of names of the namespace, attributes that do not begin with `_`, subscripts, slices, constants, arithmetic and
    `len(...)`, and may end with a conversion and a format spec as in an f-string: `{x!r:>10}`. It has at most `MAX_EXPRESSION` characters,
    stands on one line and touches its braces.

    Args:
        text: Any text. Braces around anything else, such as an unknown name or an expression that fails, stay as they are.
        namespace: The values by name.

    Returns:
        The text. `{{expr}}` has become `{expr}` where `{expr}` alone would have been replaced, and three braces on each side are a replaced
        one within literal ones, as in an f-string. The text of a value is cut after `MAX_VALUE` characters, with a note.
    """

    def replaced(match: re.Match[str]) -> str:
        opening, expression, closing = match.groups()
        value = _value_text(expression, namespace)
        if value is None:
            return match[0]
        pairs = min(len(opening), len(closing))
        inner = f"{{{expression}}}" if pairs % 2 == 0 else value
        literal = (pairs - 1) // 2
        return opening[pairs:] + "{" * literal + inner + "}" * literal + closing[pairs:]

    return _BRACES.sub(replaced, text)


def small_expression(source: str, namespace: Mapping[str, Any]) -> ast.Expression | None:
    """An expression as `expand` describes it, without conversion and format spec; None if the text is none, or names what is not there."""
    try:
        tree = _parsed(source)
        names = _names(tree.body)
        return tree if names and names <= namespace.keys() and _allowed(tree.body) else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def evaluate(tree: ast.Expression, namespace: Mapping[str, Any]) -> Any:
    """The value of a `small_expression`. Raises whatever the values' own code does."""
    values = {name: namespace[name] for name in _names(tree.body)}
    return eval(compile(tree, "<prompt>", "eval"), {"__builtins__": {"len": len}}, values)  # noqa: S307 - the tree was checked


def _value_text(source: str, namespace: Mapping[str, Any]) -> str | None:
    """The text of what stands between two braces; None if it is no expression that has one."""
    try:
        [(_, expression, spec, conversion)] = Formatter().parse(f"{{{source}}}")
        if not expression or spec is None or _padded(source, expression, spec) or _WIDE.search(spec):
            return None
        tree = small_expression(expression, namespace)
        if tree is None:
            return None
        text = format(_CONVERSIONS[conversion](evaluate(tree, namespace)), spec)
    except Exception:  # whatever a value's own code raises: then the braces were not meant for us
        return None
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}\n[cut: {MAX_VALUE:,} of {len(text):,} characters]"


def _padded(*parts: str) -> bool:
    """Whether a blank begins or ends one of the parts: `{x: 1}` is a dict, `{ x }` a piece of JavaScript."""
    return any(part != part.strip() for part in parts)


def _parsed(expression: str) -> ast.Expression:
    with warnings.catch_warnings():
        # What is pasted into a prompt need not be good Python, and nobody asked for an opinion on it.
        warnings.simplefilter("ignore")
        return ast.parse(expression, mode="eval")


def _names(tree: ast.expr) -> set[str]:
    """The names that need a value: all but `len` where it is called."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}


def _allowed(node: ast.expr) -> bool:
    match node:
        case ast.Name() | ast.Constant():
            return True
        case ast.Attribute(value=value, attr=attr):
            return not attr.startswith("_") and _allowed(value)
        case ast.Subscript(value=value, slice=index):
            return _allowed(value) and _allowed_index(index)
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            return _allowed(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() | float() as exponent)):
            # A power of a power grows beyond any limit on the exponents.
            return exponent <= MAX_EXPONENT and _allowed(left) and not any(isinstance(part, ast.Pow) for part in ast.walk(left))
        case ast.BinOp(left=left, op=op, right=right):
            return isinstance(op, _ARITHMETIC) and _allowed(left) and _allowed(right)
        case ast.Call(func=ast.Name(id="len"), args=[argument], keywords=[]):
            return _allowed(argument)
    return False


def _allowed_index(node: ast.expr) -> bool:
    match node:
        case ast.Slice(lower=lower, upper=upper, step=step):
            return all(part is None or _allowed(part) for part in (lower, upper, step))
        case ast.Tuple(elts=parts):
            return all(_allowed_index(part) for part in parts)
    return _allowed(node)
