"""Hooks: functions that Codex calls at points of a turn. Experimental."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

HookEvent: TypeAlias = Literal["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"]
"""The point of a turn: before its first prompt, before each prompt, before and after each call of a tool, and at the end."""
DENIABLE: Final = frozenset({"UserPromptSubmit", "PreToolUse"})
"""Events whose action a hook can deny."""
WITH_CONTEXT: Final = frozenset({"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse"})
"""Events at which a hook can add context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """One call of a hook."""

    event: HookEvent
    thread_id: str
    turn_id: str | None = None
    """The server's id of the turn. None at `SessionStart`."""
    cwd: str = ""
    """The working folder of the agent."""
    prompt: str = ""
    """The prompt, at `UserPromptSubmit`."""
    tool_name: str = ""
    """The tool, at `PreToolUse` and `PostToolUse`: `Bash` for a command, `apply_patch` for a change of files."""
    tool_input: Any = None
    """The arguments of the tool."""
    tool_response: Any = None
    """The result of the tool, at `PostToolUse`."""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Everything that Codex sent."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> "HookCall":
        """Return the call that Codex has sent.

        Args:
            data: The JSON object.
        """
        return cls(
            event=data["hook_event_name"],
            thread_id=str(data.get("session_id") or ""),
            turn_id=data.get("turn_id"),
            cwd=str(data.get("cwd") or ""),
            prompt=str(data.get("prompt") or ""),
            tool_name=str(data.get("tool_name") or ""),
            tool_input=data.get("tool_input"),
            tool_response=data.get("tool_response"),
            data=data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HookReply:
    """The reply of a hook. A hook that only watches returns None."""

    deny: str | None = None
    """The reason to deny the tool or the prompt. The model sees the reason of a tool that was denied."""
    context: str | None = None
    """A text that the model sees besides."""

    def to_wire(self, event: str) -> dict[str, Any]:
        """Return the reply in the form that Codex expects.

        Args:
            event: The event of the call.

        Raises:
            ValueError: If the event cannot be denied, or accepts no context.
        """
        if self.deny is not None and event not in DENIABLE:
            raise ValueError(f"A hook cannot deny at {event}. It can at {' and '.join(sorted(DENIABLE))}.")
        if self.context is not None and event not in WITH_CONTEXT:
            raise ValueError(f"A hook cannot add context at {event}. It can at {', '.join(sorted(WITH_CONTEXT))}.")
        special: dict[str, Any] = {} if self.context is None else {"additionalContext": self.context}
        reply: dict[str, Any] = {}
        if self.deny is not None and event == "PreToolUse":
            special |= {"permissionDecision": "deny", "permissionDecisionReason": self.deny or "Denied."}
        elif self.deny is not None:
            reply = {"decision": "block", "reason": self.deny or "Denied."}
        return {**reply, "hookSpecificOutput": {"hookEventName": event, **special}} if special else reply


HookHandler: TypeAlias = Callable[[HookCall], HookReply | None]
