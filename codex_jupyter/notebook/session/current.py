"""The session of a shell. The extension provides it when it is loaded; this module imports no SDK."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_jupyter.notebook.session.session import NotebookSession

_providers: "dict[Any, Callable[[], NotebookSession]]" = {}


def provide(shell: Any, session: "Callable[[], NotebookSession]") -> None:
    """Set what returns the session of a shell."""
    _providers[shell] = session


def withdraw(shell: Any) -> None:
    """Forget the session of a shell."""
    _providers.pop(shell, None)


def current_session(shell: Any) -> "NotebookSession":
    """Return the session of a shell. Load the extension first if it is not loaded.

    Raises:
        UsageError: If the configuration contains an invalid setting.
    """
    if shell not in _providers:
        # IPython may count the extension as loaded although `unload_ipython_extension` was called directly.
        shell.extension_manager.loaded.discard("codex_jupyter")
        shell.extension_manager.load_extension("codex_jupyter")
    return _providers[shell]()
