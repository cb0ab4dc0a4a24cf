"""Run the commands and prompts of the magics. This module imports the SDK, so it is imported at the first call, not at load."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_jupyter.notebook.display.text_output import show_text
from codex_jupyter.notebook.magic import commands
from codex_jupyter.notebook.magic.dry_run import request_text
from codex_jupyter.notebook.namespace import Namespace
from codex_jupyter.notebook.session.request import build_request
from codex_jupyter.notebook.session.session import NotebookSession as NotebookSession

if TYPE_CHECKING:
    from codex_jupyter.notebook.magic.command_table import Command
    from codex_jupyter.notebook.session.running_turn import RunningTurn
    from codex_jupyter.sdk import Turn


def run_command(session: NotebookSession, names: Namespace, command: "Command", arguments: list[str]) -> Any:
    """Run a command of the command table.

    Args:
        session: The notebook's session.
        names: The names that the calling code can use.
        command: The command.
        arguments: Its arguments.

    Raises:
        UsageError: If it cannot run.
    """
    function = getattr(commands, command.function)
    return function(session, names, *arguments) if command.uses_names else function(session, *arguments)


def run_prompt(
    session: NotebookSession, names: Namespace, prompt: str, options: Mapping[str, Any], *, silent: bool
) -> "Turn | RunningTurn | None":
    """Run a prompt of a cell.

    Args:
        session: The notebook's session.
        names: The names that the calling code can use.
        prompt: The prompt.
        options: The parsed options, by their names. None uses the setting.
        silent: Show nothing of the turn.

    Returns:
        The turn. None if the request is only shown.

    Raises:
        UsageError: If an option cannot be used.
        CodexError: As `NotebookSession.run` does.
    """
    overrides: Any = dict(options)
    dry_run = overrides.pop("dry_run")
    request = build_request(session.settings, names, prompt, **overrides)
    if dry_run:
        show_text(request_text(session, request))
        return None
    return session.run(dataclasses.replace(request, display="nothing") if silent else request)
