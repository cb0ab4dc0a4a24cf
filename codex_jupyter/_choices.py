"""The choices of options, written once. Loading the extension needs them without the SDK, so this module imports nothing of it."""

from typing import Literal, TypeAlias

SandboxMode: TypeAlias = Literal["read-only", "workspace-write", "danger-full-access"]
ApprovalMode: TypeAlias = Literal["never", "on-request", "on-failure", "untrusted"]
"""When the agent asks for approval. Only the transport `app-server` can ask. `codex exec` never asks, and refuses `untrusted`."""
WebSearchMode: TypeAlias = Literal["disabled", "cached", "live"]
ShellEnvironment: TypeAlias = Literal["all", "core"]
KernelMode: TypeAlias = Literal["off", "read", "ask", "run"]
"""Rights of the agent in the kernel: nothing, look at it, run code that the user approves, run any code."""
TransportName: TypeAlias = Literal["exec", "app-server", "auto"]
