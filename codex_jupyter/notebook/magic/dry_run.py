"""The output of `--dry-run`: the exact request, without its secrets."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from codex_jupyter.notebook.session.request import PromptRequest
from codex_jupyter.sdk.executable.environment import child_environment, client_settings, own_overrides
from codex_jupyter.sdk.models.inputs import normalize_input, text_with_context
from codex_jupyter.sdk.models.output_schema import OutputSchema
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.tools import Tool
from codex_jupyter.sdk.transports.base import TurnRequest
from codex_jupyter.sdk.transports.exec.arguments import exec_arguments
from codex_jupyter.sdk.transports.secrets import secrets

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession


def request_text(session: "NotebookSession", request: PromptRequest) -> str:
    """Return what would be sent, as text.

    Args:
        session: The notebook's session.
        request: The request of the prompt.
    """
    prompt, thread_id = session.preview(request)
    codex, options = session.client.codex, request.thread_options
    client = codex.options
    output_schema = request.turn_options.output_schema
    schema = None if output_schema is None else OutputSchema.of(output_schema).json_schema
    turn = TurnRequest(input=normalize_input(prompt.input), thread_id=thread_id, options=options, output_schema=schema)
    env = child_environment(client, session.client.cli)
    images = [Path(f"image-{number}") for number, _ in enumerate(prompt.attachments, 1)]
    live = session.call(codex.transport.uses_app_server, options)
    # The app-server receives secrets over its standard input. They are shown where they were set.
    settings = client_settings(client, env, own_overrides(options)) if live else None
    schema_file = None if schema is None else Path("schema.json")
    arguments = exec_arguments(turn, client, env=env, images=images, schema_file=schema_file, settings=settings)
    command = mask_message(shlex.join(arguments), secrets(client, env, own_overrides(options)))
    lines = [
        "Nothing was sent. The app-server would receive the equivalent of:" if live else "Nothing was sent. This would be run:",
        f"codex {command}",
    ]
    lines += ["with the schema:", json.dumps(schema, indent=2)] if schema is not None else []
    if prompt.attachments:
        captions = (f"image-{number}: {image.thumbnail.caption}" for number, image in enumerate(prompt.attachments, 1))
        lines += ["with the images:", *captions]
    if request.tools:
        lines += ["with the tools:", *(json.dumps(Tool.from_callable(function).spec, ensure_ascii=False) for function in request.tools)]
    if request.kernel != "off":
        lines.append(f"with the tools of the kernel, in the mode `{request.kernel}`")
    return "\n".join([*lines, "and this prompt:", text_with_context(turn.input)])
