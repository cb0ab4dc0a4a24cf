"""What `%codex doctor` says: what the SDK finds, and what this notebook is."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from codex_jupyter.notebook.persistence.notebook_file import notebook_path

if TYPE_CHECKING:
    from codex_jupyter.notebook.magic.magics import CodexMagics

_PACKAGES: Final = ("codex-jupyter", "ipython", "ipykernel", "jupyterlab", "notebook")


def report(magics: "CodexMagics") -> str:
    """Look at everything, and say it in lines; a line with a `!` names something to mend."""
    return "\n".join(_lines(magics))


def _lines(magics: "CodexMagics") -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield "  ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    yield str(magics.session.call(magics.session.client.codex.doctor))
    if magics.session.client.demo is not None:
        yield "answers: a script (demo mode); `%codex demo off` ends it"
    yield f"front end: {_front_end(magics)}"
    path = notebook_path(magics.shell)
    yield f"notebook: {path}" if path else "notebook: not named by the front end, so threads are not remembered across kernels"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _front_end(magics: "CodexMagics") -> str:
    if not hasattr(magics.shell, "kernel"):
        return "a terminal: turns are written as text"
    if "google.colab" in str(type(magics.shell)):
        return "Colab: turns are shown live; threads are not remembered across kernels"
    if "__vsc_ipynb_file__" in magics.shell.user_ns:
        return "VS Code: turns are shown live"
    if os.environ.get("JPY_SESSION_NAME"):
        return "a Jupyter server (JupyterLab or Notebook): everything works"
    return "a kernel without a named notebook (nbclient, papermill or a console): finished turns are kept, nothing can be asked"
