"""What the agent asks the user while a turn runs: may this command run, may this patch be applied, which of these is meant.

Only the transport `app-server` can ask. Without a handler, and when a handler fails, every request is declined.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from anyio import to_thread

from codex_jupyter.sdk.errors import InvalidDecisionError
from codex_jupyter.sdk.models.items import FileUpdateChange
from codex_jupyter.sdk.models.questions import Question, agent_questions, form_questions, values_of

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
_MODES: Final = ("form", "openai/form", "openaiForm", "url")
"""The kinds of elicitation that a plain yes answers. Others, such as `openai/userVerification`, want a proof that there is not."""


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
    method: str = field(default="", repr=False)

    @property
    def needed(self) -> frozenset[str]:
        """The ids of the questions that must have an answer."""
        return frozenset(question.id for question in self.questions if question.required)


ApprovalHandler: TypeAlias = Callable[[ApprovalRequest], ApprovalDecision | Awaitable[ApprovalDecision]]
"""Decides; a plain function runs on a thread of its own, so it may wait for the user."""


async def decide(
    handler: ApprovalHandler | None, request: ApprovalRequest, failed: Callable[[Exception], None] = lambda _: None
) -> ApprovalDecision:
    """Ask a handler.

    Args:
        handler: The handler; None declines.
        request: What is asked.
        failed: Called with the exception if the handler raises one, or if an answer does not fit its question.

    Returns:
        The decision, with answers as the values that they mean; `decline` if there is no handler, or it fails.

    Raises:
        InvalidDecisionError: If the handler returns something else than a decision on this request.
    """
    if handler is None:
        return "decline"
    try:
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
            decision: Any = await handler(request)  # type: ignore[misc]
        else:
            decision = await to_thread.run_sync(partial(handler, request), abandon_on_cancel=True)
            if inspect.isawaitable(decision):
                decision = await decision
        if isinstance(decision, Mapping) and request.questions and request.needed <= decision.keys():
            return values_of(request.questions, decision)
    except Exception as error:  # a bug in a handler is not consent, and the agent must get an answer
        failed(error)
        return "decline"
    if isinstance(decision, str) and decision in request.choices:
        return decision
    offered = ", ".join(map(repr, request.choices)) + (", or a mapping with all answers that are needed" if request.questions else "")
    raise InvalidDecisionError(
        f"The approval handler returned {decision!r}, which is not a decision on this request, so it was declined. Return one of {offered}."
    )


def request_of(
    method: str, params: Mapping[str, Any], item: Mapping[str, Any] | None = None, item_id: str | None = None
) -> ApprovalRequest | None:
    """The request that the server sends; None if it is none that a user can decide.

    Args:
        method: Its method, such as `item/commandExecution/requestApproval`.
        params: Its parameters.
        item: The item that it is about, if it is known: a patch is told there, not in the request.
        item_id: That item's id in the turn; None takes the server's own.
    """
    common: dict[str, Any] = {
        "thread_id": str(params.get("threadId") or ""),
        "item_id": str(params.get("itemId") or "") if item_id is None else item_id,
        "reason": str(params.get("reason") or ""),
        "method": method,
    }
    item = item or {}
    match method:
        case "item/commandExecution/requestApproval":
            return _command(params, item, common)
        case "item/fileChange/requestApproval":
            changes = [change for change in item.get("changes") or () if isinstance(change, dict)]
            files = file_changes(changes)
            return ApprovalRequest(
                kind="file_change",
                message=f"Apply this patch? {', '.join(file.path for file in files)}",
                choices=("accept", "accept_for_session", "decline", "cancel"),
                diff="\n".join(f"{one.get('path')}\n{one.get('diff')}" for one in changes),
                changes=files,
                grant_root=str(params.get("grantRoot") or ""),
                **common,
            )
        case "mcpServer/elicitation/request":
            return _elicitation(params, item, common)
        case "item/tool/requestUserInput":
            questions = agent_questions(params)
            return ApprovalRequest(kind="question", message="The agent asks.", choices=("decline", "cancel"), questions=questions, **common)
        case "item/permissions/requestApproval":
            return ApprovalRequest(
                kind="permissions",
                message="Grant more permissions?",
                choices=("accept", "accept_for_session", "decline", "cancel"),
                cwd=str(params.get("cwd") or ""),
                arguments={name: value for name, value in (params.get("permissions") or {}).items() if value is not None},
                **common,
            )
    return None


def refusal(method: str) -> dict[str, Any]:
    """The answer to a request of the server that nobody answers, as fields of a JSON-RPC message: no; an error to one that is not known."""
    if method in ("applyPatchApproval", "execCommandApproval"):
        return {"result": {"decision": "denied"}}
    if method == "item/tool/call":
        return {"result": {"contentItems": [{"type": "inputText", "text": "This tool is not there."}], "success": False}}
    request = request_of(method, {})
    if request is not None:
        return {"result": reply_to(request, "decline")}
    return {"error": {"code": -32601, "message": f"{method} is not known here."}}


def file_changes(changes: Iterable[Mapping[str, Any]]) -> tuple[ProposedChange, ...]:
    """The files of a patch, from the server's form, which has the kind as an object."""
    kinds = ((change.get("path"), kind if isinstance(kind := change.get("kind"), Mapping) else {"type": kind}) for change in changes)
    return tuple(ProposedChange(path=str(path), kind=str(kind.get("type")), move_path=kind.get("move_path")) for path, kind in kinds)


def reply_to(request: ApprovalRequest, decision: ApprovalDecision) -> dict[str, Any]:
    """What the server is told."""
    answers = decision if isinstance(decision, Mapping) else None
    match request.kind:
        case "command" | "file_change":
            if decision == "accept_always" and request.host:
                amendment = {"host": request.host, "action": "allow"}
                return {"decision": {"applyNetworkPolicyAmendment": {"network_policy_amendment": amendment}}}
            if decision == "accept_always":
                return {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": list(request.rule)}}}
            words = {"accept": "accept", "accept_for_session": "acceptForSession", "cancel": "cancel"}
            return {"decision": words.get(str(decision), "decline")}
        case "tool" | "form":
            if answers is None and decision not in ("accept", "accept_for_session", "accept_always"):
                return {"action": "cancel" if decision == "cancel" else "decline", "content": None}
            persist = {"accept_for_session": "session", "accept_always": "always"}.get(str(decision))
            return {"action": "accept", "content": dict(answers or {}), **({"_meta": {"persist": persist}} if persist else {})}
        case "question":
            return {"answers": {name: {"answers": [str(answer)]} for name, answer in (answers or {}).items()}}
    granted = decision in ("accept", "accept_for_session")
    return {"permissions": request.arguments if granted else {}, "scope": "session" if decision == "accept_for_session" else "turn"}


def _command(params: Mapping[str, Any], item: Mapping[str, Any], common: Mapping[str, Any]) -> ApprovalRequest:
    """A request to run a command, to type into it, or to let it reach a host."""
    command = str(params.get("command") or item.get("command") or "")
    network = params.get("networkApprovalContext")
    host, protocol = (str(network.get("host")), str(network.get("protocol"))) if isinstance(network, Mapping) else ("", "")
    is_input = params.get("kind") == "writeStdin"
    verb = f"Let this command reach {host} by {protocol}?" if host else "Type into this command?" if is_input else "Run this command?"
    choices, rule = _command_choices(params, host)
    permissions = params.get("additionalPermissions")
    return ApprovalRequest(
        kind="command",
        message=f"{verb} {command}",
        choices=choices,
        command=command,
        is_input=is_input,
        cwd=str(params.get("cwd") or ""),
        host=host,
        protocol=protocol,
        additional_permissions=permissions if isinstance(permissions, Mapping) and permissions else None,
        rule=rule,
        **common,
    )


def _command_choices(params: Mapping[str, Any], host: str) -> tuple[tuple[ApprovalChoice, ...], tuple[str, ...]]:
    """What can be decided about a command, and the words that `accept_always` allows.

    The server lists what a client may offer. For a plain command it leaves out `acceptForSession`, though it obeys it: where it offers to
    allow all commands that begin alike, to allow this one again is less, so it is offered too. A no is always possible.
    """
    offered = params.get("availableDecisions")
    if not isinstance(offered, list):  # an older CLI
        offered = ["accept", "acceptForSession"]
        if proposed := params.get("proposedExecpolicyAmendment"):
            offered.append({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": proposed}})
    rule: tuple[str, ...] = ()
    allows_host = False
    for one in offered:
        match one:
            case {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": [*words]}} if words and not host:
                rule = tuple(map(str, words))
            case {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": named, "action": "allow"}}} if (
                host and named == host
            ):
                allows_host = True
    choices: list[ApprovalChoice] = ["accept"] if "accept" in offered else []
    choices += ["accept_for_session"] if "acceptForSession" in offered or rule else []
    choices += ["accept_always"] if rule or allows_host else []
    return (*choices, "decline", "cancel"), rule


def _elicitation(params: Mapping[str, Any], item: Mapping[str, Any], common: dict[str, Any]) -> ApprovalRequest:
    meta = params.get("_meta") or {}
    server, message = str(params.get("serverName") or ""), str(params.get("message") or "")
    if meta.get("codex_approval_kind") == "mcp_tool_call":
        persist = meta.get("persist") or ()
        offered: list[ApprovalChoice] = ["accept"]
        offered += ["accept_for_session"] if "session" in persist else []
        offered += ["accept_always"] if "always" in persist else []
        return ApprovalRequest(
            kind="tool",
            message=message,
            choices=(*offered, "decline", "cancel"),
            server=server,
            tool=str(meta.get("tool_name") or item.get("tool") or ""),
            arguments=meta.get("tool_params", item.get("arguments")),
            **common,
        )
    schema = params.get("requestedSchema")
    questions = form_questions(schema) if isinstance(schema, Mapping) else ()
    known = not questions and params.get("mode", "form") in _MODES
    choices: tuple[ApprovalChoice, ...] = ("accept", "decline", "cancel") if known else ("decline", "cancel")
    url = str(params.get("url") or "")
    return ApprovalRequest(kind="form", message=message, choices=choices, server=server, url=url, questions=questions, **common)
