"""The package as a whole: what it exports, what importing it costs, and who may import whom."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import codex_jupyter
from codex_jupyter import sdk

PACKAGE = Path(codex_jupyter.__file__).parent
NOTEBOOK_LIBRARIES = {"IPython", "ipykernel", "ipywidgets", "anywidget", "matplotlib", "traitlets"}
# Each room, and the rooms of this package that it may know.
FLOORS = {
    "_visible_text": {"_visible_text"},
    "_trusted_imports": {"_trusted_imports"},
    "sdk": {"sdk", "_visible_text", "_trusted_imports"},
    "testing": {"testing"},
    "demo": {"demo", "testing"},
    "notebook/render": {"notebook/render", "sdk", "_visible_text"},
    "notebook": {"notebook", "notebook/render", "sdk", "demo", "testing", "_visible_text", "_trusted_imports"},
}


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _room(module: str) -> str:
    path = module.removeprefix("codex_jupyter").lstrip(".").replace(".", "/")
    return next((room for room in sorted(FLOORS, key=len, reverse=True) if path == room or path.startswith(f"{room}/")), "")


def _imports(path: Path) -> set[str]:
    """The modules that a file imports, also inside functions, but not for type checking only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_importing_the_package_imports_no_notebook_library() -> None:
    """Neither the package nor the whole SDK loads IPython, widgets or plots."""
    for statement in ("import codex_jupyter", "import codex_jupyter.sdk", "import codex_jupyter.demo", "import codex_jupyter.testing"):
        loaded = _python(f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})").split()
        assert not NOTEBOOK_LIBRARIES & set(loaded), statement


def test_importing_the_package_alone_imports_no_sdk() -> None:
    """The names of the SDK are loaded when they are first used."""
    assert _python("import sys, codex_jupyter; print('pydantic' in sys.modules, 'anyio' in sys.modules)") == "False False"


def test_every_public_name_is_there() -> None:
    """The lists of names are sorted, complete and true, and the package gives all of them."""
    assert sdk.__all__ == sorted(sdk.__all__)
    for name in sdk.__all__:
        assert getattr(codex_jupyter, name) is getattr(sdk, name)
    assert set(sdk.__all__) <= set(dir(codex_jupyter))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = codex_jupyter.Nonsense


def test_a_star_gives_every_public_name() -> None:
    """And nothing else."""
    names = _python("from codex_jupyter import *; print(*[name for name in dir() if not name.startswith('_')])").split()
    assert set(names) == {*sdk.__all__, "CodexChat", "chat", "image", "images"}


def test_imports_go_down_only() -> None:
    """No room imports one that stands above it."""
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(("codex_jupyter", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        room = _room(module)
        if not room:
            continue
        for imported in _imports(path):
            if imported.startswith("codex_jupyter.") and _room(imported) not in FLOORS[room]:
                wrong.append(f"{module} imports {imported}")
            if room != "notebook" and imported.partition(".")[0] in NOTEBOOK_LIBRARIES:
                wrong.append(f"{module} imports {imported}")
    assert wrong == []


def test_everything_public_has_a_docstring() -> None:
    """Each public name says what it is."""
    public = {name: getattr(sdk, name) for name in sdk.__all__}
    assert [name for name, value in public.items() if inspect.isroutine(value) or inspect.isclass(value) if not value.__doc__] == []


def test_type_checkers_may_read_the_package() -> None:
    """The marker of PEP 561 is there, so that the annotations count for its users."""
    assert (Path(codex_jupyter.__file__).parent / "py.typed").is_file()
