"""MCP servers: their configuration as options, and their state."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from codex_jupyter.sdk.models.wire import WireModel

McpApprovalMode: TypeAlias = Literal["auto", "prompt", "writes", "approve"]
"""Approval of the calls of a server: `approve` approves all, `prompt` asks for all, `auto` asks for tools that are not read-only."""


class _McpServer(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    enabled: bool = True
    required: bool = False
    """Fail the turn if the server does not start."""
    enabled_tools: tuple[str, ...] | None = None
    """The tools that the agent may call. None allows all of them."""
    disabled_tools: tuple[str, ...] | None = None
    """The tools that the agent must not call."""
    default_tools_approval_mode: McpApprovalMode | None = None
    startup_timeout_sec: float | None = Field(default=None, gt=0)
    """Seconds for the start of the server."""
    tool_timeout_sec: float | None = Field(default=None, gt=0)
    """Seconds for one call of a tool."""


class StdioMcpServer(_McpServer):
    """An MCP server that Codex starts as a process."""

    command: str
    args: tuple[str, ...] = Field(default=(), repr=False)
    env: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """Environment variables of the process, which can be secret."""
    env_vars: tuple[str, ...] = ()
    """Names of environment variables of Codex that the process gets, too."""
    cwd: Path | None = None
    """Working folder of the process."""


class HttpMcpServer(_McpServer):
    """An MCP server at a URL, with streamable HTTP."""

    url: str
    bearer_token: SecretStr | None = None
    """Token for the `Authorization` header."""
    bearer_token_env_var: str | None = None
    """Name of the environment variable of Codex with the token."""
    http_headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """Headers of each request, which can be secret."""
    env_http_headers: Mapping[str, str] = Field(default_factory=dict)
    """Headers of each request, with the names of environment variables as values."""


def _read(value: Any) -> Any:
    """Read a server from a dict. Errors do not contain the values, because they can be secret."""
    if not isinstance(value, Mapping):
        return value
    kind = HttpMcpServer if "url" in value else StdioMcpServer if "command" in value else None
    if kind is None:
        raise ValueError("an MCP server has 'command', or 'url'")
    try:
        return kind(**value)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
        raise ValueError(f"{kind.__name__}: {'; '.join(problems)}") from None


McpServer: TypeAlias = Annotated[StdioMcpServer | HttpMcpServer, BeforeValidator(_read)]
"""The configuration of an MCP server. Options also accept a dict with its fields."""


def mcp_settings(servers: Mapping[str, McpServer]) -> dict[str, Any]:
    """Return the servers as the table `mcp_servers` of `config.toml`, with their secrets.

    Args:
        servers: The servers by name.
    """
    given = {name: server.model_dump(exclude_defaults=True) for name, server in servers.items()}
    return {name: {field: _plain(value) for field, value in fields.items()} for name, fields in given.items()}


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value)
        case Mapping():
            return dict(value)
        case tuple():
            return list(value)
    return value


class McpServerStatus(WireModel):
    """The state of a configured MCP server."""

    name: str
    """Name of the server in the configuration."""
    state: str | None = None
    """Such as `connected`, `failed` or `disabled`. None if the CLI does not report it: CLIs before 0.171, and without a thread."""
    auth: str = "unknown"
    """Such as `unsupported`, `notLoggedIn`, `bearerToken` or `oAuth`."""
    tools: tuple[str, ...] = ()
    """Names of the tools."""
    error: str | None = None
    """The reason why the tools are unknown."""

    @classmethod
    def from_wire(cls, server: Mapping[str, Any]) -> "McpServerStatus":
        """Read an entry of the answer to `mcpServerStatus/list`."""
        tools = server.get("tools")
        return cls(
            name=str(server.get("name")),
            state=server.get("runtimeStatus"),
            auth=str(server.get("authStatus") or "unknown"),
            tools=tuple(sorted(map(str, tools))) if isinstance(tools, Mapping | Sequence) else (),
            error=server.get("toolsError"),
        )
