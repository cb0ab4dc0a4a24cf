"""Python functions as tools of the agent: their schema, the calls, and the results. Knows no transport and no notebook."""

from codex_jupyter.sdk.tools.context import ToolContext
from codex_jupyter.sdk.tools.definition import Tool, ToolNamespace, tool
from codex_jupyter.sdk.tools.limits import ToolLimits
from codex_jupyter.sdk.tools.runner import ToolRunner
from codex_jupyter.sdk.tools.toolset import ToolLike, ToolSet
from codex_jupyter.sdk.tools.wire import CallDeclinedError, ImagePart, TextPart, ToolCall, ToolOutput

__all__ = [
    "CallDeclinedError",
    "ImagePart",
    "TextPart",
    "Tool",
    "ToolCall",
    "ToolContext",
    "ToolLike",
    "ToolLimits",
    "ToolNamespace",
    "ToolOutput",
    "ToolRunner",
    "ToolSet",
    "tool",
]
