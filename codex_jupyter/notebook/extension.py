"""Load and unload the extension. Only this module knows all fronts, the magics and the chat."""

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError

from codex_jupyter.notebook.magic import completion, input_transform
from codex_jupyter.notebook.magic.magics import CodexMagics
from codex_jupyter.notebook.session import current

if TYPE_CHECKING:
    from codex_jupyter.notebook.chat import CodexChat


def load(shell: InteractiveShell) -> None:
    """Register the magics with a shell. A second call does nothing.

    Raises:
        UsageError: If the configuration contains an invalid value of a setting.
    """
    if "CodexMagics" in shell.magics_manager.registry:
        return
    try:
        magics = CodexMagics(shell, open_chat=open_chat)
    except TraitError as error:
        # The base class has already listed the incomplete object.
        shell.configurables[:] = [item for item in shell.configurables if not isinstance(item, CodexMagics)]
        raise UsageError(f"A setting of your IPython configuration cannot be used: {error}") from None
    shell.register_magics(magics)
    current.provide(shell, lambda: magics.session)
    magics.collector.start()
    magics.display_log.start()
    shell.input_transformers_cleanup.append(input_transform.keep_prompts)
    completion.install(shell, magics.complete)


def unload(shell: InteractiveShell) -> None:
    """Remove the magics from a shell, and stop what runs."""
    manager = shell.magics_manager
    magics = manager.registry.pop("CodexMagics", None)
    if not isinstance(magics, CodexMagics):
        return
    for table in manager.magics.values():
        table.pop("codex", None)
    configurables: list[Any] = shell.configurables
    configurables.remove(magics)
    shell.input_transformers_cleanup.remove(input_transform.keep_prompts)
    completion.uninstall(shell)
    current.withdraw(shell)
    magics.collector.stop()
    magics.display_log.stop()
    magics.close()


def open_chat(thread: str) -> "CodexChat":
    """Open a chat on the thread of a name."""
    # The widget libraries take longer to import than the rest of the extension.
    from codex_jupyter.notebook.chat import chat

    return chat(thread)
