"""A Python function that the agent may call."""

import inspect
import re
import sys
import threading
from collections.abc import Callable, Iterable
from functools import cached_property, update_wrapper
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.tools.parameters import Parameters

P = ParamSpec("P")
R = TypeVar("R")
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MAX_DESCRIPTION: Final = 8_000
"""Characters of a description. A longer one is refused, because it is a part of every request to the model."""


class Tool(Generic[P, R]):
    """A function that the agent may call. Create one with `tool`. It can be called like the function.

    Args:
        function: A plain or async function with annotated parameters. A plain function runs in a worker thread.
        name: The name that the model sees, of letters, digits, `_` and `-`, at most 64. None uses the function's name.
        description: The description that the model sees. None uses the text of the docstring.
        read_only: The tool changes nothing, so it runs without approval.
        exclusive: One call of the tool runs at a time.
        timeout: Seconds after which a call is given up. None uses that of `ToolLimits`.

    Raises:
        ConfigError: If the name is invalid, or the timeout is not positive.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        read_only: bool = False,
        exclusive: bool = False,
        timeout: float | None = None,
    ) -> None:
        if not callable(function):
            raise ConfigError(f"{function!r} is not a function. Tools are functions with annotated parameters.")
        self.function = function
        self.name: str = name if name is not None else str(getattr(function, "__name__", ""))
        self.read_only = read_only
        self.exclusive = exclusive
        self.timeout = timeout
        self._description = description
        self.lock: threading.Lock = threading.Lock()
        """Locked while a call runs, if the tool is exclusive."""
        check_name(self.name)
        if timeout is not None and not timeout > 0:
            raise ConfigError(f"timeout is {timeout}. It must be positive, or None.")
        update_wrapper(self, function, updated=())

    @classmethod
    def from_callable(cls, function: "Callable[..., Any] | Tool[..., Any]") -> "Tool[..., Any]":
        """Return a function as a tool with the default options. A tool is returned as it is."""
        return function if isinstance(function, Tool) else Tool(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def __get__(self, instance: object, owner: type | None = None) -> "Tool[..., Any]":
        """Bind a method to its object, so that `tools=[object.method]` works."""
        return self if instance is None else self._with(self.function.__get__(instance, owner))

    def _with(self, function: Callable[..., Any]) -> "Tool[..., Any]":
        return Tool(
            function,
            name=self.name,
            description=self._description,
            read_only=self.read_only,
            exclusive=self.exclusive,
            timeout=self.timeout,
        )

    @cached_property
    def _docstring(self) -> tuple[str, dict[str, str]]:
        """The text of the docstring, and the descriptions of the parameters."""
        # Imported here because only tools need it.
        from docstring_parser import parse

        parsed = parse(inspect.getdoc(self.function) or "")
        text = "\n\n".join(filter(None, (parsed.short_description, parsed.long_description)))
        if parsed.returns is not None and parsed.returns.description:
            text += f"\n\nReturns: {parsed.returns.description}"
        return text, {parameter.arg_name: parameter.description or "" for parameter in parsed.params}

    @cached_property
    def description(self) -> str:
        """The description that the model sees.

        Raises:
            ConfigError: If it is longer than 8,000 characters.
        """
        description = (self._description if self._description is not None else self._docstring[0]).strip()
        if len(description) > MAX_DESCRIPTION:
            raise ConfigError(
                f"The description of the tool {self.name} has {len(description):,} characters; at most {MAX_DESCRIPTION:,} are possible."
            )
        return description

    @cached_property
    def _parameters(self) -> Parameters:
        return Parameters(self.function, self.name, self._docstring[1])

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments, in the form that the CLI passes on.

        Raises:
            ConfigError: If a parameter has no type, or a type that cannot be sent as JSON.
        """
        return self._parameters.schema

    @property
    def context_parameter(self) -> str | None:
        """The name of the parameter that receives the `ToolContext`; None if there is none. Raises as `input_schema` does."""
        return self._parameters.context

    def validate(self, arguments: object) -> dict[str, Any]:
        """Return the arguments of a call as Python values. Arguments that are not passed are left out, so their defaults apply.

        Args:
            arguments: A JSON object, as the CLI passes it on. None is an object without fields.

        Raises:
            ValueError: If they do not match the parameters. The message is for the model.
            ConfigError: As `input_schema` does.
        """
        return self._parameters.validate(arguments)

    @property
    def spec(self) -> dict[str, Any]:
        """The tool as the CLI registers it."""
        return {"type": "function", "name": self.name, "description": self.description, "inputSchema": self.input_schema}

    def newest(self) -> "Tool[..., Any]":
        """Return the newest definition of the tool, because a notebook may define its function again.

        Only the name at the top of the function's module counts, and only another tool of the same name, or a function.
        """
        name, module = getattr(self.function, "__qualname__", ""), sys.modules.get(getattr(self.function, "__module__", None) or "")
        current = getattr(module, name, None) if name.isidentifier() and module is not None else None
        if current is self or current is self.function:
            return self
        if isinstance(current, Tool):
            return current if current.name == self.name else self
        if inspect.isfunction(current) and current.__module__ == self.function.__module__ and current.__qualname__ == name:
            return self._with(current)
        return self


class ToolNamespace:
    """A group of tools under a common name, which the model sees as a part of each tool's name.

    Args:
        name: The name of the group, of letters, digits, `_` and `-`, at most 64.
        tools: The tools, as functions or `Tool` values.
        description: The description of the group that the model sees.
        optional: A resumed thread may lack the group, and a turn that selects it by this object also runs where tools cannot be called.
            Otherwise both are refused.

    Raises:
        ConfigError: If a name is invalid.
    """

    def __init__(
        self, name: str, tools: "Iterable[Callable[..., Any] | Tool[..., Any]]", description: str = "", *, optional: bool = False
    ) -> None:
        check_name(name)
        self.name = name
        self.description = description
        self.optional = optional
        self.tools: tuple[Tool[..., Any], ...] = tuple(Tool.from_callable(entry) for entry in tools)

    def __repr__(self) -> str:
        return f"ToolNamespace({self.name!r}, {[entry.name for entry in self.tools]!r})"


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    exclusive: bool = False,
    timeout: float | None = None,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    exclusive: bool = False,
    timeout: float | None = None,
) -> Any:
    """Make a function a tool that the agent may call, as `@tool` or `@tool(read_only=True)`.

    The model sees the name, the docstring and the types of the parameters. The function returns a text, a value that can be written as
    JSON, a pydantic model, a data frame, a figure, an image, or a list of them.

    Args:
        function: A plain or async function with annotated parameters. A plain function runs in a worker thread.
        name: The name that the model sees, of letters, digits, `_` and `-`, at most 64. None uses the function's name.
        description: The description that the model sees. None uses the text of the docstring.
        read_only: The tool changes nothing, so it runs without approval.
        exclusive: One call of the tool runs at a time.
        timeout: Seconds after which a call is given up. A plain function then continues in its thread, and its result is dropped. None
            uses that of `ToolLimits`.

    Raises:
        ConfigError: If the name is invalid, or the timeout is not positive.
    """

    def decorate(function: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(function, name=name, description=description, read_only=read_only, exclusive=exclusive, timeout=timeout)

    return decorate if function is None else decorate(function)


def check_name(name: str) -> None:
    """Check the name of a tool or a group.

    Raises:
        ConfigError: If the CLI does not accept it.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not a valid name of a tool. Use 1 to 64 letters, digits, '_' and '-', such as name='my_tool'.")
