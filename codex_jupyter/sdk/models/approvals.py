"""Requests for approval: the agent asks before it runs a command or applies a patch, or it asks the user a question.

Only the transport `app-server` can ask. Without a handler, and when a handler fails, every request is declined.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from codex_jupyter.sdk.models.items import FileUpdateChange
from codex_jupyter.sdk.models.questions import Question

ApprovalKind: TypeAlias = Literal["command", "file_change", "tool", "question", "form", "permissions"]
ApprovalChoice: TypeAlias = Literal["accept", "accept_for_session", "accept_always", "decline", "cancel"]
"""The possible decisions.

- `accept`: yes, once.
- `accept_for_session`: yes, and the same request is not sent again until the session ends.
- `accept_always`: yes, permanently. The CLI writes it into CODEX_HOME, for a tool only if its server is in config.toml.
- `decline`: no. The agent is informed and continues.
- `cancel`: no, and the turn is stopped.
"""
ApprovalDecision: TypeAlias = ApprovalChoice | Mapping[str, Any]
"""A choice. For a `question` or a `form`, also a mapping from question ids or field names to answers, as values or as typed texts."""

MEANINGS: Final[Mapping[ApprovalChoice, str]] = {
    "accept": "yes, this once",
    "accept_for_session": "yes, and do not ask again for the same in this session",
    "accept_always": "yes, and never ask again: kept in your CODEX_HOME, a command in rules/default.rules, a tool in config.toml",
    "decline": "no; the agent is informed and continues",
    "cancel": "no, and stop the turn",
}
"""The meaning of each choice, for display."""


class ProposedChange(FileUpdateChange):
    """One file of a patch that needs approval."""

    move_path: str | None = None
    """The new path of a moved file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """An action of the agent that needs approval, or a question.

    All texts come from the agent or a tool, so they can contain control characters and imitate other texts. Escape control and invisible
    characters before you show them, and mark where each text starts and ends.

    Attributes:
        kind: The kind of the request.
        message: The request in one line.
        choices: The possible decisions, the harmless ones last.
        command: The command line, for a `command`.
        is_input: Whether the command already runs, and the agent wants to type into it.
        cwd: The working directory of the command.
        host: The host that the command wants to reach; empty if the request is not about the network.
        protocol: The protocol for it, such as `https`.
        additional_permissions: Permissions beyond the sandbox that the command gets if it is accepted: `network` and `fileSystem`. None if
            there are none.
        reason: The reason that the agent gives; may be empty.
        diff: The diff of a `file_change`, as far as it is known.
        changes: The files of a `file_change`.
        grant_root: A folder below which the agent may write for the rest of the session if a `file_change` is accepted. Empty if there is
            none.
        rule: The first words of the commands that `accept_always` allows permanently. For a network request, the host is allowed instead.
        server: The MCP server, for a `tool` or a `form`.
        tool: The name of the called tool.
        arguments: The arguments of the tool, or the requested `permissions`.
        url: The page that an MCP server wants the user to visit.
        questions: The questions, for a `question` or a `form`.
        thread_id: The id of the thread whose turn waits.
        item_id: The id of the item that the request belongs to; empty if there is none.
    """

    kind: ApprovalKind
    message: str
    choices: tuple[ApprovalChoice, ...]
    command: str = ""
    is_input: bool = False
    cwd: str = ""
    host: str = ""
    protocol: str = ""
    additional_permissions: Mapping[str, Any] | None = None
    reason: str = ""
    diff: str = ""
    changes: tuple[ProposedChange, ...] = ()
    grant_root: str = ""
    rule: tuple[str, ...] = ()
    server: str = ""
    tool: str = ""
    arguments: Any = None
    url: str = ""
    questions: tuple[Question, ...] = ()
    thread_id: str = ""
    item_id: str = ""

    @property
    def needed(self) -> frozenset[str]:
        """The ids of the questions that need an answer."""
        return frozenset(question.id for question in self.questions if question.required)


ApprovalHandler: TypeAlias = Callable[[ApprovalRequest], ApprovalDecision | Awaitable[ApprovalDecision]]
"""A plain or async function that returns the decision. A plain function runs in a worker thread, so it may block."""
