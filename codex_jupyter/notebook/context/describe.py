"""A value -> text, without running code of the user's and without touching what only looks like data.

Nothing is asked of a value itself before its type is known to be harmless: no `repr`, no `len`, no attribute, no `isinstance` (which reads
`__class__`). Types are recognised by identity: built-in ones here, those of libraries in `libraries.py`. Of everything else, lazy frames
and iterators among it, only the name of the type is told. The one exception is a class that describes itself to language models.
"""

import inspect
import threading
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from codex_jupyter.notebook.context.introspection import Detail, class_name, clip, dict_of, group_of, is_standard, lineage, module_dict
from codex_jupyter.notebook.context.libraries import kind_of
from codex_jupyter.sdk.redaction import MARGIN, MASK, is_secret_name, mask

OWN_WORDS: Final = ("_ai_repr_", "_repr_llm_")
"""Methods by which objects describe themselves to language models; `_ai_repr_` gives a text or a mime bundle, `_repr_llm_` a text."""
OWN_WORDS_SECONDS: Final = 0.1
"""Longest time to wait for such a method."""
MAX_INT_BITS: Final = 1_024
"""Larger numbers are not written out: that takes time that grows with the square of their length."""

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
    """Writes values down.

    Attributes:
        literals: Known secrets, to be masked wherever they stand.
        remaining: Gives the seconds that are left.
        slow: Identities of classes whose own words took too long; they are not asked again.
    """

    literals: tuple[str, ...] = ()
    remaining: Callable[[], float] = lambda: OWN_WORDS_SECONDS
    slow: set[int] = field(default_factory=set)

    def brief(self, name: str, value: object) -> str:
        """The type and the shape of a value, or the bare name of a module, a function or a class. No values."""
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
        """What there is to say beyond `brief`, to be written behind it; empty if nothing."""
        if is_secret_name(name) and not group_of(value):
            return f" = {self.render(value, detail, name=name)}"
        if (own := self._own_words(value)) is not None:
            return _indented(clip(self.masked(own, detail.total), detail.total))
        kind = kind_of(type(value))
        if kind is not None and kind.details is not None:
            lines = kind.details(value, detail, lambda item, column="": self.render(item, detail, name=str(column)))
            return clip(_indented("\n".join(lines)), detail.total)
        if not group_of(value) and not (text := self.render(value, detail)).startswith("<"):
            return f" = {clip(text, detail.total)}"
        return clip(_indented(self.masked(_source_or_members(value), detail.total, code=True)), detail.total) if detail is FULL else ""

    def render(self, value: object, detail: Detail, *, depth: int = 0, name: str = "") -> str:
        """A bounded `repr` in which every unknown thing is only the name of its type.

        Args:
            value: Anything.
            detail: The bounds.
            depth: In how many containers it is.
            name: What it goes by, if its name can tell that it is a secret.
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
            return clip(repr(value), detail.chars)
        kind = kind_of(cls)
        if kind is not None and kind.scalar is not None:
            return clip(self.masked(kind.scalar(value), detail.chars), detail.chars)
        return f"<{class_name(cls) if kind is None else kind.brief(value)}>"

    def masked(self, text: str, limit: int, *, code: bool = False) -> str:
        """The beginning of a text without secrets; somewhat longer than `limit`, so that the cut is made in what is already masked."""
        return mask(text[: limit + MARGIN], self.literals, code=code)

    def _text(self, value: Any, limit: int) -> str:
        part = value[: limit + MARGIN]
        text = part if type(part) is str else bytes(part).decode("latin-1")
        shown = self.masked(text, limit)
        if type(part) is str or shown != text:
            return clip(repr(shown), limit)
        return clip(repr(part), limit)

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

    def _own_words(self, value: object) -> str | None:
        """What an object says of itself to language models; None if it says nothing, fails, or takes too long."""
        cls = type(value)
        method = next((found for base in lineage(cls) for name in OWN_WORDS if (found := dict_of(base).get(name)) is not None), None)
        seconds = min(OWN_WORDS_SECONDS, self.remaining())
        if type(method) is not types.FunctionType or inspect.iscoroutinefunction(method) or id(cls) in self.slow or seconds <= 0:
            return None
        said: list[object] = []

        def ask() -> None:
            try:
                said.append(method(value))
            except BaseException:
                said.append(None)

        # A thread of its own, because nothing else can leave a call that hangs. It may run on; it is not asked a second time.
        thread = threading.Thread(target=ask, name="codex-jupyter-own-words", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self.slow.add(id(cls))
        return _plain(said[0]) if said else None


def _plain(said: object) -> str | None:
    """The text of an answer that is one, or that is a mime bundle with one."""
    bundle = said if type(said) is dict else {"text/plain": said}
    return next((text for mime in ("text/markdown", "text/plain") if type(text := bundle.get(mime)) is str and text.strip()), None)


def _indented(text: str) -> str:
    return "".join(f"\n    {line}" for line in text.splitlines())


def _is_environment(mapping: dict[object, object]) -> bool:
    """Whether a dictionary looks like a copy of `os.environ`."""
    return dict.__contains__(mapping, "PATH") and any(dict.__contains__(mapping, name) for name in ("HOME", "USERPROFILE", "PWD"))


def _arguments(function: Any) -> Iterable[str]:
    """The names of a function's arguments. Not their defaults, which are values."""
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    stars = [flag for flag, bit in (("*", inspect.CO_VARARGS), ("**", inspect.CO_VARKEYWORDS)) if code.co_flags & bit]
    return names + [star + name for star, name in zip(stars, code.co_varnames[count:], strict=False)]


def _source_or_members(value: object) -> str:
    """The source of a function; of any other thing the public names of its class, from the class alone."""
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
