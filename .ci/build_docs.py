"""Build the API reference with pdoc. Every warning is an error.

Usage: `python .ci/build_docs.py [FOLDER]`; the default folder is `build/docs`.
"""

import sys
import warnings
from pathlib import Path

import pdoc
from pdoc import render

import codex_jupyter
import codex_jupyter.sync

ROOT = Path(__file__).parents[1]
PAGES = ("codex_jupyter", "codex_jupyter.sync", "codex_jupyter.sdk.migration", "codex_jupyter.testing", "codex_jupyter.demo")


def main(folder: Path) -> int:
    """Write the pages of the public names and of the packages for tests and demos.

    Args:
        folder: Folder of the pages. It is created if it does not exist.

    Returns:
        The number of warnings.
    """
    # The package resolves its names on first use. pdoc documents only names that are in the module already.
    for name in codex_jupyter.__all__:
        setattr(codex_jupyter, name, getattr(codex_jupyter, name))
    # Its other names are those of `codex_jupyter`.
    codex_jupyter.sync.__all__ = ["Codex", "Login", "StreamedTurn", "Thread", "retry"]
    render.configure(docformat="google", search=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        pdoc.pdoc(*PAGES, output_directory=folder)
    messages = sorted({str(warning.message) for warning in caught})
    print(*messages, sep="\n", end="\n" if messages else "")
    return len(messages)


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs") else 0)
