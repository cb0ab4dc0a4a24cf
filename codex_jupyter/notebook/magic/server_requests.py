"""The requests that a turn sends to the app-server, for `--dry-run`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.executable.environment import client_settings
from codex_jupyter.sdk.executable.secret_settings import for_server
from codex_jupyter.sdk.models.options import CodexOptions
from codex_jupyter.sdk.transports.app_server.parameters import check_possible, thread_parameters, turn_parameters
from codex_jupyter.sdk.transports.base import Transport, TurnRequest
from codex_jupyter.sdk.transports.config_defaults import Defaults
from codex_jupyter.sdk.transports.permission_profile import rights_of, working_directory

NEW_THREAD: Final = "<the id of the new thread>"


async def server_requests(
    transport: Transport,
    request: TurnRequest,
    client: CodexOptions,
    *,
    env: Mapping[str, str],
    images: Sequence[Path],
    tools: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return the parameters of the requests of a turn by their methods, in order. Sends nothing to the model.

    Args:
        transport: Sends requests to the app-server.
        request: The turn.
        client: The options of the client.
        env: The environment of the CLI.
        images: Names of the images of the turn.
        tools: The tools that a new thread registers.

    Raises:
        CodexError: As the turn would: an option is not possible, or the server cannot be started.
    """
    options = request.options
    check_possible(options)
    answer = await transport.ask("config/read", {"cwd": str(working_directory(options)), "includeLayers": True})
    defaults = Defaults.of(answer, options)
    rights = rights_of(options, defaults, env)
    model = options.model or defaults.model or await _default_model(transport)
    if request.thread_id is None:
        method, given = "thread/start", {"threadSource": options.thread_source, "dynamicTools": list(tools), "ephemeral": options.ephemeral}
        stated = thread_parameters(options, defaults, rights)
    else:
        method, given = "thread/resume", {"threadId": request.thread_id, "excludeTurns": True}
        stated = thread_parameters(options, replace(defaults, model=model), rights)
    config = {**for_server(client_settings(client, env)).parameters, **stated.get("config", {})}
    thread = {**given, **stated, "config": config}
    turn = turn_parameters(request, request.thread_id or NEW_THREAD, images, defaults, rights, model)
    return {method: {name: value for name, value in thread.items() if value not in (None, [], {})}, "turn/start": turn}


async def _default_model(transport: Transport) -> str | None:
    """Return the model that the server uses if none is configured."""
    models = (await transport.ask("model/list", {})).get("data")
    listed = [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []
    return next((str(model["model"]) for model in listed if model.get("isDefault") and "model" in model), None)
