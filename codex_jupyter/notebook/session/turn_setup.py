"""The effective options of a turn and the facts in its header, before it starts."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codex_jupyter.notebook.consent.ceiling import load_ceiling
from codex_jupyter.notebook.consent.presets import Rights, preset_of
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.notebook.session.client import NotebookClient
from codex_jupyter.notebook.session.notebook_thread import MAIN
from codex_jupyter.notebook.session.prompts import ComposedPrompt
from codex_jupyter.notebook.session.thread_tools import NotebookTools
from codex_jupyter.notebook.workspace.kernel_files import kernel_files
from codex_jupyter.sdk import CodexCli, CodexError, ThreadOptions
from codex_jupyter.sdk.executable.environment import find_cli
from codex_jupyter.sdk.executable.sandbox_check import folder_problem
from codex_jupyter.sdk.executable.workspace import absolute


class TurnSetup:
    """Finds the effective options of the turns of a notebook, and what their headers show.

    Args:
        shell: The notebook's shell.
        client: The client of the turns.
        tools: The tools of the threads.
        folders: Folders of the package that the agent must not write.
    """

    def __init__(self, shell: Any, client: NotebookClient, tools: NotebookTools, folders: Sequence[Path]) -> None:
        self._shell, self._client, self._tools, self._folders = shell, client, tools, folders
        self.shown_notes: set[str] = set()
        """Notes about the codex executable and about snapshots that a header has shown."""

    def options(self, options: ThreadOptions, *, make_missing: bool = True) -> tuple[CodexCli | None, ThreadOptions]:
        """Return the codex executable and the effective options of a turn.

        Args:
            options: The requested options.
            make_missing: Create the folders that the agent must not create; see `kernel_files`.

        Returns:
            The executable, or None if there is none, in which case the turn raises; and the options.

        Raises:
            UsageError: If the administrator's ceiling forbids what the turn needs.
        """
        if not self._client.sandboxed:
            load_ceiling().capped(Rights(sandbox="danger-full-access"))
            options = ThreadOptions.of(options, {"sandbox_mode": "danger-full-access"})
        try:
            cli = find_cli(self._client.codex.options, options)
        except CodexError:
            cli = None
        folders = [self._client.codex_home, *self._folders]
        protected = kernel_files(self._shell, cli, folders, make_missing=make_missing and options.sandbox_mode != "read-only")
        return cli, ThreadOptions.of(options, {"read_only_paths": (*options.read_only_paths, *protected, *self._tools.page.files)})

    def info(self, prompt: ComposedPrompt, options: ThreadOptions, cli: CodexCli | None) -> TurnInfo:
        """Return what the header shows of a turn.

        Args:
            prompt: The composed prompt.
            options: The effective options.
            cli: The codex executable.
        """
        notes = tuple(note for note in cli.notes if note not in self.shown_notes) if cli is not None else ()
        self.shown_notes.update(notes)
        folder = Path(options.working_directory or self._client.home)
        env = self._client.codex.options.env
        if (problem := folder_problem(folder, os.environ if env is None else env, options.sandbox_mode)) is not None:
            notes = (*notes, problem)
        name = prompt.request.thread
        return TurnInfo(
            model=options.model,
            sandbox=options.sandbox_mode,
            cwd=str(absolute(options.working_directory)),
            thread_name=None if name == MAIN else name,
            demo=self._client.demo is not None,
            preset=preset_of(prompt.request.rights),
            kernel=self._tools.effective(prompt.request),
            context=prompt.context.text,
            context_summary=prompt.context.summary() if prompt.context.text else "",
            attached=tuple(image.thumbnail for image in prompt.attachments),
            prompt=prompt.user_prompt,
            began=time.time(),
            notes=notes,
        )
