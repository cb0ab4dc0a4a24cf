"""Options and inputs -> the parameters of the server's methods, so that a turn runs as `codex exec` would run it.

The server remembers the options of a thread that it holds, and of a thread that it resumes the model; `codex exec` remembers nothing. So
what is left to the config is looked up there, and passed along.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.cli.config import config_overrides, parse_override
from codex_jupyter.sdk.cli.secret_settings import with_header
from codex_jupyter.sdk.errors import ConfigError, NotTrustedDirectoryError, UnsupportedOperationError
from codex_jupyter.sdk.inputs import prompt_text
from codex_jupyter.sdk.options import ReviewTarget, ThreadOptions
from codex_jupyter.sdk.transports.base import TurnRequest

WRITING: Final = ("workspace-write", "danger-full-access")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the config says, and the overrides of it, where the options say nothing."""

    model: str | None
    approval_policy: Any
    sandbox_mode: str | None
    writable_roots: tuple[str, ...]
    known_projects: frozenset[str]
    """The folders whose trust the config decides."""

    @classmethod
    def of(cls, config: dict[str, Any], options: ThreadOptions) -> "Defaults":
        """Read the merged config that `config/read` gives, which knows nothing of the overrides among the options."""
        _override(config, options)
        workspace = config.get("sandbox_workspace_write")
        roots = workspace.get("writable_roots") if isinstance(workspace, Mapping) else None
        projects = config.get("projects")
        return cls(
            model=config.get("model"),
            approval_policy=config.get("approval_policy"),
            sandbox_mode=config.get("sandbox_mode"),
            writable_roots=tuple(roots or ()),
            known_projects=frozenset(projects if isinstance(projects, Mapping) else ()),
        )


def check_possible(options: ThreadOptions) -> None:
    """Make sure that the server can do what the options say, and that the folder may be worked in.

    Raises:
        UnsupportedOperationError: If only `codex exec` can.
        NotTrustedDirectoryError: If the folder is no git repository and that check is not skipped.
        ConfigError: If an option cannot be passed on.
    """
    if problem := unsupported(options):
        raise UnsupportedOperationError(f"{problem} is not possible with the transport 'app-server'; with 'exec' it is.")
    folder = working_directory(options)
    if not folder.is_dir():
        raise ConfigError(f"The working directory {folder} is not there, or is no folder.")
    if not options.skip_git_repo_check and not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        raise NotTrustedDirectoryError(
            f"Not inside a trusted directory: {folder} is no git repository: set skip_git_repo_check=True to work there all the same."
        )


def unsupported(options: ThreadOptions) -> str | None:
    """The option that only `codex exec` knows, if one is set."""
    given = {"profile": options.profile, "oss": options.oss, "local_provider": options.local_provider}
    return next((name for name, value in given.items() if value), None)


def working_directory(options: ThreadOptions) -> Path:
    """Where the agent works, absolute, and in one form: the server takes `..` out of it before it looks whether it knows the folder."""
    folder = (options.working_directory or Path.cwd()).expanduser().absolute()
    return folder.resolve() if ".." in folder.parts else folder


def thread_parameters(options: ThreadOptions, defaults: Defaults, *, resumed: bool = False) -> dict[str, Any]:
    """The parameters that `thread/start`, `thread/resume` and `thread/fork` share.

    With a sandbox that may write, the server would note the folder as trusted in the user's config.toml. It does not if the folder's trust
    is decided already: so it is told "untrusted", which is what a folder is that nobody has decided about.
    """
    folder = working_directory(options)
    mode = options.sandbox_mode or defaults.sandbox_mode
    config = _settings(options, defaults)
    if mode in WRITING and not any(str(parent) in defaults.known_projects for parent in (folder, *folder.parents)):
        _put(config, ("projects", str(folder), "trust_level"), "untrusted")  # not a dotted key: a folder has dots in it
    parameters: dict[str, Any] = {
        "cwd": str(folder),
        "sandbox": mode if mode in WRITING else options.sandbox_mode,
        "model": options.model or (defaults.model if resumed else None),
        # Each turn sets its own.
        "approvalPolicy": "never",
        "config": config,
    }
    return {name: value for name, value in parameters.items() if value not in (None, {})}


def turn_parameters(request: TurnRequest, thread_id: str, images: Sequence[Path], defaults: Defaults) -> dict[str, Any]:
    """The parameters of `turn/start`. Without a handler nothing is asked, as with `codex exec`."""
    wanted = request.options.approval_policy or defaults.approval_policy or "on-request"
    parameters = {
        "threadId": thread_id,
        "input": user_input(request, images),
        "approvalPolicy": "never" if request.on_approval is None else wanted,
        "outputSchema": request.output_schema,
        "cyberAccessProgram": request.cyber_access_program,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def user_input(request: TurnRequest, images: Sequence[Path]) -> list[dict[str, Any]]:
    """The input in the order in which `codex exec` gives it: pictures, then the text."""
    return [*({"type": "localImage", "path": str(path)} for path in images), {"type": "text", "text": prompt_text(request.input)}]


def review_target(target: ReviewTarget) -> dict[str, Any]:
    """What `review/start` looks at."""
    if target.uncommitted:
        return {"type": "uncommittedChanges"}
    if target.base:
        return {"type": "baseBranch", "branch": target.base}
    if target.commit:
        return {"type": "commit", "sha": target.commit, "title": None}
    return {"type": "custom", "instructions": target.prompt}


def _settings(options: ThreadOptions, defaults: Defaults) -> dict[str, Any]:
    """The settings of a thread by their dotted keys; later ones win. A nested key would replace all that the process knows below it."""
    config: dict[str, Any] = {}
    for override in options.config_overrides:
        path, value = with_header(*_parsed(override))
        key = ".".join(path)
        for known in [known for known in config if known == key or known.startswith(f"{key}.")]:
            del config[known]
        config[key] = value
    mode = options.web_search_mode or {True: "live", False: "disabled", None: None}[options.web_search_enabled]
    given = {
        "model_reasoning_effort": options.model_reasoning_effort,
        "sandbox_workspace_write.network_access": options.network_access_enabled,
        "web_search": mode,
    }
    for key, value in given.items():
        if value is not None:
            config_overrides({key: value})  # refuses what has no form
            config[key] = value
    if options.additional_directories:
        roots = [*defaults.writable_roots, *(str(folder.expanduser().absolute()) for folder in options.additional_directories)]
        config["sandbox_workspace_write.writable_roots"] = roots
    return config


def _override(config: dict[str, Any], options: ThreadOptions) -> None:
    for override in options.config_overrides:
        _put(config, *_parsed(override))


def _put(config: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        inner = config.get(key)
        if not isinstance(inner, dict):
            inner = config[key] = {}
        config = inner
    config[path[-1]] = value


def _parsed(override: str) -> tuple[tuple[str, ...], Any]:
    """An override as the CLI reads it, if JSON can hold its value."""
    path, value = parse_override(override)
    if not isinstance(value, str | bool | int | float | list | dict):
        raise ConfigError(f"The transport 'app-server' cannot pass on the value of {'.'.join(path)}; the transport 'exec' can.")
    return path, value
