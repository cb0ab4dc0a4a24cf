"""Convert options and inputs to parameters of the server's methods, so that a turn runs as `codex exec` would run it.

The server remembers the options of a loaded thread. For a resumed or forked thread it uses those of its last turn: the model, the sandbox,
the writable folders, and the reviewer of approvals. `codex exec` remembers nothing. So all of them are sent in full, each time.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.errors import NotTrustedDirectoryError, UnsupportedOperationError
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.executable.environment import own_overrides, web_search
from codex_jupyter.sdk.executable.secret_settings import with_header
from codex_jupyter.sdk.executable.workspace import existing_folder
from codex_jupyter.sdk.models.envelope import MARKS_SIZE, marked, new_mark, without_lookalikes
from codex_jupyter.sdk.models.inputs import ContextInput, ExternalMessage, UserInput, prompt_text
from codex_jupyter.sdk.models.options import ThreadOptions
from codex_jupyter.sdk.models.review_target import ReviewTarget
from codex_jupyter.sdk.models.rights import EffectiveRights
from codex_jupyter.sdk.transports.base import TurnRequest
from codex_jupyter.sdk.transports.config_defaults import Defaults, parsed, table_of
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
    """Check that the server supports the options, and that the agent may work in the folder.

    Raises:
        UnsupportedOperationError: If only `codex exec` supports an option.
        NotTrustedDirectoryError: If the folder is not in a git repository and that check is not skipped.
        ConfigError: If an option cannot be passed on.
    """
    if problem := unsupported(options):
        raise UnsupportedOperationError(f"{problem} is not possible with the transport 'app-server'. Use the transport 'exec'.")
    folder = existing_folder(working_directory(options))
    if not options.skip_git_repo_check and not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        raise NotTrustedDirectoryError(
            f"Not inside a trusted directory: {folder} is not in a git repository. Set skip_git_repo_check=True to work there nevertheless."
        )


def unsupported(options: ThreadOptions) -> str | None:
    """Return the name of an option that is set and that only `codex exec` supports; None if there is none."""
    given = {"profile": options.profile, "oss": options.oss, "local_provider": options.local_provider}
    return next((name for name, value in given.items() if value), None)


def thread_parameters(options: ThreadOptions, defaults: Defaults, rights: Rights) -> dict[str, Any]:
    """Return the parameters that `thread/start`, `thread/resume` and `thread/fork` share.

    With a sandbox that may write, the server would record the folder as trusted in the user's config.toml, and later turns would have the
    rights of a trusted folder. It does not if the trust in the folder is configured already. So "untrusted" is sent, which means the same
    as no configuration.
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
        "modelProvider": options.model_provider or defaults.model_provider,
        "baseInstructions": options.base_instructions,
        "config": config or None,
        # Each turn sets its own.
        "approvalPolicy": "never",
        **_rights(defaults, rights),
    }
    return {name: value for name, value in parameters.items() if value is not None}


def turn_parameters(
    request: TurnRequest, thread_id: str, images: Sequence[Path], defaults: Defaults, rights: Rights, model: str | None
) -> dict[str, Any]:
    """Return the parameters of `turn/start`.

    Args:
        request: The turn.
        thread_id: The thread of the turn.
        images: The files of the images of the turn.
        defaults: The configuration of the working folder.
        rights: The rights of the turn.
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
        "toolOutput": external_message(request.input),
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
    """Return the approval policy of a turn. Without a handler it is `never`, as with `codex exec`."""
    if request.on_approval is None:
        return "never"
    return request.options.approval_policy or defaults.approval_policy or "on-request"


def effective_rights(answer: Mapping[str, Any], options: ThreadOptions, rights: Rights, skills: Sequence[str] = ()) -> EffectiveRights:
    """Return the rights of a thread that the server reports.

    Args:
        answer: The answer to `thread/start`, `thread/resume` or `thread/fork`.
        options: The options of the thread.
        rights: The rights that were requested.
        skills: The names of the skills that are offered.
    """
    sandbox = table_of(answer, "sandbox")
    name = str(sandbox.get("type"))
    folders = [*(answer.get("runtimeWorkspaceRoots") or ()), *(sandbox.get("writableRoots") or ())]
    effective = reported(
        _SANDBOXES.get(name, name),
        network=sandbox.get("networkAccess") in (True, "enabled"),
        folders=[str(folder) for folder in folders],
        active=table_of(answer, "activePermissionProfile").get("id"),
        model=answer.get("model"),
        options=options,
        stated=rights,
    )
    instructions = tuple(Path(str(path)) for path in answer.get("instructionSources") or ())
    return effective.model_copy(update={"instructions": instructions, "skills": tuple(skills)})


def user_input(request: TurnRequest, images: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the input in the order of `codex exec`: images, then the text. An external message is not part of it."""
    if external_message(request.input) is not None:
        return []
    return [*({"type": "localImage", "path": str(path)} for path in images), {"type": "text", "text": prompt_text(request.input)}]


def external_message(parts: Sequence[UserInput]) -> dict[str, Any] | None:
    """Return an external message as `toolOutput`, the output of a tool that was not called; None if there is none."""
    message = next((part for part in parts if isinstance(part, ExternalMessage)), None)
    return None if message is None else {"name": message.source, "output": message.text}


def additional_context(parts: Sequence[UserInput]) -> dict[str, dict[str, str]]:
    """Return the context of an input as `additionalContext`: any number of entries, which the model sees in the order of their keys.

    The CLI removes the middle of an entry of more than `MAX_ENTRY` bytes, so a longer text is split. It does not send an entry again that
    equals one of the previous turn. The marks make each entry different.
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
    """Split a text into pieces of at most `size` bytes, at the ends of lines if possible."""
    pieces: list[str] = []
    data = text.encode()
    while len(data) > size:
        # Not inside a character: its later bytes start with the bits 10.
        end = data.rfind(b"\n", size // 2, size) + 1 or next(place for place in range(size, 0, -1) if data[place] & 0xC0 != 0x80)
        pieces.append(data[:end].decode())
        data = data[end:]
    return [*pieces, data.decode()]


def review_target(target: ReviewTarget) -> dict[str, Any]:
    """Return the parameter `target` of `review/start`."""
    if target.uncommitted:
        return {"type": "uncommittedChanges"}
    if target.base:
        return {"type": "baseBranch", "branch": target.base}
    if target.commit:
        return {"type": "commit", "sha": target.commit, "title": None}
    return {"type": "custom", "instructions": target.prompt}


def _settings(options: ThreadOptions) -> dict[str, Any]:
    """Return the settings of a thread by their dotted keys; later ones win. A nested key would replace the whole table in the process."""
    config: dict[str, Any] = {}
    for override in own_overrides(options):
        path, value = with_header(*parsed(override))
        key = ".".join(path)
        for replaced in [name for name in config if name == key or name.startswith(f"{key}.")]:
            del config[replaced]
        config[key] = value
    stated = {
        "model_reasoning_effort": options.model_reasoning_effort,
        "model_reasoning_summary": options.summary,
        "developer_instructions": options.developer_instructions,
        "web_search": web_search(options),
        **options.shell_environment_policy,
    }
    for key, value in stated.items():
        if value is not None:
            render_config_flags({key: value})  # raises for a value that TOML cannot represent
            config[key] = value
    return config
