"""The output of `--dry-run`: the exact request, without its secrets."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.magic.server_requests import server_requests
from codex_jupyter.notebook.session.request import PromptRequest
from codex_jupyter.sdk import ApprovalDecision, ApprovalRequest
from codex_jupyter.sdk.executable.environment import child_environment, own_overrides
from codex_jupyter.sdk.models.inputs import normalize_input, text_with_context
from codex_jupyter.sdk.models.output_schema import OutputSchema
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.transports.base import TurnRequest
from codex_jupyter.sdk.transports.exec.arguments import exec_arguments
from codex_jupyter.sdk.transports.secrets import secrets

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession

_BELOW: Final = "(below)"
"""Stands in a request for a long text, which follows it as it is read."""


def request_text(session: "NotebookSession", request: PromptRequest) -> str:
    """Return what would be sent, as text: the requests to the app-server, or the command and the prompt of `codex exec`.

    Args:
        session: The notebook's session.
        request: The request of the prompt.

    Raises:
        CodexError: As the turn would before it starts.
    """
    prompt, thread_id = session.preview(request)
    client = session.client.codex.options
    options = session.setup.options(request.thread_options, make_missing=False)[1]
    output_schema = request.turn_options.output_schema
    turn = TurnRequest(
        input=normalize_input(prompt.input),
        thread_id=thread_id,
        options=options,
        output_schema=None if output_schema is None else OutputSchema.of(output_schema).json_schema,
        live=True,
        on_approval=_unanswered if (options.approval_policy or "never") != "never" else None,
    )
    env = child_environment(client, session.client.cli)
    images = [Path(f"image-{number}") for number, _ in enumerate(prompt.attachments, 1)]
    captions = [f"{name}: {image.thumbnail.caption}" for name, image in zip(images, prompt.attachments, strict=True)]
    if session.call(session.client.codex.transport.uses_app_server, options):
        lines = _server_lines(session, request, turn, env, images)
    else:
        schema_file = None if turn.output_schema is None else Path("schema.json")
        arguments = exec_arguments(turn, client, env=env, images=images, schema_file=schema_file)
        lines = ["Nothing was sent. This would be run:", shlex.join(["codex", *arguments])]
        lines += [] if turn.output_schema is None else ["", "schema.json:", json.dumps(turn.output_schema, indent=2)]
        lines += ["", "The prompt:", text_with_context(turn.input)]
    if captions:
        lines += ["", "The images:", *captions]
    return mask_message("\n".join(lines), secrets(client, env, own_overrides(options)))


def _server_lines(
    session: "NotebookSession", request: PromptRequest, turn: TurnRequest, env: dict[str, str], images: Sequence[Path]
) -> list[str]:
    codex = session.client.codex
    tools = session.tools.specs(request, codex) if turn.thread_id is None else []

    async def requests() -> dict[str, dict[str, Any]]:
        return await server_requests(codex.transport, turn, codex.options, env=env, images=images, tools=tools)

    sent = session.call(requests)
    texts = {"The prompt:": [part["text"] for part in sent["turn/start"].get("input", ()) if part["type"] == "text"]}
    texts |= {f"The context `{name}`:": [entry["value"]] for name, entry in sent["turn/start"].get("additionalContext", {}).items()}
    texts["The tools:"] = [json.dumps(tool, ensure_ascii=False) for tool in tools]
    lines = ["Nothing was sent. The app-server would receive:"]
    for method, parameters in sent.items():
        note = " (only if it has not loaded the thread)" if method == "thread/resume" else ""
        lines += ["", f"{method}{note}", json.dumps(_shortened(parameters), indent=2, ensure_ascii=False)]
    if request.rights.kernel != "off":
        mode = f"in the mode `{request.rights.kernel}`" if request.rights.kernel else "asking before the first use"
        lines += ["", f"The agent could use the tools of the kernel, {mode}."]
    for title, parts in texts.items():
        lines += ["", title, *parts] if parts else []
    return lines


def _shortened(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters without the texts that follow below them."""
    shown = dict(parameters)
    if "input" in shown:
        shown["input"] = [{**part, "text": _BELOW} if part["type"] == "text" else part for part in shown["input"]]
    if "additionalContext" in shown:
        shown["additionalContext"] = {name: {**entry, "value": _BELOW} for name, entry in shown["additionalContext"].items()}
    if "dynamicTools" in shown:
        shown["dynamicTools"] = _BELOW
    return shown


def _unanswered(_: ApprovalRequest) -> ApprovalDecision:
    """Stands for the handler of a turn. A preview never calls it."""
    return "decline"
