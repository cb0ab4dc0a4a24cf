"""The package as a whole: its exports, and the cost of importing it. `lint-imports` checks who imports whom."""

import inspect
import re
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


LOADING = """
import re, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import IPython.core.magic_arguments, IPython.core.magics.extension
before, compiled, compile = set(sys.modules), [], re.compile
re.compile = lambda *arguments: compiled.append(arguments) or compile(*arguments)
shell.extension_manager.load_extension("codex_jupyter")
print(len(compiled), *set(sys.modules) - before)
"""


@pytest.mark.integration
def test_load_ext_imports_little_and_compiles_no_pattern() -> None:
    """The modules for prompts, commands, images and Tab are loaded when they are first used."""
    compiled, *loaded = _python(LOADING).split()
    assert compiled == "0"
    own = {name for name in loaded if name.startswith("codex_jupyter")}
    assert len(own) <= 28
    assert len(loaded) - len(own) <= 8
    later = {"pydantic", "anyio", "PIL", "difflib", "base64"} | {f"codex_jupyter.notebook.magic.{name}" for name in ("completion", "help")}
    assert not later & set(loaded)


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


REAL_NAMES = re.compile(r"\bgpt-\w|\b0\.[1-9]\d\d(\.\d|[\"'])|(codex|CLI|[=<>]) ?0\.[1-9]\d\d\b")
"""The name of a model of OpenAI, or the version of a codex CLI."""


def test_no_test_contains_the_name_of_a_model_or_a_version_of_the_cli() -> None:
    """Names come from `tests.invented`, or from the CLI by `tests.catalogue`. Recorded data keeps its own."""
    tests = Path(__file__).parent
    places = {
        f"{path.relative_to(tests)}:{number}": line.strip()
        for path in tests.rglob("*")
        if path.suffix in {".py", ".js", ".ambr", ".html", ".mjs"} and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if REAL_NAMES.search(line)
    }
    # The version of another package that is measured.
    assert {place.partition(":")[0] for place in places} == {"benchmarks/sdk_clients.py"}, places
