"""Load and unload the extension. Only this module knows all fronts: the magics, the chat and the pages of JupyterLab."""

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError

from codex_jupyter.notebook.lab import COMM_TARGET
from codex_jupyter.notebook.magic import input_transform, matcher
from codex_jupyter.notebook.magic.magics import CodexMagics
from codex_jupyter.notebook.session import current

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from codex_jupyter.notebook.cell_tools.page import NotebookPage
    from codex_jupyter.notebook.chat import CodexChat
    from codex_jupyter.notebook.lab.service import LabService

    T = TypeVar("T")


def load(shell: InteractiveShell) -> None:
    """Register the magics with a shell. A second call does nothing.

    Raises:
        UsageError: If the configuration contains an invalid value of a setting.
    """
    if "CodexMagics" in shell.magics_manager.registry:
        return
    page = _once(_new_page)
    try:
        magics = CodexMagics(shell, open_chat=open_chat, page=page)
    except TraitError as error:
        # The base class has already listed the incomplete object.
        shell.configurables[:] = [item for item in shell.configurables if not isinstance(item, CodexMagics)]
        raise UsageError(f"A setting of your IPython configuration cannot be used: {error}") from None
    shell.register_magics(magics)
    current.provide(shell, lambda: magics.session)
    magics.collector.start()
    magics.display_log.start()
    shell.input_transformers_cleanup.append(input_transform.keep_prompts)
    matcher.install(shell, magics.complete)
    _accept_pages(shell, magics, page)


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
    matcher.uninstall(shell)
    _refuse_pages(shell)
    current.withdraw(shell)
    magics.collector.stop()
    magics.display_log.stop()
    magics.close()


def open_chat(thread: str) -> "CodexChat":
    """Open a chat on the thread of a name."""
    # The widget libraries take longer to import than the rest of the extension.
    from codex_jupyter.notebook.chat import chat

    return chat(thread)


def _once(make: "Callable[[], T]") -> "Callable[[], T]":
    """Return a function that makes an object at its first call, also if threads call it at the same time, and then returns that object."""
    lock, cached = threading.Lock(), cache(make)

    def get() -> "T":
        with lock:
            return cached()

    return get


def _new_page() -> "NotebookPage":
    """Return the page of the notebook, to which no page of JupyterLab is connected yet."""
    from codex_jupyter.notebook.cell_tools.page import NotebookPage  # not needed to load the extension

    return NotebookPage()


_close_services: "dict[InteractiveShell, Callable[[], None]]" = {}
"""Closes the service for pages of JupyterLab of each shell."""


def _accept_pages(shell: Any, magics: CodexMagics, page: "Callable[[], NotebookPage]") -> None:
    """Let pages of JupyterLab connect. What they need is imported when the first one does.

    Such a page has all rights of the notebook. A visitor of Voila can open any comm, so a kernel of Voila closes it.
    """
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is None:
        return
    services: list[LabService] = []

    @_once
    def service() -> "LabService":
        from codex_jupyter.notebook.lab.service import LabService

        services.append(LabService(lambda: magics.session, magics, open_chat, page()))
        return services[0]

    def on_open(comm: Any, message: dict[str, Any]) -> None:
        from codex_jupyter.notebook.consent.visitors import in_voila

        if in_voila():
            comm.close()
        else:
            service().pages.open(comm, message)

    def close() -> None:
        manager.unregister_target(COMM_TARGET, on_open)
        for service in services:
            service.close()

    manager.register_target(COMM_TARGET, on_open)
    _close_services[shell] = close


def _refuse_pages(shell: Any) -> None:
    """Close the connections with pages of JupyterLab."""
    if (close := _close_services.pop(shell, None)) is not None:
        close()
