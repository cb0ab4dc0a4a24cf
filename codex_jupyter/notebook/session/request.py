"""The one request type of the notebook: what a cell, a chat or a command wants to be run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, TypedDict, Unpack, cast

from IPython.core.error import UsageError

from codex_jupyter.notebook.consent.ceiling import load_ceiling
from codex_jupyter.notebook.consent.presets import Rights, choose_rights
from codex_jupyter.notebook.namespace import Namespace
from codex_jupyter.notebook.session.names import check_name, check_variable
from codex_jupyter.notebook.session.notebook_thread import MAIN
from codex_jupyter.sdk import ReviewTarget, ThreadOptions, TurnBudget, TurnOptions
from codex_jupyter.sdk.executable.config_flags import render_config_flags
from codex_jupyter.sdk.executable.workspace import absolute, existing_folder

if TYPE_CHECKING:
    from codex_jupyter._choices import ApprovalMode, SandboxMode
    from codex_jupyter.notebook.images.resize import Attachment

DisplayMode: TypeAlias = Literal["live", "answer", "nothing"]
"""The part of a running turn that its cell shows: everything as it happens, only the answer, or nothing."""


@dataclass(frozen=True, slots=True)
class ImageRules:
    """Rules for the images of a prompt.

    Attributes:
        specs: Images that are always attached, as `-i` names them.
        mentions: Attach images that the prompt mentions as `@plot` or `@variable`.
        new: Attach images that are new to the thread.
        max_side: Pixels of the longest side.
        max_bytes: Largest image in bytes.
    """

    specs: tuple[str, ...] = ()
    mentions: bool = True
    new: bool = False
    max_side: int = 2048
    max_bytes: int = 5_000_000


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """A prompt and everything that decides how it runs. `NotebookSession.run` runs it.

    Attributes:
        text: The prompt as the user wrote it.
        shown_as: The prompt in lists and exports. Empty uses `text`.
        thread: Name of the thread.
        new: Start a new thread.
        resume: Resume an earlier thread first: an id, a name or `last`. Empty continues the current thread.
        resume_first: The same, but only for the first prompt of the kernel in this thread. `last` may then find no thread.
        thread_options: Options of the thread for this turn.
        turn_options: Options of the turn.
        expand: Replace `{expression}` in the text by its value.
        context: Specification of what the kernel reports, such as `auto` or `vars:df`.
        images: Rules for the images that are attached.
        attachments: Images that are attached besides those.
        display: What is shown in the running cell.
        background: Return at once. The turn continues while other cells run.
        raise_errors: Raise if the turn fails.
        permanent_approvals: Let the user approve something permanently.
        output_variable: Variable of the notebook that receives the result. Empty keeps no result.
        rights: Rights of the agent, not above the administrator's ceiling.
        kernel_ceiling: The most rights in the kernel that an answer of the user can give.
        kernel_rows: Rows of a data frame that the agent may look at.
        tools: Functions of the notebook that the agent may call.
        review: The code to review, instead of answering the text. The thread must be new.
        page_context: Data of the notebook page that the prompt is about. The agent may use it, but must not obey it.
        names: The names that the prompt and its options can use. None uses those of the notebook.
    """

    text: str
    shown_as: str = ""
    thread: str = MAIN
    new: bool = False
    resume: str = ""
    resume_first: str = ""
    thread_options: ThreadOptions = field(default_factory=ThreadOptions)
    turn_options: TurnOptions = field(default_factory=TurnOptions)
    expand: bool = True
    context: str = "auto"
    images: ImageRules = field(default_factory=ImageRules)
    attachments: "tuple[Attachment, ...]" = ()
    display: DisplayMode = "live"
    background: bool = False
    raise_errors: bool = True
    permanent_approvals: bool = True
    output_variable: str = ""
    rights: Rights = field(default_factory=Rights)
    kernel_ceiling: str = "run"
    kernel_rows: int = 20
    tools: tuple[Any, ...] = ()
    review: ReviewTarget | None = None
    page_context: str = ""
    names: Namespace | None = field(default=None, repr=False, compare=False)


class PromptSettings(Protocol):
    """Settings of the notebook that a request is built from. The option table explains them."""

    snapshots: bool
    model: str
    preset: str
    sandbox: str
    cd: str
    add_dir: list[str]
    image: list[str]
    settings: dict[str, Any]
    effort: str
    approval: str
    shell_environment: str
    web_search: str
    new: bool
    thread: str
    resume: str
    out: str
    schema: str
    context: str
    attach_plots: str
    max_image_side: int
    max_image_bytes: int
    quiet: bool
    live_updates: str
    fold_work: bool
    bg: bool
    timeout: float
    kernel: str
    cells: str
    kernel_rows: int
    tools: list[str]
    network_timeout: float
    max_seconds_per_turn: float
    max_tokens_per_turn: int
    expand: bool
    raise_errors: bool


class PromptOverrides(TypedDict, total=False):
    """Options of one prompt. A missing option, or None, uses the setting of the same name; `add_dir`, `image` and `config` add to it."""

    model: str | None
    preset: str | None
    sandbox: str | None
    cd: str | None
    add_dir: Sequence[str] | None
    image: Sequence[str] | None
    config: Sequence[str] | None
    effort: str | None
    approval: str | None
    web_search: str | None
    kernel: str | None
    tool: Sequence[str] | None
    new: bool | None
    thread: str | None
    resume: str | None
    out: str | None
    schema: str | None
    context: Sequence[str] | None
    quiet: bool | None
    bg: bool | None
    timeout: float | None
    expand: bool | None
    raise_errors: bool | None


NO_CELL: Final[PromptOverrides] = {"new": False, "bg": False, "out": "", "schema": ""}
"""Overrides of a prompt that no cell wrote, such as a chat's: settings about the purpose of a cell do not apply to it."""


def build_request(settings: PromptSettings, names: Namespace, text: str, **overrides: Unpack[PromptOverrides]) -> PromptRequest:
    """Build the request of a prompt from the notebook's settings and the prompt's own options.

    Args:
        settings: The notebook's settings.
        names: The names that the prompt and its options can use. `schema` can be one of them.
        text: The prompt.
        overrides: The prompt's own options.

    Raises:
        UsageError: If an option cannot be used.
    """
    value = partial(_value, settings, overrides)
    ceiling = load_ceiling()
    rights = ceiling.capped(choose_rights(overrides, settings))
    out = value("out")
    return PromptRequest(
        text,
        thread=check_name(value("thread") or MAIN, "-t"),
        new=value("new"),
        resume=overrides.get("resume") or "",
        resume_first=settings.resume,
        thread_options=_thread_options(settings, overrides, rights),
        turn_options=TurnOptions(
            output_schema=_schema(value("schema"), names),
            timeout=value("timeout") or None,
            network_timeout=settings.network_timeout,
            budget=_budget(settings),
        ),
        expand=value("expand"),
        context="+".join(overrides.get("context") or ()) or settings.context,
        images=_image_rules(settings, overrides),
        display="answer" if value("quiet") else "live",
        background=value("bg"),
        raise_errors=value("raise_errors"),
        output_variable=check_variable(out, "-o") if out else "",
        rights=rights,
        kernel_ceiling=ceiling.kernel,
        kernel_rows=settings.kernel_rows,
        tools=tuple(_function(name, names) for name in dict.fromkeys((*settings.tools, *(overrides.get("tool") or ())))),
        names=names,
    )


def _value(settings: PromptSettings, overrides: PromptOverrides, name: str) -> Any:
    """Return an option of the prompt, or the setting of the same name if it is not given."""
    given = overrides.get(name)
    return getattr(settings, name) if given is None else given


def _budget(settings: PromptSettings) -> TurnBudget | None:
    """Return the limits that the settings give to every turn. None if there are none."""
    tokens, seconds = settings.max_tokens_per_turn, settings.max_seconds_per_turn
    return TurnBudget(tokens=tokens or None, seconds=seconds or None) if tokens or seconds else None


def _thread_options(settings: PromptSettings, overrides: PromptOverrides, rights: Rights) -> ThreadOptions:
    value = partial(_value, settings, overrides)
    folders = [absolute(Path(folder)) for folder in (*settings.add_dir, *(overrides.get("add_dir") or ()))]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--add-dir: there is no folder {folder}.")
    return ThreadOptions(
        model=value("model") or None,
        sandbox_mode=cast("SandboxMode", rights.sandbox) or None,
        working_directory=existing_folder(Path(value("cd"))),
        additional_directories=folders,
        model_reasoning_effort=value("effort") or None,
        approval_policy=cast("ApprovalMode", rights.approval) or None,
        web_search_mode=value("web_search") or None,
        shell_environment=value("shell_environment") or None,
        config_overrides=[*render_config_flags(settings.settings), *(overrides.get("config") or ())],
        # Folders of notebooks are often not repositories. The sandbox decides what the agent may do there.
        skip_git_repo_check=True,
    )


def _image_rules(settings: PromptSettings, overrides: PromptOverrides) -> ImageRules:
    return ImageRules(
        specs=(*settings.image, *(overrides.get("image") or ())),
        mentions=settings.attach_plots != "none",
        new=settings.attach_plots == "new",
        max_side=settings.max_image_side,
        max_bytes=settings.max_image_bytes,
    )


def _function(name: str, names: Namespace) -> Any:
    """Return the function that a tool is named by."""
    function = names.values.get(name)
    if not callable(function):
        reason = names.hidden.get(name) or (f"{name} is not a function." if name in names.values else f"{name} is not defined.")
        raise UsageError(f"--tool: {reason} Define a function with annotated parameters.")
    return function


def _schema(name: str, names: Namespace) -> Any:
    """Return the schema that a name stands for: a variable, or the content of a JSON file. None for an empty name."""
    if not name:
        return None
    if name in names.values:
        return names.values[name]
    path = Path(name).expanduser()
    if path.suffix != ".json":
        raise UsageError(f"--schema: {names.hidden.get(name) or f'{name} is not defined, and not a JSON file.'}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--schema: {name} cannot be read: {error}") from None
