"""Convert a turn to the arguments of `codex exec`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.executable.config_files import read_user_config
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.executable.environment import FIXED_FLAGS, client_settings, own_overrides, web_search
from codex_jupyter.sdk.executable.secret_settings import PlacedSettings, for_process
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.models.review_target import ReviewTarget
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.transports.base import TurnRequest
from codex_jupyter.sdk.transports.config_defaults import SELECTORS, is_decided
from codex_jupyter.sdk.transports.permission_profile import PROFILE, Rights, working_directory

MAX_ARGUMENT: Final = 120_000
"""Maximum bytes of a text that becomes an argument. Linux allows 128 KiB for each."""


def exec_arguments(
    request: TurnRequest,
    options: CodexOptions,
    *,
    env: Mapping[str, str],
    images: Sequence[Path] = (),
    schema_file: Path | None = None,
    settings: Sequence[str] | None = None,
    rights: Rights | None = None,
    undecided: Path | None = None,
    instructions_file: Path | None = None,
) -> list[str]:
    """Return the arguments of `codex` for a turn, in the order of the TypeScript SDK.

    Later `--config` flags win. The subcommand comes after every global flag. The images come last, because the CLI would read a thread id
    after them as another image.

    Args:
        request: The turn.
        options: The client's options.
        env: The environment of the process.
        images: The files of the images of the request.
        schema_file: The file of the output schema of the request.
        settings: The `key=value` texts for `--config`. None uses those of `exec_settings`.
        rights: The rights of the turn, if a permission profile must state them.
        undecided: A folder without configured trust, which the CLI must not record as trusted.
        instructions_file: The file of the base instructions of the thread.

    Returns:
        The arguments without the executable. They contain no secret.

    Raises:
        ConfigError: If a setting has no TOML form, is too long for an argument, or contains a secret that could only be one.
    """
    thread = request.options
    profile = None if rights is None else rights.definition
    arguments = ["exec", "--experimental-json", *FIXED_FLAGS]
    for setting in exec_settings(options, thread, env).flags if settings is None else settings:
        arguments += _flag("--config", setting)
    arguments += _flag("--model", thread.model or None)
    arguments += _flag("--thread-source", thread.thread_source if request.thread_id is None or request.fork else None)
    if undecided is not None:
        arguments += _config("projects", {str(undecided): {"trust_level": "untrusted"}})
    if profile is None:
        arguments += _flag("--sandbox", thread.sandbox_mode)
    else:
        stated = render_config_flags({"permissions": {PROFILE: profile}, "default_permissions": PROFILE})
        arguments += [part for override in stated for part in ("--config", override)]
    arguments += _flag("--profile", thread.profile)
    arguments += _flag("--local-provider", thread.local_provider)
    arguments += ["--oss"] if thread.oss else []
    arguments += _flag("--cd", _expanded(thread.working_directory) if profile is None or rights is None else rights.folders[0])
    for folder in map(_expanded, thread.additional_directories) if profile is None or rights is None else rights.folders[1:]:
        arguments += _flag("--add-dir", folder)
    arguments += ["--skip-git-repo-check"] if thread.skip_git_repo_check else []
    arguments += ["--ephemeral"] if thread.ephemeral else []
    arguments += _flag("--output-schema", schema_file)
    arguments += _flag("--cyber-access-program", request.cyber_access_program)
    arguments += _config("model_provider", thread.model_provider)
    arguments += _config("model_reasoning_effort", thread.model_reasoning_effort)
    arguments += _config("model_reasoning_summary", thread.summary)
    arguments += _config("developer_instructions", _checked(thread.developer_instructions))
    arguments += _config("model_instructions_file", None if instructions_file is None else str(instructions_file))
    arguments += _config("sandbox_workspace_write.network_access", thread.network_access_enabled if profile is None else None)
    arguments += _config("web_search", web_search(thread))
    arguments += _config("approval_policy", thread.approval_policy)
    for key, value in thread.shell_environment_policy.items():
        arguments += _config(key, value)
    if request.review is not None:
        arguments += ["review", *_review(request.review)]
    elif request.thread_id is not None:
        arguments += ["fork" if request.fork else "resume", request.thread_id]
    for image in images:
        arguments += _flag("--image", image)
    return arguments


def _checked(instructions: str | None) -> str | None:
    if instructions is not None and len(instructions.encode(errors="replace")) > MAX_ARGUMENT:
        raise ConfigError(
            f"developer_instructions has {len(instructions):,} characters. The transport 'exec' can pass at most {MAX_ARGUMENT:,} bytes. "
            "Use the transport 'app-server', or write them into an AGENTS.md file."
        )
    return instructions


def exec_settings(options: CodexOptions, thread: ThreadOptions, env: Mapping[str, str]) -> PlacedSettings:
    """Place the settings of a client and a thread for one process; later ones win.

    Args:
        options: The client's options.
        thread: The thread's options.
        env: The environment of the process.

    Raises:
        ConfigError: If a setting cannot be read, or contains a secret that could only be passed as an argument.
    """
    return for_process(client_settings(options, env, own_overrides(thread)), env, read_user_config(codex_home(env)).content)


def undecided_folder(options: ThreadOptions, config: Mapping[str, Any], projects: frozenset[str]) -> Path | None:
    """Return the folder of a turn if the CLI would trust it without a decision of the user; otherwise None.

    When the sandbox may write, CLIs before 0.171 read the folder's own `.codex`, with MCP servers and rules that run outside of the
    sandbox. In a git repository they also record it as trusted, so that later turns would have more rights. They do neither if the
    trust is configured, as trusted or as untrusted. If nothing selects the sandbox, no trust may be sent: it would let the agent write.

    Args:
        options: The options of the turn.
        config: The configuration, with all overrides.
        projects: The folders whose trust is decided.
    """
    selected = options.sandbox_mode or any(config.get(name) is not None for name in SELECTORS)
    if not selected or options.sandbox_mode == "read-only":
        return None
    folder = working_directory(options)
    return None if is_decided(folder, projects) else folder


def _flag(name: str, value: object) -> list[str]:
    """Return a flag with its value; an empty list for None. A value that looks like a flag is joined with `=`."""
    if value is None:
        return []
    text = str(value)
    if "\0" in text:
        raise ConfigError(f"The value of {name} contains a NUL character.")
    return [f"{name}={text}"] if text.startswith("-") else [name, text]


def _expanded(folder: Path | None) -> Path | None:
    """Return a folder as the CLI reads it: `~` has no meaning for it."""
    return None if folder is None else folder.expanduser()


def _review(target: ReviewTarget) -> list[str]:
    uncommitted, instructions = ["--uncommitted"] * target.uncommitted, ["-"] * bool(target.prompt)
    return [*uncommitted, *_flag("--base", target.base or None), *_flag("--commit", target.commit or None), *instructions]


def _config(key: str, value: Any) -> list[str]:
    return [] if value is None else ["--config", *render_config_flags({key: value})]
