"""The tools of a thread, by their names."""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.tools.definition import Tool, ToolNamespace
from codex_jupyter.sdk.tools.limits import ToolLimits

ToolLike: TypeAlias = Callable[..., Any] | Tool[..., Any] | ToolNamespace
"""A tool as users pass it: a function, a `Tool`, or a group of tools."""

# fmt: off
BUILT_IN: Final = frozenset({
    "apply_patch", "clock", "clock__curr_time", "close_agent", "collaboration", "container_exec", "create_goal", "exec", "exec_command",
    "followup_task", "functions", "get_context_remaining", "get_goal", "image_gen", "imagegen", "interrupt_agent", "js", "js_repl",
    "list_agents", "list_mcp_resource_templates", "list_mcp_resources", "local_shell", "multi_tool_use", "new_context",
    "read_mcp_resource", "report_agent_job_result", "request_permissions", "request_plugin_install", "request_user_input",
    "request_user_input_async", "resume_agent", "send_input", "send_message", "shell", "shell_command", "sleep", "spawn_agent",
    "spawn_agents_on_csv", "test_sync_tool", "tool_search", "tool_suggest", "unified_exec", "update_goal", "update_plan", "view_image",
    "wait", "wait_agent", "web_run", "web_search", "write_stdin",
})
# fmt: on
"""Names of the CLI's own tools. It silently drops a tool with such a name."""


class ToolSet:
    """The tools of a thread.

    Args:
        entries: Functions, tools and groups of tools.
        limits: Limits of their calls and results. None uses the defaults.

    Raises:
        ConfigError: If two tools have a name, a name is that of a built-in tool, or a parameter of a tool is not possible.
    """

    def __init__(self, entries: Iterable[ToolLike] = (), limits: ToolLimits | None = None) -> None:
        self.limits: ToolLimits = limits or ToolLimits()
        """Limits of the calls and results of a turn."""
        self.granted: set[str] = set()
        """Names of the tools that the user has approved for the session."""
        self._specs: list[dict[str, Any]] = []
        self._tools: dict[tuple[str | None, str], Tool[..., Any]] = {}
        self._optional: set[tuple[str | None, str]] = set()
        self._active: frozenset[tuple[str | None, str]] | None = None
        self._required: frozenset[tuple[str | None, str]] | None = None
        if isinstance(entries, str | bytes) or not isinstance(entries, Iterable):
            raise ConfigError(f"tools must be a list of functions, not {type(entries).__name__}.")
        for entry in entries:
            if isinstance(entry, ToolNamespace):
                self._add_namespace(entry)
            else:
                tool = Tool.from_callable(entry)
                self._add(None, tool)
                self._specs.append(tool.spec)

    def _add_namespace(self, group: ToolNamespace) -> None:
        if group.name in BUILT_IN:
            raise ConfigError(f"{group.name} is a name of Codex itself. Give the group another name.")
        if any(group.name == name for name, _ in self._tools):
            raise ConfigError(f"Two groups of tools are named {group.name}. Give one another name.")
        for tool in group.tools:
            self._add(group.name, tool)
            if group.optional:
                self._optional.add((group.name, tool.name))
        if group.tools:
            specs = [tool.spec for tool in group.tools]
            self._specs.append({"type": "namespace", "name": group.name, "description": group.description, "tools": specs})

    def _add(self, namespace: str | None, tool: Tool[..., Any]) -> None:
        name = (namespace, tool.name)
        if namespace is None and tool.name in BUILT_IN:
            raise ConfigError(
                f"{tool.name} is the name of a tool of Codex itself. Give the tool another name: @tool(name='my_{tool.name}')."
            )
        if name in self._tools:
            raise ConfigError(f"Two tools are named {label(name)}. Give one another name: @tool(name='...').")
        self._tools[name] = tool

    def __bool__(self) -> bool:
        return bool(self._tools)

    def __repr__(self) -> str:
        return f"ToolSet({', '.join(map(label, self._tools))})"

    @property
    def names(self) -> list[tuple[str | None, str]]:
        """The names of all tools."""
        return list(self._tools)

    @property
    def required(self) -> bool:
        """True if the turn must not run where tools cannot be called."""
        return bool(self._tools if self._required is None else self._required)

    @property
    def can_change(self) -> bool:
        """True if the turn may use a tool that is not read-only."""
        return any(self.is_active(*name) and not tool.read_only for name, tool in self._tools.items())

    def specs(self) -> list[dict[str, Any]]:
        """Return the tools as the CLI registers them."""
        return list(self._specs)

    def find(self, namespace: str | None, name: str) -> Tool[..., Any] | None:
        """Return the newest definition of a tool; None if there is none."""
        tool = self._tools.get((namespace, name))
        return None if tool is None else tool.newest()

    def is_active(self, namespace: str | None, name: str) -> bool:
        """Return False if the tool exists, but is not selected for this turn."""
        return self._active is None or (namespace, name) in self._active

    def select(self, entries: Iterable[ToolLike | str]) -> "ToolSet":
        """Return the same tools, of which a turn may use only some.

        Args:
            entries: The names, functions or groups that the turn may use. A tool of a group is named `group.tool`, the whole group `group`.

        Raises:
            ConfigError: If an entry is not one of the tools.
        """
        if isinstance(entries, str | bytes) or not isinstance(entries, Iterable):
            raise ConfigError(f"tools must be a list of names or functions, not {type(entries).__name__}.")
        entries = list(entries)
        active = [name for entry in entries for name in self._named(entry)]
        selected = ToolSet(limits=self.limits)
        selected.granted = self.granted
        selected._specs, selected._tools, selected._optional = self._specs, self._tools, self._optional
        selected._active = frozenset(active)
        needed = (entry for entry in entries if not (isinstance(entry, ToolNamespace) and entry.optional))
        selected._required = frozenset(name for entry in needed for name in self._named(entry))
        return selected

    def _named(self, entry: ToolLike | str) -> list[tuple[str | None, str]]:
        names: list[tuple[str | None, str]]
        if isinstance(entry, ToolNamespace):
            names = [(entry.name, tool.name) for tool in entry.tools]
        elif isinstance(entry, str):
            names = [name for name in self._tools if entry in (label(name), name[0])]
        else:
            names = [(None, Tool.from_callable(entry).name)]
        missing = [label(name) for name in names if name not in self._tools]
        if missing or not names:
            wanted = ", ".join(missing) or str(entry)
            raise ConfigError(
                f"{wanted} is not a tool of this thread. Its tools are: {', '.join(map(label, self._tools)) or 'none'}. "
                "A thread gets its tools when it starts: start_thread(tools=[...])."
            )
        return names

    def check_stored(self, stored: Iterable[tuple[str | None, str]]) -> None:
        """Check that a stored thread has these tools, because the CLI ignores tools that are passed when a thread is resumed.

        Args:
            stored: The names of the tools that the thread was started with.

        Raises:
            ConfigError: If a tool is missing there.
        """
        stored = set(stored)
        missing = [label(name) for name in self._tools if name not in stored and name not in self._optional]
        if missing:
            raise ConfigError(
                f"The thread was started without the tools {', '.join(missing)}, and a thread gets its tools when it starts. "
                "Start a new thread with them, or resume this one without."
            )


def label(name: tuple[str | None, str]) -> str:
    """Return the name of a tool for display: `group.tool`, or `tool`."""
    return ".".join(filter(None, name))
