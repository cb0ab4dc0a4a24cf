"""Describe a value without running the user's code, and without touching lazy data.

A value is not used before its type is known to be harmless: no `repr`, no `len`, no attribute, and no `isinstance`, which reads
`__class__`. Types are recognized by identity: built-in ones here, those of libraries in `libraries.py`. Of all other values, such as lazy
frames and iterators, only the name of the type is given. The only exception is a class that describes itself to language models.
"""

import inspect
import threading
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from codex_jupyter._shortening import shorten
from codex_jupyter.notebook.context.introspection import Detail, class_name, dict_of, group_of, is_standard, lineage, module_dict
from codex_jupyter.notebook.context.libraries import kind_of
from codex_jupyter.notebook.context.statistics import statistics_of
from codex_jupyter.sdk.redaction import MARGIN, MASK, is_secret_name, mask

SELF_DESCRIPTION_METHODS: Final = ("_ai_repr_", "_repr_llm_")
"""Methods with which objects describe themselves to language models. `_ai_repr_` returns a text or a MIME bundle, `_repr_llm_` a text."""
MAX_SELF_DESCRIPTION_SECONDS: Final = 0.1
"""Maximum time to wait for such a method, in seconds."""
MAX_INT_BITS: Final = 1_024
"""Larger numbers are not written out, because the time grows with the square of their length."""

_ATOMS: Final = frozenset({int, float, complex, bool, type(None), type(...), type(NotImplemented), range})
_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}
_MAPPINGS: Final = frozenset({dict, OrderedDict, defaultdict, Counter})
SHORT: Final = Detail(items=6, depth=2, chars=80, rows=5, columns=12, total=1_000)
FULL: Final = Detail(items=30, depth=4, chars=1_000, rows=10, columns=40, total=5_000)


@dataclass
class Describer:
    """Describes values.

    Attributes:
        literals: Secrets that are masked everywhere.
        remaining: Returns the seconds that are left.
        slow: Ids of classes whose self-description took too long. It is not called again.
    """

    literals: tuple[str, ...] = ()
    remaining: Callable[[], float] = lambda: MAX_SELF_DESCRIPTION_SECONDS
    slow: set[int] = field(default_factory=set)

    def brief(self, name: str, value: object) -> str:
        """Return the type and the shape of a value, or the name of a module, a function or a class. No values."""
        group, cls = group_of(value), type(value)
        if group == "modules":
            real = module_dict(value).get("__name__")
            return f"{name} ({real})" if type(real) is str and real != name else name
        if group:
            return f"{name}({', '.join(_arguments(value))})" if type(value) is types.FunctionType else name
        if cls in _BRACKETS or cls in _MAPPINGS:
            return f"{name}: {class_name(cls)}, {len(value)} items"  # type: ignore[arg-type]
        kind = kind_of(cls)
        return f"{name}: {class_name(cls) if kind is None else kind.brief(value)}"

    def details(self, name: str, value: object, detail: Detail) -> str:
        """Return the text after `brief`. Empty if there are no details."""
        if is_secret_name(name) and not group_of(value):
            return f" = {self.render(value, detail, name=name)}"
        if (description := self._self_description(value)) is not None:
            return _indented(shorten(self.masked(description, detail.total), detail.total))
        kind = kind_of(type(value))
        if kind is not None and kind.details is not None:
            lines = kind.details(value, detail, lambda item, column="": self.render(item, detail, name=str(column)))
            return shorten(_indented("\n".join(lines)), detail.total)
        if not group_of(value) and not (text := self.render(value, detail)).startswith("<"):
            return f" = {shorten(text, detail.total)}"
        if detail.total < FULL.total:
            return ""
        return shorten(_indented(self.masked(_source_or_members(value), detail.total, code=True)), detail.total)

    def statistics(self, name: str, value: object) -> str:
        """Return the statistics of a frame, a series or an array as text after the details. Empty if there are none."""
        return _indented("\n".join(statistics_of(name, value, self.remaining)))

    def render(self, value: object, detail: Detail, *, depth: int = 0, name: str = "") -> str:
        """Return a bounded `repr` in which a value of an unknown type is only the name of its type.

        Args:
            value: Anything.
            detail: The bounds.
            depth: Number of containers around the value.
            name: The name of the value, which may show that it is a secret.
        """
        cls = type(value)
        if name and is_secret_name(name, grave=cls in _ATOMS) and value is not None:
            return MASK
        if cls is str or cls is bytes or cls is bytearray:
            return self._text(value, detail.chars)
        if cls in _ATOMS:
            return f"<int of {value.bit_length()} bits>" if cls is int and value.bit_length() > MAX_INT_BITS else repr(value)  # type: ignore[attr-defined]
        if cls in _BRACKETS or cls in _MAPPINGS:
            return self._container(value, detail, depth)
        if is_standard(value):
            return shorten(repr(value), detail.chars)
        kind = kind_of(cls)
        if kind is not None and kind.scalar is not None:
            return shorten(self.masked(kind.scalar(value), detail.chars), detail.chars)
        return f"<{class_name(cls) if kind is None else kind.brief(value)}>"

    def masked(self, text: str, limit: int, *, code: bool = False) -> str:
        """Return the start of a text without secrets. It is longer than `limit`, so that the text is cut after masking."""
        return mask(text[: limit + MARGIN], self.literals, code=code)

    def _text(self, value: Any, limit: int) -> str:
        part = value[: limit + MARGIN]
        text = part if type(part) is str else bytes(part).decode("latin-1")
        shown = self.masked(text, limit)
        if type(part) is str or shown != text:
            return shorten(repr(shown), limit)
        return shorten(repr(part), limit)

    def _container(self, value: Any, detail: Detail, depth: int) -> str:
        is_mapping = type(value) in _MAPPINGS
        opening, closing = ("{", "}") if is_mapping else _BRACKETS[type(value)]
        if depth >= detail.depth:
            return f"{opening}…{closing}" if value else opening + closing
        if is_mapping and _is_environment(value):
            return "{environment variables, not shown}"
        if is_mapping:
            parts = [self._pair(key, item, detail, depth) for key, item in islice(dict.items(value), detail.items)]
        else:
            parts = [self.render(item, detail, depth=depth + 1) for item in islice(value, detail.items)]
        if len(value) > detail.items:
            parts.append(f"… {len(value) - detail.items} more")
        elif type(value) is tuple and len(value) == 1:
            parts.append("")
        return opening + ", ".join(parts).rstrip(" ") + closing

    def _pair(self, key: object, value: object, detail: Detail, depth: int) -> str:
        name = key if type(key) is str else ""
        return f"{self.render(key, detail, depth=depth + 1)}: {self.render(value, detail, depth=depth + 1, name=name)}"

    def _self_description(self, value: object) -> str | None:
        """Return an object's description of itself. None if it has none, fails, or takes too long."""
        cls = type(value)
        methods = (dict_of(base).get(name) for base in lineage(cls) for name in SELF_DESCRIPTION_METHODS)
        method = next((method for method in methods if method is not None), None)
        seconds = min(MAX_SELF_DESCRIPTION_SECONDS, self.remaining())
        if type(method) is not types.FunctionType or inspect.iscoroutinefunction(method) or id(cls) in self.slow or seconds <= 0:
            return None
        results: list[object] = []

        def call() -> None:
            try:
                results.append(method(value))
            except BaseException:
                results.append(None)

        # A call that hangs cannot be stopped, so it runs in a separate thread. It may continue, and it is not called again.
        thread = threading.Thread(target=call, name="codex-jupyter-self-description", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self.slow.add(id(cls))
        return _plain_text(results[0]) if results else None


def _plain_text(description: object) -> str | None:
    """Return the text of a description that is a text or a MIME bundle."""
    bundle = description if type(description) is dict else {"text/plain": description}
    return next((text for mime in ("text/markdown", "text/plain") if type(text := bundle.get(mime)) is str and text.strip()), None)


def _indented(text: str) -> str:
    return "".join(f"\n    {line}" for line in text.splitlines())


def _is_environment(mapping: dict[object, object]) -> bool:
    """Return True if a dictionary looks like a copy of `os.environ`."""
    return dict.__contains__(mapping, "PATH") and any(dict.__contains__(mapping, name) for name in ("HOME", "USERPROFILE", "PWD"))


def _arguments(function: Any) -> Iterable[str]:
    """Return the names of a function's arguments, without defaults, because these are values."""
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    stars = [flag for flag, bit in (("*", inspect.CO_VARARGS), ("**", inspect.CO_VARKEYWORDS)) if code.co_flags & bit]
    return names + [star + name for star, name in zip(stars, code.co_varnames[count:], strict=False)]


def _source_or_members(value: object) -> str:
    """Return the source of a function, or the public names of a class."""
    if type(value) is types.FunctionType:
        try:
            return inspect.getsource(value.__code__)
        except (OSError, TypeError, SyntaxError):
            return ""
    cls: type = value if group_of(value) == "classes" else type(value)  # type: ignore[assignment]
    if group_of(value) in ("modules", "functions"):
        return ""
    names = sorted({name for base in lineage(cls)[:-1] for name in dict_of(base) if type(name) is str and not name.startswith("_")})
    return f"has: {', '.join(islice(names, 40))}" if names else ""
