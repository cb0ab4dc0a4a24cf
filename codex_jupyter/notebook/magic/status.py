"""`%codex status`: what is in use, and what runs."""

from pathlib import Path

from IPython.core.error import UsageError

from codex_jupyter.notebook.consent.ceiling import load_ceiling
from codex_jupyter.notebook.consent.presets import AXES, Rights, choose_rights, preset_of
from codex_jupyter.notebook.display.text_output import show_text
from codex_jupyter.notebook.render.rights import sandbox
from codex_jupyter.notebook.session.notebook_thread import MAIN, NotebookThread
from codex_jupyter.notebook.session.session import NotebookSession
from codex_jupyter.sdk import ConfigError
from codex_jupyter.sdk.executable.workspace import absolute


def status(session: NotebookSession) -> None:
    """Print what is in use, and what runs."""
    client, settings = session.client, session.settings
    own = session.threads.conversations.get(own_thread(session))
    lines = [
        f"codex CLI   {client.cli.version} ({client.cli.path})",
        f"answers     {'a script (demo mode), not a model' if client.demo else 'the model of your Codex account'}",
        f"thread      {(own and own.thread.id) or 'none yet: the next prompt starts one'}",
        f"model       {settings.model or 'as Codex is configured'}",
        *_rights(session, own),
        f"folder      {_working_folder(session)}",
        f"transport   {session.call(client.codex.transport.describe)}",
    ]
    for conversation in session.threads.running:
        tokens = session.threads.tokens(conversation)
        used = f", {tokens:,} tokens so far" if tokens else ""
        if conversation.running is not None:
            lines.append(f"running     {conversation.name}: for {conversation.running.elapsed:.0f} s{used}")
    if session.threads.warning:
        lines.append(f"! {session.threads.warning}")
    show_text("\n".join(lines))


def _rights(session: NotebookSession, own: NotebookThread | None) -> list[str]:
    """Return the rights of the next prompts, and the sandbox of the last turn as the CLI reported it."""
    try:
        ceiling = load_ceiling()
        rights = ceiling.capped(choose_rights({}, session.settings))
    except UsageError as error:
        return [f"! {error}"]
    last = own.turns[-1].turn.rights if own is not None and own.turns else None
    reported = sandbox(last, None) if last is not None else None
    most = ", ".join(f"{axis} {value}" for axis in AXES if (value := getattr(ceiling.most, axis)))
    lines = [
        f"preset      {preset_of(rights)}",
        f"sandbox     {rights.sandbox or 'as Codex is configured'}{f'; last turn: {reported.words}' if reported is not None else ''}",
        f"approvals   {rights.approval or 'never'}",
        *_tool_rights(session, rights),
    ]
    return [*lines, f"ceiling     {most} ({ceiling.file})"] if most else lines


def _tool_rights(session: NotebookSession, rights: Rights) -> list[str]:
    """Return the rights in the kernel and for cells, which the agent reaches through tools."""
    if not session.client.codex.transport.has_tools:
        return ["kernel      off: this transport has no tools", "cells       off: this transport has no tools"]
    granted = session.grants.kernel
    return [
        f"kernel      {rights.kernel or 'asks before the first use'}{f'; granted for this notebook: {granted}' if granted else ''}",
        f"cells       {rights.cells or 'propose'}",
    ]


def own_thread(session: NotebookSession) -> str:
    """Return the name of the thread that prompts use."""
    return session.settings.thread or MAIN


def _working_folder(session: NotebookSession) -> str:
    try:
        return str(absolute(Path(session.settings.cd)))
    except ConfigError as error:
        return str(error)
