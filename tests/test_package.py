"""The package as a whole: its exports, and the cost of importing it. `lint-imports` checks who imports whom."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import codex_jupyter
from codex_jupyter import sdk

NOTEBOOK_LIBRARIES = {"IPython", "ipykernel", "ipywidgets", "anywidget", "matplotlib", "traitlets"}


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.integration
def test_importing_the_package_imports_no_notebook_library() -> None:
    """The package, the SDK, the demo and the scripted model load no IPython, widgets or plotting library."""
    for statement in ("import codex_jupyter", "import codex_jupyter.sdk", "import codex_jupyter.demo", "import codex_jupyter.testing"):
        loaded = _python(f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})").split()
        assert not NOTEBOOK_LIBRARIES & set(loaded), statement


@pytest.mark.integration
def test_importing_the_package_alone_imports_no_sdk() -> None:
    """The names of the SDK are loaded when they are first used."""
    assert _python("import sys, codex_jupyter; print('pydantic' in sys.modules, 'anyio' in sys.modules)") == "False False"


def test_the_package_exports_every_public_name_of_the_sdk() -> None:
    """The list of public names is sorted, every name exists, and the package exports all of them."""
    assert sdk.__all__ == sorted(sdk.__all__)
    for name in sdk.__all__:
        assert getattr(codex_jupyter, name) is getattr(sdk, name)
    assert set(sdk.__all__) <= set(dir(codex_jupyter))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = codex_jupyter.Nonsense


@pytest.mark.integration
def test_a_star_import_gives_only_the_names_that_a_notebook_needs() -> None:
    """Other names are imported by their name."""
    names = _python("from codex_jupyter import *; print(*[name for name in dir() if not name.startswith('_')])").split()
    assert sorted(names) == sorted(codex_jupyter.__all__)
    assert len(names) < 12


def test_everything_public_has_a_docstring() -> None:
    """Public classes and functions are documented."""
    public = {name: getattr(sdk, name) for name in sdk.__all__}
    assert [name for name, value in public.items() if inspect.isroutine(value) or inspect.isclass(value) if not value.__doc__] == []


def test_the_package_is_marked_as_typed() -> None:
    """Type checkers use the annotations because of the marker file of PEP 561."""
    assert (Path(codex_jupyter.__file__).parent / "py.typed").is_file()
