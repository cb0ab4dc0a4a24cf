"""Documentation is read as it is stored: no code of the notebook runs for it."""

import types
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from codex_jupyter.notebook.kernel_tools.reading import KernelReader

HOSTILE = """
class Noting:
    def __init__(self, name): object.__setattr__(self, "name", name)
    def __getattribute__(self, name): ran.append(f"{object.__getattribute__(self, 'name')}.{name}"); raise AttributeError(name)
    def __repr__(self): ran.append("repr"); return "noting"
    def __call__(self): ran.append("call")
    def __get__(self, owner, kind): ran.append("get"); return "computed"
class Meta(type):
    @property
    def __doc__(self): ran.append("Meta.__doc__"); return "computed"
    @property
    def __signature__(self): ran.append("Meta.__signature__")
    def __getattr__(self, name): ran.append(f"Meta.{name}"); raise AttributeError(name)
class Made(metaclass=Meta):
    def __init__(self, size: int = 1, other: Noting("annotation") = Noting("default")): pass
class Described:
    "A docstring."
    __signature__ = Noting("signature")
    attribute = Noting("attribute")
    def __init__(self, size): pass
proxy = Noting("proxy")
def function(size: int, names: list[Noting("argument")] = ()) -> Noting("result"): "Return nothing."
def signed(size): pass
signed.__signature__ = Noting("signature")
def wrapped(size): pass
wrapped.__wrapped__ = Noting("wrapped")
class Lazy(types.ModuleType):
    def __getattribute__(self, name): ran.append(f"Lazy.{name}"); return types.ModuleType.__getattribute__(self, name)
module = Lazy("module", "Of a module.")
method = types.MethodType(Noting("method"), 1)
nested = types.MethodType(method, 2)
ran.clear()
"""


@pytest.fixture
def names() -> dict[str, Any]:
    names: dict[str, Any] = {"ran": [], "types": types, "__name__": "notebook"}
    exec(HOSTILE, names)  # noqa: S102 - the code of a notebook
    return names


@pytest.fixture
def look(names: dict[str, Any]) -> Callable[[str], str]:
    return KernelReader(SimpleNamespace(user_ns=names), None, None).documentation  # type: ignore[arg-type]


EXPECTED = {
    "Made": "Meta Made(size: int = 1, other=Ellipsis)",
    "Described": "type Described(size)",
    "function": "function function(size: int, names=Ellipsis)\n\nReturn nothing.",
    "signed": "function signed",
    "wrapped": "function wrapped",
    "module": "Lazy module\n\nOf a module.",
    "method": "method method",
    "nested": "method nested",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_no_code_of_the_notebook_runs(look: Callable[[str], str], names: dict[str, Any], name: str) -> None:
    assert look(name).startswith(EXPECTED[name])
    assert names["ran"] == []


@pytest.mark.parametrize("name", ["proxy", "Described.attribute", "proxy.attribute", "module.missing"])
def test_a_value_has_no_documentation(look: Callable[[str], str], names: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=r"is a Noting|There is no"):
        look(name)
    assert names["ran"] == []


def test_ordinary_documentation_is_complete(look: Callable[[str], str], names: dict[str, Any]) -> None:
    names |= {"KernelReader": KernelReader, "len": len, "dict": dict}
    text = look("KernelReader.variable")
    assert text.startswith("function KernelReader.variable(self, name: str, max_rows: int) -> str\n\nReturn one variable in detail.")
    assert "Source:\n    def variable(self" in text
    assert look("KernelReader").startswith("type KernelReader(shell, collector: 'ContextCollector', display_log: 'DisplayLog') -> None")
    assert "len(obj, /)" in look("len")
    assert "dict() -> new empty dictionary" in look("dict")
    names["normal"] = np.random.normal
    assert "normal(loc=0.0, scale=1.0, size=None)" in look("normal"), "a method that Cython has made"


@pytest.mark.parametrize(
    ("name", "start", "text"),
    [
        ("np.mean", "function np.mean(a, axis=None, dtype=None, out=None", "Source:\n"),
        ("np.add", "function np.add", "Add arguments element-wise."),
        ("np.ndarray.mean", "function np.ndarray.mean", "Returns the average of the array elements"),
        ("bound", "method bound", "Compute the arithmetic mean"),
        ("names.append", "function names.append(self, object, /)", "Append object to the end of the list."),
        ("str.upper", "function str.upper(self, /)", "uppercase"),
        ("len", "function len(obj, /)", "Return the number of items"),
    ],
)
def test_functions_in_c_have_documentation(look: Callable[[str], str], names: dict[str, Any], name: str, start: str, text: str) -> None:
    names |= {"np": np, "names": [], "bound": types.MethodType(np.mean, [1])}
    assert look(name).startswith(start)
    assert text in look(name)


@pytest.mark.parametrize("name", ["array", "number", "polynomial", "vectorized", "data"])
def test_a_value_of_numpy_has_no_documentation(look: Callable[[str], str], names: dict[str, Any], name: str) -> None:
    names |= {"array": np.arange(3), "number": np.float64(1), "polynomial": np.poly1d([1]), "vectorized": np.vectorize(abs), "data": []}
    with pytest.raises(ValueError, match="Use inspect"):
        look(name)


def test_no_code_that_was_put_into_a_function_of_numpy_runs(
    look: Callable[[str], str], names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names["np"] = np
    for attribute in ("__wrapped__", "__signature__", "__doc__"):
        with monkeypatch.context() as patch:
            patch.setitem(vars(np.median), attribute, names["proxy"])
            assert look("np.median").startswith("function np.median")
    assert names["ran"] == []
