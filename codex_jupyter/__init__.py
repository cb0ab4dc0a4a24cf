"""OpenAI's Codex agent inside the notebook, and an async SDK for it.

In a notebook, run `%load_ext codex_jupyter` and start a cell with `%%codex`. In Python, use `await Codex().start_thread().run("...")`, or
`codex_jupyter.sync` without `await`.

This module exports all names of `codex_jupyter.sdk`. They are imported when they are first used, so that importing the package and loading
the extension stay cheap. `from codex_jupyter import *` imports only the names that a notebook needs.
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

__all__ = ["Codex", "CodexChat", "CodexError", "ImageInput", "LocalImageInput", "TextInput", "chat", "image", "images"]  # noqa: F405
__version__ = "0.1.0"

install()
del install

_NOTEBOOK_NAMES = {
    "CodexChat": "codex_jupyter.notebook.chat",
    "chat": "codex_jupyter.notebook.chat",
    "image": "codex_jupyter.notebook.images.attach",
    "images": "codex_jupyter.notebook.images.attach",
}
"""Names that need a notebook, and their modules."""


def __getattr__(name: str) -> Any:
    if name in _NOTEBOOK_NAMES:
        return getattr(import_module(_NOTEBOOK_NAMES[name]), name)
    # `from codex_jupyter import x` also calls this for submodules, before it imports them.
    if not name.startswith("_") and name not in ("sdk", "sync", "notebook", "demo", "testing"):
        sdk = import_module("codex_jupyter.sdk")
        if name in sdk.__all__:
            return getattr(sdk, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    sdk = import_module("codex_jupyter.sdk")
    return sorted([*sdk.__all__, *_NOTEBOOK_NAMES, "load_ipython_extension", "unload_ipython_extension"])


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Register `%codex` and `%%codex`. Called by `%load_ext codex_jupyter`. Prints nothing, starts no process and writes no file."""
    from codex_jupyter.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Undo `load_ipython_extension` and stop everything that runs. Called by `%unload_ext codex_jupyter`."""
    from codex_jupyter.notebook.extension import unload

    unload(shell)
