"""Options of the client, of a thread, and of one turn.

None always leaves the choice to the Codex CLI: its defaults and the user's `config.toml`. An invalid value raises `ConfigError` at once.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from codex_jupyter._choices import ApprovalMode as ApprovalMode
from codex_jupyter._choices import SandboxMode as SandboxMode
from codex_jupyter._choices import ShellEnvironment as ShellEnvironment
from codex_jupyter._choices import WebSearchMode as WebSearchMode
from codex_jupyter.sdk.cancellation import CancellationToken
from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.models.approvals import ApprovalHandler
from codex_jupyter.sdk.models.hooks import HookEvent, HookHandler
from codex_jupyter.sdk.models.mcp_servers import McpServer

ModelReasoningEffort: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh", "max", "ultra", "persistent"] | str
"""Any text, because the efforts depend on the model."""
ReasoningSummary: TypeAlias = Literal["auto", "concise", "detailed", "none"]
CyberAccessProgram: TypeAlias = Literal["standard", "daybreak_blue", "daybreak_red"]
StderrHandler: TypeAlias = Callable[[str], object]
StrPath: TypeAlias = str | os.PathLike[str]


class CodexOptionsDict(TypedDict, total=False):
    """`CodexOptions` as keyword arguments."""

    codex_path_override: StrPath | None
    base_url: str | None
    api_key: str | SecretStr | None
    config: Mapping[str, Any]
    config_overrides: Sequence[str]
    mcp_servers: Mapping[str, McpServer | Mapping[str, Any]]
    env: Mapping[str, str] | None
    stderr: StderrHandler | None
    log_wire: StrPath | None
    hooks: Mapping[HookEvent, HookHandler]


class ThreadOptionsDict(TypedDict, total=False):
    """`ThreadOptions` as keyword arguments."""

    model: str | None
    thread_source: str | None
    sandbox_mode: SandboxMode | None
    working_directory: StrPath | None
    skip_git_repo_check: bool
    model_reasoning_effort: ModelReasoningEffort | None
    network_access_enabled: bool | None
    web_search_mode: WebSearchMode | None
    web_search_enabled: bool | None
    approval_policy: ApprovalMode | None
    additional_directories: Sequence[StrPath]
    read_only_paths: Sequence[StrPath]
    shell_environment: ShellEnvironment | None
    ephemeral: bool
    profile: str | None
    oss: bool
    local_provider: str | None
    config_overrides: Sequence[str]
    mcp_servers: Mapping[str, McpServer | Mapping[str, Any]]
    summary: ReasoningSummary | None
    model_provider: str | None
    developer_instructions: str | None
    base_instructions: str | None


class TurnSettingsDict(TypedDict, total=False):
    """`TurnOptions` as keyword arguments, without `output_schema`."""

    cyber_access_program: CyberAccessProgram | None
    timeout: float | None
    network_timeout: float
    cancellation: CancellationToken | None
    on_approval: ApprovalHandler | None
    tools: Sequence[Any] | None
    model: str | None
    model_reasoning_effort: ModelReasoningEffort | None
    summary: ReasoningSummary | None
    sandbox_mode: SandboxMode | None
    working_directory: StrPath | None
    budget: "TurnBudget | None"
    keep_items: bool


class TurnOptionsDict(TurnSettingsDict, total=False):
    """`TurnOptions` as keyword arguments."""

    output_schema: Any


_OF_ONE_TURN: Final = ("model", "model_reasoning_effort", "summary", "sandbox_mode", "working_directory")
"""Options of a thread that can be given for one turn."""


class _Options(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    if not TYPE_CHECKING:

        def __init__(self, **values):
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise ConfigError(_explain(type(self), error)) from None

    def __getstate__(self) -> dict[Any, Any]:
        """Refuse to pickle fields that the repr leaves out, because a pickle would contain them in clear.

        Raises:
            ConfigError: If such a field is set.
        """
        private = [name for name, info in type(self).model_fields.items() if not info.repr or info.annotation == SecretStr | None]
        if given := [name for name in private if getattr(self, name)]:
            raise ConfigError(
                f"{type(self).__name__} with {' and '.join(given)} cannot be pickled, because they may hold a secret. "
                "Make the client in the process that uses it."
            )
        return super().__getstate__()

    @classmethod
    def of(cls, options: Self | None, values: Mapping[str, Any]) -> Self:
        """Return the options with some values replaced.

        Raises:
            ConfigError: If a name or a value is invalid.
        """
        if options is not None and not isinstance(options, cls):
            raise ConfigError(f"options must be a {cls.__name__}, not {type(options).__name__}. Pass single options as keyword arguments.")
        if not values:
            return options if options is not None else cls()
        given = {name: getattr(options, name) for name in options.model_fields_set} if options is not None else {}
        return cls(**{**given, **values})


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    """Return one line for each invalid option, without the values, because they may be secret."""
    lines = []
    for detail in error.errors(include_url=False, include_context=True):
        name = str(detail["loc"][0]) if detail["loc"] else "?"
        if detail["type"] == "extra_forbidden":
            reason = _explain_unknown(model, name)
        elif detail["type"] == "literal_error":
            reason = f"must be {detail['ctx']['expected']}, not {detail['input']!r}"
        else:
            reason = f"is not valid: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
        lines.append(f"{name} {reason}.")
    return "\n".join(dict.fromkeys(lines))


def _explain_unknown(model: type[BaseModel], name: str) -> str:
    """Return the end of a sentence about a name that is not an option: where it is one, a similar name, or all names."""
    places: dict[type[BaseModel], str] = {
        CodexOptions: "to Codex()",
        ThreadOptions: "to the thread, such as to start_thread()",
        TurnOptions: "to the turn, such as to run()",
    }
    for other, place in places.items():
        if name in other.model_fields:
            return f"is not an option of {model.__name__}. Pass it {place}"
    near = get_close_matches(name, model.model_fields, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"is not an option of {model.__name__}.{hint} The options are {', '.join(model.model_fields)}"


class CodexOptions(_Options):
    """Options of a `Codex` client. Secrets are left out of its repr."""

    if TYPE_CHECKING:

        def __init__(self, **values: Unpack[CodexOptionsDict]) -> None: ...

    codex_path_override: Path | None = None
    """The codex executable. None searches the usual places, see `locate_codex`."""
    base_url: str | None = None
    """Base URL of the model's API, for the built-in provider."""
    api_key: SecretStr | None = None
    """An API key, passed on as CODEX_API_KEY. None uses that variable or the user's login. The agent's commands do not inherit it, unless
    `config` sets what they inherit: `{"shell_environment_policy": {"inherit": "all"}}`."""
    config: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    """Settings as in `config.toml`. Nested mappings become dotted keys. They override the file, and options of a thread override them.
    Secrets, such as `http_headers`, `query_params` and the `env` of an MCP server, never become arguments. `app-server` receives them over
    its standard input. `exec` receives them in environment variables if Codex has a setting for that, such as `env_http_headers`. Other
    secrets raise `ConfigError`."""
    config_overrides: tuple[str, ...] = Field(default=(), repr=False)
    """More settings as raw `key=value` texts, passed on unchanged. They override `config`."""
    mcp_servers: Mapping[str, McpServer] = Field(default_factory=dict, repr=False)
    """MCP servers by name, besides those of `config.toml`: `StdioMcpServer`, `HttpMcpServer`, or dicts with their fields. Their secrets
    never become arguments. See `config`."""
    env: Mapping[str, str] | None = Field(default=None, repr=False)
    """The whole environment of the CLI. None inherits the environment of this process."""
    stderr: StderrHandler | None = None
    """Called with each line of the error output of the CLI, with secrets masked, on a thread of this package or of the event loop. Lines
    also come from runs that succeed. Errors of the function are logged."""
    log_wire: Path | None = None
    """A file to which each message from and to the CLI is appended as a line of JSON, with secrets masked. Only you can read the file. It
    contains prompts, answers and the output of commands. None writes nothing."""
    hooks: Mapping[HookEvent, HookHandler] = Field(default_factory=dict)
    """Experimental: plain functions that Codex calls at points of a turn, with a `HookCall`. They return None or a `HookReply`. They run
    on threads of this package, several at a time. Nothing is written to files of the user. Hooks are not a safeguard: Codex continues as
    without a hook if the program that asks your function is killed, or if there is no reply within 60 seconds. Use the sandbox and
    `on_approval` to limit the agent. A hook that raises an error denies what it can deny."""


class ThreadOptions(_Options):
    """Options of a thread, valid for each of its turns."""

    if TYPE_CHECKING:

        def __init__(self, **values: Unpack[ThreadOptionsDict]) -> None: ...

    model: str | None = None
    thread_source: str | None = None
    """Free text that Codex stores with a new thread."""
    sandbox_mode: SandboxMode | None = None
    working_directory: Path | None = None
    """The working directory of the agent. None is the current folder of this process."""
    skip_git_repo_check: bool = False
    """Allow a working directory that is not a git repository."""
    model_reasoning_effort: ModelReasoningEffort | None = None
    network_access_enabled: bool | None = None
    """Allow commands to use the network in the sandbox `workspace-write`."""
    web_search_mode: WebSearchMode | None = None
    web_search_enabled: bool | None = None
    """True is `live`, False is `disabled`. `web_search_mode` overrides it."""
    approval_policy: ApprovalMode | None = None
    additional_directories: tuple[Path, ...] = ()
    """More folders that the agent may write to. Relative paths are relative to the working directory."""
    read_only_paths: tuple[Path, ...] = ()
    """Files and folders inside writable folders that the agent must not change, rename or replace, such as the environment of the running
    Python. A path that is itself the working directory or an additional directory stays writable. Not enforced without a sandbox and on
    Windows: `EffectiveRights.unprotected` lists such paths. With the transport `exec`, reading the configuration takes 0.3 s, and `profile`
    cannot be set."""
    shell_environment: ShellEnvironment | None = None
    """Environment variables that the agent's commands inherit. `core` are those that a shell needs: HOME, LOGNAME, PATH, SHELL, USER and
    the temporary folder. `all` are all variables of this process. None uses the `shell_environment_policy` of Codex, by default `all`.
    Variables of `shell_environment_policy.set` are set in any case, those of your shell's profile sometimes."""
    ephemeral: bool = False
    """Do not store the thread. It then has only one turn, because it cannot be resumed."""
    profile: str | None = None
    """A profile of the user's `config.toml`."""
    oss: bool = False
    """Use a local open-source model."""
    local_provider: str | None = None
    """The local provider that serves it, such as `ollama` or `lmstudio`."""
    config_overrides: tuple[str, ...] = Field(default=(), repr=False)
    """Settings of this thread as raw `key=value` texts. They override the client's; options override them."""
    mcp_servers: Mapping[str, McpServer] = Field(default_factory=dict, repr=False)
    """MCP servers of this thread by name, besides those of the client. See `CodexOptions.mcp_servers`."""
    summary: ReasoningSummary | None = None
    """The amount of reasoning that the model summarises for the user. Newer CLIs keep it with the thread: `exec` uses that of its first
    turn, and the app-server the last one that was given."""
    model_provider: str | None = None
    """A provider among the `model_providers` of the configuration. Newer CLIs refuse to continue a thread with another provider."""
    developer_instructions: str | None = Field(default=None, repr=False)
    """Instructions above those of the user. A thread keeps those of its first turn: others at a later turn have no effect before the
    thread is compacted. `exec` passes them as an argument, which every user of the machine can read, of at most 120,000 bytes."""
    base_instructions: str | None = Field(default=None, repr=False)
    """Instructions in place of those of the CLI for the model. Without them, a thread keeps those of its first turn."""

    @property
    def shell_environment_policy(self) -> dict[str, str | bool]:
        """The settings of Codex for `shell_environment`, by their dotted keys."""
        if self.shell_environment is None:
            return {}
        policy: dict[str, str | bool] = {"shell_environment_policy.inherit": self.shell_environment}
        if self.shell_environment == "core":
            policy["shell_environment_policy.ignore_default_excludes"] = False  # also drop *KEY*, *SECRET* and *TOKEN*
        return policy


class TurnBudget(_Options):
    """Limits of one turn. The turn is stopped with `BudgetExceededError` when it exceeds one of them."""

    tokens: int | None = Field(default=None, gt=0)
    """Input and output tokens of all requests of the turn, without those of sub-agents. The CLI records them after each answer of the
    model, so that a turn can exceed the limit by one answer. Not possible for an ephemeral thread."""
    seconds: float | None = Field(default=None, gt=0)
    tool_calls: int | None = Field(default=None, ge=0)
    """Commands, patches, searches, and calls of other tools and sub-agents."""


class TurnOptions(_Options):
    """Options of one turn."""

    if TYPE_CHECKING:

        def __init__(self, **values: Unpack[TurnOptionsDict]) -> None: ...

    cyber_access_program: CyberAccessProgram | None = None
    timeout: float | None = Field(default=None, gt=0)
    """Seconds after which the turn is stopped; must be positive. None sets no limit."""
    network_timeout: float = Field(default=300.0, ge=0)
    """Seconds without a byte from the model after which the turn is stopped, while it waits for the model. 0 sets no limit. Linux reports
    received bytes. On other systems `app-server` counts events of the turn, and `exec` only connections that the CLI reports as lost."""
    cancellation: CancellationToken | None = None
    """Stops the turn from any thread."""
    on_approval: ApprovalHandler | None = None
    """A plain or async function that is called before any action that needs approval, with an `ApprovalRequest`. It returns an
    `ApprovalDecision`. Without a handler, every request is declined. Only the transport `app-server` can ask."""
    tools: tuple[Any, ...] | None = None
    """The tools of the thread that this turn may use: functions, groups, or names such as `group.tool`. None allows all of them."""
    model: str | None = None
    """The model of this turn. None uses the thread's; the next turn uses it again. This also holds for the next four options."""
    model_reasoning_effort: ModelReasoningEffort | None = None
    summary: ReasoningSummary | None = None
    sandbox_mode: SandboxMode | None = None
    working_directory: Path | None = None
    budget: TurnBudget | None = None
    """Limits of tokens, seconds and tool calls. None sets none."""
    keep_items: bool = True
    """False keeps only the open items and the answer in `Turn.items`, so that the memory of a long turn is bounded. Its events have all
    items. Not possible with `TurnBudget.tool_calls`, which counts the items."""
    output_schema: Any = None
    """The form of the answer: a JSON Schema as a dict, or a pydantic model, a dataclass or a TypedDict. `Turn.parsed` is such a value."""

    @model_validator(mode="after")
    def _check_items(self) -> Self:
        if not self.keep_items and self.budget is not None and self.budget.tool_calls is not None:
            raise ConfigError("TurnBudget.tool_calls counts the items of the turn. Leave keep_items=False out.")
        return self

    def applied_to(self, thread: ThreadOptions) -> ThreadOptions:
        """Return the options of a thread with the options of this turn in place of its own.

        Args:
            thread: The options of the thread. They are not changed.
        """
        given = {name: getattr(self, name) for name in _OF_ONE_TURN if getattr(self, name) is not None}
        return ThreadOptions.of(thread, given) if given else thread
