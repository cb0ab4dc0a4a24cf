"""What the agent asks the user while a turn runs: may this command run, may this patch be applied, which of these is meant.

Only the transport `app-server` can ask. Without a handler, and when a handler fails, every request is declined.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from codex_jupyter.sdk.models.items import FileUpdateChange
from codex_jupyter.sdk.models.questions import Question

ApprovalKind: TypeAlias = Literal["command", "file_change", "tool", "question", "form", "permissions"]
ApprovalChoice: TypeAlias = Literal["accept", "accept_for_session", "accept_always", "decline", "cancel"]
"""`accept` once; `accept_for_session`: this is not asked again until the session ends; `accept_always`: for good, which is written into the
user's CODEX_HOME (of a tool, if its server stands in config.toml); `decline`: the agent is told no and goes on; `cancel`: no, and the turn
is stopped."""
ApprovalDecision: TypeAlias = ApprovalChoice | Mapping[str, Any]
"""A choice; or, for a `question` or a `form`, the answers by the id of the question or the name of the field: as values, or as typed."""

MEANINGS: Final[Mapping[ApprovalChoice, str]] = {
    "accept": "yes, this once",
    "accept_for_session": "yes, and do not ask again for the same in this session",
    "accept_always": "yes, and never ask again: kept in your CODEX_HOME, a command in rules/default.rules, a tool in config.toml",
    "decline": "no; the agent is told so and goes on",
    "cancel": "no, and stop the turn",
}
"""What each choice means, for display."""


class ProposedChange(FileUpdateChange):
    """One file of a patch that needs the user's word."""

    move_path: str | None = None
    """The new path of a file that is moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """Something that needs the user's word.

    All texts come from the agent or a tool, so they can hold control characters and imitate other texts. Show them through
    `codex_jupyter._visible_text.reveal`, and mark where they begin and end.

    Attributes:
        kind: What it is about.
        message: The request in a line.
        choices: What can be decided, the harmless ones last.
        command: The command line, of a `command`.
        is_input: Whether the command runs already, and the agent wants to type into it.
        cwd: The folder that the command runs in.
        host: The host that the command wants to reach; empty if the request is not about the network.
        protocol: The protocol for it, such as `https`.
        additional_permissions: What the command may do beyond its sandbox if it is accepted: `network` and `fileSystem`; None if nothing.
        reason: Why the agent wants it; empty if it does not say.
        diff: What a `file_change` does, as far as it is known.
        changes: Its files.
        grant_root: A folder below which the agent may write for the rest of the session if a `file_change` is accepted; empty if none.
        rule: The first words of the commands that `accept_always` allows for good. If a host was asked about, that host is allowed instead.
        server: The MCP server, of a `tool` or a `form`.
        tool: The tool that is called.
        arguments: Its arguments; or the `permissions` that are wanted.
        url: The page that an MCP server wants the user to visit.
        questions: What is asked, of a `question` or a `form`.
        thread_id: The thread whose turn waits.
        item_id: The id of the item in the turn that it is about; empty if it is about none.
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
        """The ids of the questions that must have an answer."""
        return frozenset(question.id for question in self.questions if question.required)


ApprovalHandler: TypeAlias = Callable[[ApprovalRequest], ApprovalDecision | Awaitable[ApprovalDecision]]
"""Decides; a plain function runs on a thread of its own, so it may wait for the user."""
