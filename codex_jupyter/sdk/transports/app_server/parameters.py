"""Options and inputs -> the parameters of the server's methods, so that a turn runs as `codex exec` would run it.

The server remembers the options of a thread that it holds. Of a thread that it resumes or forks it takes what the last turn had: the model,
the sandbox, the writable folders, who reviews approvals. `codex exec` remembers nothing. So each of them is stated in full, each time.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.errors import ConfigError, NotTrustedDirectoryError, UnsupportedOperationError
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.executable.secret_settings import with_header
from codex_jupyter.sdk.models.envelope import MARKS_SIZE, marked, new_mark, without_lookalikes
from codex_jupyter.sdk.models.inputs import ContextInput, UserInput, prompt_text
from codex_jupyter.sdk.models.options import ReviewTarget, ThreadOptions
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.transports.base import TurnRequest
from codex_jupyter.sdk.transports.config_defaults import Defaults, parsed
from codex_jupyter.sdk.transports.permission_profile import PROFILE, Rights, reported, working_directory

MAX_ENTRY: Final = 4_000
"""Bytes of an entry of `additionalContext` that reach the model; measured with 0.163 and 0.171."""
_SANDBOXES: Final = {
    "readOnly": "read-only",
    "workspaceWrite": "workspace-write",
    "dangerFullAccess": "danger-full-access",
    "externalSandbox": "external-sandbox",
}


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


def thread_parameters(options: ThreadOptions, defaults: Defaults, rights: Rights) -> dict[str, Any]:
    """The parameters that `thread/start`, `thread/resume` and `thread/fork` share.

    With a sandbox that may write, the server would note the folder as trusted in the user's config.toml, and later turns would have the
    rights of a trusted folder. It does not if the folder's trust is decided already. So "untrusted" is sent, which is what a folder is that
    nobody has decided about.
    """
    folder = working_directory(options)
    config = _settings(options)
    if rights.definition is not None:
        config[f"permissions.{PROFILE}"] = dict(rights.definition)
    if rights.writes and not defaults.knows(folder):
        config["projects"] = {str(folder): {"trust_level": "untrusted"}}  # not a dotted key: a folder has dots in it
    parameters = {
        "cwd": rights.folders[0],
        "model": options.model or defaults.model,
        "config": config or None,
        # Each turn sets its own.
        "approvalPolicy": "never",
        **_rights(defaults, rights),
    }
    return {name: value for name, value in parameters.items() if value is not None}


def turn_parameters(
    request: TurnRequest, thread_id: str, images: Sequence[Path], defaults: Defaults, rights: Rights, model: str | None
) -> dict[str, Any]:
    """The parameters of `turn/start`.

    Args:
        request: The turn.
        thread_id: Its thread.
        images: The files of its images.
        defaults: The configuration for its folder.
        rights: Its rights.
        model: The model that the thread was started or resumed with.
    """
    parameters = {
        "threadId": thread_id,
        "input": user_input(request, images),
        "cwd": rights.folders[0],
        "model": model,
        "effort": request.options.model_reasoning_effort or defaults.effort,
        "approvalPolicy": approvals(request, defaults),
        "additionalContext": additional_context(request.input) or None,
        "outputSchema": request.output_schema,
        "cyberAccessProgram": request.cyber_access_program,
        **_rights(defaults, rights),
    }
    return {name: value for name, value in parameters.items() if value is not None}


def _rights(defaults: Defaults, rights: Rights) -> dict[str, Any]:
    return {
        "permissions": rights.profile,
        "runtimeWorkspaceRoots": list(rights.folders),
        "approvalsReviewer": defaults.approvals_reviewer or "user",
    }


def approvals(request: TurnRequest, defaults: Defaults) -> Any:
    """When the agent asks in a turn. Without a handler nothing is asked, as with `codex exec`."""
    if request.on_approval is None:
        return "never"
    return request.options.approval_policy or defaults.approval_policy or "on-request"


def effective_rights(answer: Mapping[str, Any], options: ThreadOptions, rights: Rights, skills: Sequence[str] = ()) -> EffectiveRights:
    """The rights of a thread, as the answer to `thread/start`, `thread/resume` or `thread/fork` reports them.

    Args:
        answer: The answer.
        options: The options of the thread.
        rights: What was stated.
        skills: The names of the skills that are offered.
    """
    sandbox = _table(answer, "sandbox")
    name = str(sandbox.get("type"))
    folders = [*(answer.get("runtimeWorkspaceRoots") or ()), *(sandbox.get("writableRoots") or ())]
    effective = reported(
        _SANDBOXES.get(name, name),
        network=sandbox.get("networkAccess") in (True, "enabled"),
        folders=[str(folder) for folder in folders],
        active=_table(answer, "activePermissionProfile").get("id"),
        model=answer.get("model"),
        options=options,
        stated=rights,
    )
    instructions = tuple(Path(str(path)) for path in answer.get("instructionSources") or ())
    return effective.model_copy(update={"instructions": instructions, "skills": tuple(skills)})


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name)
    return value if isinstance(value, Mapping) else {}


def user_input(request: TurnRequest, images: Sequence[Path]) -> list[dict[str, Any]]:
    """The input in the order in which `codex exec` gives it: pictures, then the text."""
    return [*({"type": "localImage", "path": str(path)} for path in images), {"type": "text", "text": prompt_text(request.input)}]


def additional_context(parts: Sequence[UserInput]) -> dict[str, dict[str, str]]:
    """The data that goes along, as `additionalContext`: entries of any number, which the model sees in the order of their keys.

    The CLI cuts the middle out of an entry of more than `MAX_ENTRY` bytes, so a longer text is split. It sends an entry that is the same as
    in the turn before only once; the marks make each different.
    """
    names: dict[str, list[str]] = {}
    for part in parts:
        if isinstance(part, ContextInput):
            names.setdefault(part.name, []).extend(_pieces(without_lookalikes(part.text), MAX_ENTRY - MARKS_SIZE))
    return {
        f"{name}_{number:04}" if len(pieces) > 1 else name: {"kind": "untrusted", "value": marked(piece, new_mark())}
        for name, pieces in names.items()
        for number, piece in enumerate(pieces, 1)
    }


def _pieces(text: str, size: int) -> list[str]:
    """A text in pieces of at most `size` bytes, at the ends of lines where that is possible."""
    pieces: list[str] = []
    data = text.encode()
    while len(data) > size:
        # Not within a character: its later bytes start with the bits 10.
        end = data.rfind(b"\n", size // 2, size) + 1 or next(place for place in range(size, 0, -1) if data[place] & 0xC0 != 0x80)
        pieces.append(data[:end].decode())
        data = data[end:]
    return [*pieces, data.decode()]


def review_target(target: ReviewTarget) -> dict[str, Any]:
    """What `review/start` looks at."""
    if target.uncommitted:
        return {"type": "uncommittedChanges"}
    if target.base:
        return {"type": "baseBranch", "branch": target.base}
    if target.commit:
        return {"type": "commit", "sha": target.commit, "title": None}
    return {"type": "custom", "instructions": target.prompt}


def _settings(options: ThreadOptions) -> dict[str, Any]:
    """The settings of a thread by their dotted keys; later ones win. A nested key would replace all that the process knows below it."""
    config: dict[str, Any] = {}
    for override in options.config_overrides:
        path, value = with_header(*parsed(override))
        key = ".".join(path)
        for known in [known for known in config if known == key or known.startswith(f"{key}.")]:
            del config[known]
        config[key] = value
    mode = options.web_search_mode or {True: "live", False: "disabled", None: None}[options.web_search_enabled]
    stated = {"model_reasoning_effort": options.model_reasoning_effort, "web_search": mode, **options.shell_environment_policy}
    for key, value in stated.items():
        if value is not None:
            render_config_flags({key: value})  # refuses what has no form
            config[key] = value
    return config
