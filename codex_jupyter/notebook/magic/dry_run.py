"""What `--dry-run` shows: the exact request, without its secrets."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from codex_jupyter.sdk import Input, ThreadOptions, TurnOptions
from codex_jupyter.sdk.executable.environment import child_environment, client_settings
from codex_jupyter.sdk.models.inputs import normalize_input, text_with_context
from codex_jupyter.sdk.models.output_schema import OutputSchema
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.transports.base import TurnRequest
from codex_jupyter.sdk.transports.exec.transport import exec_arguments
from codex_jupyter.sdk.transports.secrets import secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_jupyter.notebook.images.resize import Attachment
    from codex_jupyter.notebook.session.session import NotebookSession


def request_text(
    session: "NotebookSession",
    prompt: Input,
    options: ThreadOptions,
    turn_options: TurnOptions,
    thread_id: str | None,
    attached: "Sequence[Attachment]",
) -> str:
    """Say what would be sent.

    Args:
        session: The notebook's session.
        prompt: What is asked, with all that goes along.
        options: Options of the thread, for the turn.
        turn_options: Options of the turn.
        thread_id: The thread to go on with; None is a new one.
        attached: The pictures in the prompt.
    """
    client = session.codex.options
    schema = None if turn_options.output_schema is None else OutputSchema.of(turn_options.output_schema).json_schema
    request = TurnRequest(input=normalize_input(prompt), thread_id=thread_id, options=options, output_schema=schema)
    env = child_environment(client, session.cli)
    images = [Path(f"image-{number}") for number, _ in enumerate(attached, 1)]
    live = session.call(session.codex.transport.uses_app_server, options)
    # The server gets secrets over its standard input; they are shown in the place where they were given.
    settings = client_settings(client, env, options.config_overrides) if live else None
    schema_file = None if schema is None else Path("schema.json")
    arguments = exec_arguments(request, client, env=env, images=images, schema_file=schema_file, settings=settings)
    command = mask_message(shlex.join(arguments), secrets(client, env, options.config_overrides))
    lines = [
        "Nothing was sent. The app-server would be asked for what this does:" if live else "Nothing was sent. This would be run:",
        f"codex {command}",
    ]
    lines += ["with the schema:", json.dumps(schema, indent=2)] if schema is not None else []
    if attached:
        lines += ["with the pictures:", *(f"image-{number}: {one.thumbnail.caption}" for number, one in enumerate(attached, 1))]
    return "\n".join([*lines, "and this prompt:", text_with_context(request.input)])
