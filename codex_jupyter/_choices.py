"""The choices of options, written once. Loading the extension needs them without the SDK, so this module imports nothing of it."""

from typing import Literal, TypeAlias

SandboxMode: TypeAlias = Literal["read-only", "workspace-write", "danger-full-access"]
ApprovalMode: TypeAlias = Literal["never", "on-request", "on-failure", "untrusted"]
"""When the agent asks for approval. Only the transport `app-server` can ask. `codex exec` never asks, and refuses `untrusted`."""
WebSearchMode: TypeAlias = Literal["disabled", "cached", "live"]
ShellEnvironment: TypeAlias = Literal["all", "core"]
KernelMode: TypeAlias = Literal["off", "read", "ask", "once", "run"]
"""Rights of the agent in the kernel: nothing, look at it, run code that the user approves each time or once per notebook, run any code."""
CellsMode: TypeAlias = Literal["propose", "review", "apply"]
"""Changes of notebook cells by the agent: proposed, applied for the user to keep or undo, applied."""
PresetName: TypeAlias = Literal["read-only", "ask", "edit", "full"]
"""Names of the presets of rights."""
TransportName: TypeAlias = Literal["exec", "app-server", "auto"]
