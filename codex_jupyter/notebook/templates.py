"""Values of the notebook in a prompt: `{expr}` becomes the text of the value. Other text in braces does not change.

Prompts contain code, JSON and LaTeX, so braces have a meaning only around a small expression over existing names. Only `len` is called,
private attributes are not read, and the text of a value is never expanded again.
"""

import ast
import re
import warnings
from bisect import bisect
from collections.abc import Callable, Mapping
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import Any, Final

from IPython.core.error import UsageError

MAX_EXPRESSION: Final = 200
"""Characters between two braces. Longer text is not an expression."""
MAX_VALUE: Final = 20_000
"""Characters of the text of a value. The rest is cut off."""
MAX_EXPONENT: Final = 100
"""The largest constant exponent. A larger one could block the kernel."""

_CONTENT: Final = rf"[^{{}}\n]{{1,{MAX_EXPRESSION}}}"
# Braces in a format spec, such as those of `{x:{width}.2f}`. All numbers are bounded, so that many braces take linear time.
_FIELDS: Final = rf"(?:[^{{}}\n]{{0,40}}{{{_CONTENT}}}){{1,3}}[^{{}}\n]{{0,40}}"
# An expression with such braces; or opening braces, their content, closing braces. Many braces stay linear because of the look-behind and
# the possessive quantifier.
_BRACES: Final = re.compile(rf"(?<!{{)(?:{{({_CONTENT}:{_FIELDS})}}(?!}})|({{++)({_CONTENT})(}}++))")
_FIELD: Final = re.compile(r"{([^{}\n]+)}")
_COMMAND: Final = re.compile(r"(?<![A-Za-z_:.\\])\\[A-Za-z]+\*?(?:[_^]?{[^{}\n]*}|[_^][^{}\s]|\[[^\[\]\n]*\]){0,9}[_^]?\Z")
"""A command of LaTeX with the arguments before another one. A folder in a path, such as `C:\\plots`, is not one."""
_FORMULA: Final = re.compile(
    r"(?<![\\$\w])\$(?=[^\s$])(?:[^$\n]{0,400}[^$\s\\])\$(?![\w$])|(?s:\$\$.{1,400}?\$\$|\\\(.{1,400}?\\\)|\\\[.{1,400}?\\\])"
)
"""A formula of LaTeX. Dollars of prices and of variables of a shell are followed or preceded by a blank."""
_WIDE: Final = re.compile(r"\d{4}")
"""A width in a format spec that could produce gigabytes of blanks."""
_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_CONVERSIONS: Final[dict[str | None, Callable[[Any], Any]]] = {None: lambda value: value, "r": repr, "s": str, "a": ascii}


def expand(text: str, namespace: Mapping[str, Any], hidden: Mapping[str, str] = _NOTHING) -> str:
    r"""Replace `{expr}` by the text of its value, except in LaTeX: `\frac{x}{n}` and `$x_{i}$` do not change.

    An expression consists of names of the namespace, attributes that do not start with `_`, subscripts, slices, constants, arithmetic and
    `len(...)`. It can end with a conversion and a format spec as in an f-string: `{x!r:>10}`, `{x:.{digits}f}`. It has at most
    `MAX_EXPRESSION` characters, is on one line, and has no blank next to its braces.

    Args:
        text: Any text. Braces around other text, such as an unknown name or an expression that fails, do not change.
        namespace: The values by name.
        hidden: Names without a value that are clearly meant, with the reason; see `Namespace.hidden`.

    Returns:
        The text. `{{expr}}` becomes `{expr}` where `{expr}` alone would be replaced. Three braces on each side are a replaced expression
        in literal braces, as in an f-string. The text of a value is cut after `MAX_VALUE` characters, with a note.

    Raises:
        UsageError: If an expression uses a hidden name.
    """

    @cache
    def formulas() -> list[tuple[int, int]]:
        return [match.span() for match in _FORMULA.finditer(text)]

    def is_latex(start: int) -> bool:
        """Return True if the braces are an argument of LaTeX: of a command, or `_{i}` and `^{i}` in a formula."""
        before = text[max(0, start - MAX_EXPRESSION) : start]
        if "\\" in before and _COMMAND.search(before) is not None:
            return True
        if not before.endswith(("_", "^")):
            return False
        place = bisect(formulas(), (start,)) - 1
        return place >= 0 and start < formulas()[place][1]

    def expanded(start: int, end: int) -> str:
        parts, position = list[str](), start
        for match in _BRACES.finditer(text, start, end):
            parts += [text[position : match.start()], match[0] if is_latex(match.start()) else replaced(match)]
            position = match.end()
        return "".join([*parts, text[position:end]])

    def replaced(match: re.Match[str]) -> str:
        nested, opening, expression, closing = match.groups()
        if nested is not None:
            opening, expression, closing = "{", nested, "}"
        pairs = min(len(opening), len(closing))
        value = _value_text(expression, namespace)
        if value is None and (name := hidden_name(expression, namespace, hidden)) is not None:
            if pairs % 2:
                raise UsageError(f"{{{expression}}} has no value: {hidden[name]} Double braces keep the text.")
            value = expression
        if value is None and nested is not None and small_expression(re.split("[!:]", nested)[0], namespace) is None:
            return "{" + expanded(match.start() + 1, match.end())  # not an expression, but it contains one
        if value is None:
            return match[0]
        inner = f"{{{expression}}}" if pairs % 2 == 0 else value
        literal = (pairs - 1) // 2
        return opening[pairs:] + "{" * literal + inner + "}" * literal + closing[pairs:]

    return expanded(0, len(text))


def small_expression(source: str, namespace: Mapping[str, Any]) -> ast.Expression | None:
    """Parse an expression of `expand`, without conversion and format spec. None if the text is not one, or uses an unknown name."""
    try:
        tree = _parsed(source)
        names = _names(tree.body)
        return tree if names and names <= namespace.keys() and _allowed(tree.body) else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def evaluate(tree: ast.Expression, namespace: Mapping[str, Any]) -> Any:
    """Return the value of a `small_expression`. Errors of the values' own code are raised."""
    values = {name: namespace[name] for name in _names(tree.body)}
    return eval(compile(tree, "<prompt>", "eval"), {"__builtins__": {"len": len}}, values)  # noqa: S307 - the tree was checked


def _value_text(source: str, namespace: Mapping[str, Any]) -> str | None:
    """Return the text for the content of two braces. None if it is not an expression with a value."""
    try:
        [(_, expression, spec, conversion)] = Formatter().parse(f"{{{source}}}")
        if not expression or spec is None:
            return None
        fields = {field: _value_text(field, namespace) for field in _FIELD.findall(spec)}
        if None in fields.values():
            return None
        spec = _FIELD.sub(lambda match: str(fields[match[1]]), spec)
        if _padded(source, expression, spec) or _WIDE.search(spec):
            return None
        tree = small_expression(expression, namespace)
        if tree is None:
            return None
        text = format(_CONVERSIONS[conversion](evaluate(tree, namespace)), spec)
    except Exception:  # from the value's own code: the braces stay as they are
        return None
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}\n[cut: {MAX_VALUE:,} of {len(text):,} characters]"


def hidden_name(source: str, namespace: Mapping[str, Any], hidden: Mapping[str, str]) -> str | None:
    """Return a hidden name that keeps a text from being an expression of `expand`. None if there is none."""
    if not hidden:
        return None
    try:
        [(_, expression, spec, _)] = Formatter().parse(f"{{{source}}}")
    except ValueError:
        return None
    if not expression or _padded(source, expression, spec or ""):
        return None
    tree = small_expression(expression, {**namespace, **hidden})
    return None if tree is None else next((name for name in _names(tree.body) if name in hidden), None)


def _padded(*parts: str) -> bool:
    """Return True if a part starts or ends with a blank: `{x: 1}` is a dict, `{ x }` is JavaScript."""
    return any(part != part.strip() for part in parts)


def _parsed(expression: str) -> ast.Expression:
    with warnings.catch_warnings():
        # Text in a prompt can be invalid Python, and warnings about it would only confuse.
        warnings.simplefilter("ignore")
        return ast.parse(expression, mode="eval")


def _names(tree: ast.expr) -> set[str]:
    """Return the names that need a value: all except a called `len`."""
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
            # A power of a power exceeds any limit on the exponents.
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
