"""OpenAI's Codex agent inside the notebook, and an async SDK for it.

In a notebook: `%load_ext codex_jupyter`, then cells that begin with `%%codex`. In Python: `await Codex().start_thread().run("...")`.

All names of `codex_jupyter.sdk` are names of this module. They are imported when they are first used, so that importing the package, and
loading the extension, cost next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from codex_jupyter._trusted_imports import install

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from codex_jupyter.notebook.chat import CodexChat as CodexChat
    from codex_jupyter.notebook.chat import chat as chat
    from codex_jupyter.notebook.images.attach import image as image
    from codex_jupyter.notebook.images.attach import images as images
    from codex_jupyter.sdk import *  # noqa: F403

__version__ = "0.1.0"

install()
del install

_IN_NOTEBOOKS = {
    "CodexChat": "codex_jupyter.notebook.chat",
    "chat": "codex_jupyter.notebook.chat",
    "image": "codex_jupyter.notebook.images.attach",
    "images": "codex_jupyter.notebook.images.attach",
}
"""Names of the notebook's side, and their modules."""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*import_module("codex_jupyter.sdk").__all__, *_IN_NOTEBOOKS]
    if name in _IN_NOTEBOOKS:
        return getattr(import_module(_IN_NOTEBOOKS[name]), name)
    # `from codex_jupyter import x` asks here for submodules too, before it imports them.
    if not name.startswith("_") and name not in ("sdk", "notebook", "demo"):
        sdk = import_module("codex_jupyter.sdk")
        if name in sdk.__all__:
            return getattr(sdk, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__getattr__("__all__"), "load_ipython_extension", "unload_ipython_extension"])


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Register `%codex` and `%%codex`; what `%load_ext codex_jupyter` calls. Quiet; starts no process and writes no file."""
    from codex_jupyter.notebook.magic.magics import load

    load(shell)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Take everything back and stop what runs; what `%unload_ext codex_jupyter` calls."""
    from codex_jupyter.notebook.magic.magics import unload

    unload(shell)
