"""The names that one call can use: variables of the calling code, and then those of the notebook."""

import dis
import sys
from collections.abc import Iterator, Mapping
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType, MappingProxyType
from typing import Any, Final, NamedTuple

from IPython.core.interactiveshell import InteractiveShell

_DISPATCHERS: Final = ("IPython.core.interactiveshell", "IPython.core.magic")
"""Modules whose functions call a magic for the code that uses it."""
_RUN_MAGIC: Final = ("run_line_magic", "run_cell_magic")
"""Methods that call a magic. A subclass of the shell in another module can override them."""
_COMPREHENSIONS: Final = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
"""Names of the code of comprehensions. From Python 3.12, only generator expressions have such code."""

_OUTSIDE: Final = "{0} is a variable of {1}, which {2} does not use. Pass it to {2} as an argument."


class Namespace(NamedTuple):
    """The names of one call.

    Attributes:
        values: The values by name, as they are when the call starts.
        foreign: The names that are not variables of the notebook, but of the function or the module that calls.
        hidden: The reason why a name has no value, as a sentence, by name: it is a local variable that has none now, or it is a variable of
            the function around the calling code, which this code does not use. A global of the same name is not meant.
    """

    values: dict[str, Any]
    foreign: frozenset[str] = frozenset()
    hidden: Mapping[str, str] = MappingProxyType({})


def notebook_namespace(shell: Any) -> Namespace:
    """Return the names of the notebook, for what no code calls, such as completion or a chat.

    Args:
        shell: An `InteractiveShell`.
    """
    # The two differ only in a shell that is embedded in a function.
    return Namespace({**shell.user_global_ns, **shell.user_ns})


def calling_namespace(shell: Any) -> Namespace:
    """Return the names for a function that is called by a magic or by the user's code. Call it in this function.

    They are the local variables of the calling code, its globals, and then the notebook's names. A comprehension also has the variables of
    the code around it. Variables of further callers are not used. A local variable without a value hides a global, as in Python.

    IPython passes the notebook's variables to every cell magic as `local_ns`, so the frame of the calling code is examined.

    Args:
        shell: An `InteractiveShell`.
    """
    notebook = notebook_namespace(shell).values
    frames = list(_scope(_calling_frame(sys._getframe(2))))
    values, hidden = dict(notebook), dict[str, str]()
    if frames[-1].f_globals is not shell.user_global_ns:
        values |= frames[-1].f_globals
    for frame in _frames_around(frames[-1]):
        hidden |= {name: _OUTSIDE.format(name, _name(frame), _name(frames[-1])) for name in frame.f_locals}
    for frame in reversed(frames):
        variables = frame.f_locals
        if variables is not frame.f_globals:
            hidden |= {name: f"{name} is a variable of {_name(frame)} without a value." for name in _unbound(frame.f_code, set(variables))}
            values.update(variables)
            hidden = {name: reason for name, reason in hidden.items() if name not in variables}
    for name in hidden:
        values.pop(name, None)
    foreign = (name for name, value in values.items() if name not in notebook or notebook[name] is not value)
    return Namespace(values, frozenset(foreign), hidden)


def _calling_frame(frame: FrameType) -> FrameType:
    """Return the frame of the code that uses a magic, from the frame that calls the function of the magic."""
    while frame.f_back is not None and (
        frame.f_globals.get("__name__") in _DISPATCHERS
        or (frame.f_code.co_name in _RUN_MAGIC and isinstance(frame.f_locals.get("self"), InteractiveShell))
    ):
        frame = frame.f_back
    return frame


def _scope(frame: FrameType) -> Iterator[FrameType]:
    """Yield a frame, and the frames around it if it is a comprehension."""
    yield frame
    # The code that consumes a generator expression is not the code around it if the generator was passed on.
    while frame.f_code.co_name in _COMPREHENSIONS and frame.f_back is not None and _contains(frame.f_back.f_code, frame.f_code):
        frame = frame.f_back
        yield frame


def _frames_around(frame: FrameType) -> Iterator[FrameType]:
    """Yield the frames of the functions in which the code of a frame is written, as far as they are running, outermost first."""
    inner, around = frame, list[FrameType]()
    outer = frame.f_back
    while outer is not None:
        if outer.f_code.co_flags & CO_OPTIMIZED and _contains(outer.f_code, inner.f_code):
            around.append(outer)
            inner = outer
        outer = outer.f_back
    yield from reversed(around)


def _name(frame: FrameType) -> str:
    return frame.f_code.co_name


def _contains(outer: CodeType, inner: CodeType) -> bool:
    return any(constant is inner for constant in outer.co_consts)


def _unbound(code: CodeType, bound: set[str]) -> set[str]:
    """Return the local variables of a function that have no value now."""
    if not code.co_flags & CO_OPTIMIZED:
        return set()
    unbound = {*code.co_varnames, *code.co_cellvars, *code.co_freevars} - bound
    if unbound:
        # From Python 3.12, the variables of comprehensions are local variables of the function around them. Outside of the comprehension,
        # such a name stands for a global.
        unbound -= {str(step.argval) for step in dis.get_instructions(code) if step.opname == "LOAD_FAST_AND_CLEAR"}
    return unbound
