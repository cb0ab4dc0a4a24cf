"""The session and its client are made once, and a replaced client stays replaced, when threads use them at the same time."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter.notebook.magic import runner
from codex_jupyter.notebook.magic.magics import CodexMagics
from codex_jupyter.notebook.session.client import NotebookClient
from codex_jupyter.sdk import Codex
from tests.notebook.shells import new_shell


def during(first: Callable[..., Any], other: Callable[[], object], threads: list[threading.Thread]) -> Callable[..., Any]:
    """Call the other function on another thread while the first one runs for the first time. It ends then, unless it must wait."""

    def call(*arguments: Any, **options: Any) -> Any:
        if not threads:
            threads.append(threading.Thread(target=other))
            threads[0].start()
            threads[0].join(0.2)
        return first(*arguments, **options)

    return call


def test_a_page_and_a_cell_get_the_same_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of JupyterLab opens its chat on a subshell while a cell runs `%codex use`."""
    threads: list[threading.Thread] = []
    sessions: list[object] = []

    def of_a_page(shell: InteractiveShell) -> None:
        sessions.append(magics_of(shell).session)

    with new_shell(tmp_path / "ipython") as shell:
        shell.run_cell("%load_ext codex_jupyter").raise_error()
        monkeypatch.setattr(runner, "NotebookSession", during(runner.NotebookSession, lambda: of_a_page(shell), threads))
        sessions.append(magics_of(shell).session)
        threads[0].join()
        assert len(sessions) == 2
        assert sessions[0] is sessions[1] is magics_of(shell).session
        shell.run_cell("%unload_ext codex_jupyter").raise_error()


def test_a_client_that_is_replaced_while_the_default_is_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chat asks for the models while a cell runs `%codex use`."""
    threads: list[threading.Thread] = []
    notebook, mine = NotebookClient(tmp_path, "exec"), Codex()

    def replace() -> None:
        notebook.replace(mine, sandboxed=True, before_close=lambda: None)

    init = during(Codex.__init__, replace, threads)
    monkeypatch.setattr(Codex, "__init__", lambda self, *arguments, **options: init(self, *arguments, **options))
    assert notebook.codex is not mine
    threads[0].join()
    assert notebook.codex is mine
    notebook.replace(mine, sandboxed=True, before_close=lambda: None)  # again the same one, which must not be closed
    assert notebook.codex is mine
    notebook.replace(None, sandboxed=True, before_close=lambda: None)
    notebook.event_loop.close()


def magics_of(shell: InteractiveShell) -> CodexMagics:
    magics = shell.magics_manager.registry["CodexMagics"]
    assert isinstance(magics, CodexMagics)
    return magics
