"""Environment and settings of the codex executable, for all transports."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from codex_jupyter._choices import WebSearchMode
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.executable.locate import CodexCli, locate_codex
from codex_jupyter.sdk.models.mcp_servers import mcp_settings
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions

API_KEY_VARIABLE: Final = "CODEX_API_KEY"
ORIGINATOR: Final = "codex_jupyter"
"""The name of this package for the model's provider."""
ORIGINATOR_VARIABLE: Final = "CODEX_INTERNAL_ORIGINATOR_OVERRIDE"
WINDOWS: Final = os.name == "nt"
FIXED_FLAGS: Final = ("--config", "features.goals=false")
"""Settings of every process; those of the user come later and win. For a goal of the agent, the app-server would start turn after turn by
itself, with the rights of the last turn."""


def find_cli(options: CodexOptions, thread: ThreadOptions) -> CodexCli:
    """Find the executable for a turn. An executable that the agent may write to in this turn is only used if the user has named it.

    Args:
        options: The client's options.
        thread: The options of the turn's thread.

    Raises:
        CodexNotFoundError: If there is none.
    """
    return locate_codex(options.codex_path_override, folder=thread.working_directory, additional=thread.additional_directories)


def client_settings(options: CodexOptions, env: Mapping[str, str], thread: Sequence[str] = ()) -> list[str]:
    """Return the settings of a client and a thread as `key=value` texts. Later texts override earlier ones."""
    base_url = {"openai_base_url": options.base_url} if options.base_url else {}
    return [
        *shell_environment_overrides(options, env),
        *render_config_flags(options.config),
        *own_overrides(options),
        *thread,
        *render_config_flags(base_url),
    ]


def own_overrides(options: CodexOptions | ThreadOptions) -> tuple[str, ...]:
    """Return the MCP servers and the overrides of a client or of a thread as `key=value` texts. They can contain secrets."""
    if not options.mcp_servers:
        return options.config_overrides
    return (*render_config_flags({"mcp_servers": mcp_settings(options.mcp_servers)}), *options.config_overrides)


def web_search(thread: ThreadOptions) -> WebSearchMode | None:
    """Return the mode of web searches that the options of a thread set; None if they set none."""
    return thread.web_search_mode or {True: "live", False: "disabled", None: None}[thread.web_search_enabled]


def child_environment(options: CodexOptions, cli: CodexCli) -> dict[str, str]:
    """Return the environment of the CLI: the given one or ours, with the API key, the originator and the helper programs."""
    env = dict(os.environ if options.env is None else options.env)
    if not env.get(ORIGINATOR_VARIABLE):
        env[ORIGINATOR_VARIABLE] = ORIGINATOR
    if options.api_key is not None:
        env[API_KEY_VARIABLE] = options.api_key.get_secret_value()
    if cli.path_folder is not None:
        name = _path_variable(env) if WINDOWS else "PATH"
        folders = [folder for folder in env.get(name, "").split(os.pathsep) if folder and folder != str(cli.path_folder)]
        env[name] = os.pathsep.join([str(cli.path_folder), *folders])
    return env


def _path_variable(env: dict[str, str]) -> str:
    """Return the spelling of PATH to use on Windows, where names ignore case. Other spellings are removed."""
    names = [name for name in env if name.upper() == "PATH"]
    kept = "Path" if "Path" in names or not names else names[-1]
    for name in names:
        if name != kept:
            del env[name]
    return kept


def shell_environment_overrides(options: CodexOptions, env: Mapping[str, str]) -> list[str]:
    """Return settings that keep the API key from the agent's commands, unless the configuration sets what they inherit."""
    if not env.get(API_KEY_VARIABLE):
        return []
    keys = [override.partition("=")[0].strip() for override in (*render_config_flags(options.config), *options.config_overrides)]
    table = "shell_environment_policy"
    decided = any(key == table or (key.startswith(f"{table}.") and not key.startswith(f"{table}.set.")) for key in keys)
    return [] if decided else [f'{table}.set.{API_KEY_VARIABLE}=""']
