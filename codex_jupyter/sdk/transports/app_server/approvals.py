"""Approvals on the wire of the app-server: read its requests, ask the handler, and write the replies."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from codex_jupyter.sdk.errors import InvalidDecisionError
from codex_jupyter.sdk.models.approvals import ApprovalChoice, ApprovalDecision, ApprovalHandler, ApprovalRequest, ProposedChange
from codex_jupyter.sdk.models.questions import Question, QuestionType, parse_answers
from codex_jupyter.sdk.user_functions import RaisedInThread, call_plain, ends_the_task, is_async

_MODES: Final = ("form", "openai/form", "openaiForm", "url")
"""Kinds of elicitation that accept a plain yes. Others, such as `openai/userVerification`, need a proof that a client cannot give."""


async def decide(
    handler: ApprovalHandler | None, request: ApprovalRequest, failed: Callable[[BaseException], None] = lambda _: None
) -> ApprovalDecision:
    """Call a handler and return its decision.

    Args:
        handler: The handler. None declines.
        request: The request.
        failed: Called with the exception if the handler raises, or if an answer does not match its question.

    Returns:
        The decision, with typed answers as values; `decline` if there is no handler, or it fails.

    Raises:
        InvalidDecisionError: If the handler returns something that is not a decision on this request.
    """
    if handler is None:
        return "decline"
    try:
        if is_async(handler):
            decision: Any = await handler(request)  # type: ignore[misc]
        else:
            decision = await call_plain(partial(handler, request))
            if inspect.isawaitable(decision):
                decision = await decision
        if isinstance(decision, Mapping) and request.questions and request.needed <= decision.keys():
            return parse_answers(request.questions, decision)
    except BaseException as raised:  # an error in a handler is not consent, and the agent must get an answer
        if ends_the_task(raised):
            raise
        failed(raised.error if isinstance(raised, RaisedInThread) else raised)
        return "decline"
    if isinstance(decision, str) and decision in request.choices:
        return decision
    offered = ", ".join(map(repr, request.choices)) + (", or a mapping with all required answers" if request.questions else "")
    raise InvalidDecisionError(
        f"The approval handler returned {decision!r}, which is not a decision on this request, so it was declined. Return one of {offered}."
    )


def request_of(
    method: str, params: Mapping[str, Any], item: Mapping[str, Any] | None = None, item_id: str | None = None
) -> ApprovalRequest | None:
    """Return the approval request in a request of the server; None if a user cannot decide it.

    Args:
        method: The method, such as `item/commandExecution/requestApproval`.
        params: Its parameters.
        item: The item of the request, if it is known. It contains the patch, which the request does not.
        item_id: The id of the item in the turn. None uses the server's id.
    """
    common: dict[str, Any] = {
        "thread_id": str(params.get("threadId") or ""),
        "item_id": str(params.get("itemId") or "") if item_id is None else item_id,
        "reason": str(params.get("reason") or ""),
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
                diff="\n".join(f"{change.get('path')}\n{change.get('diff')}" for change in changes),
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
    """Return the fields of a JSON-RPC reply that declines a request. An unknown method gets an error."""
    if method in ("applyPatchApproval", "execCommandApproval"):
        return {"result": {"decision": "denied"}}
    if method == "item/tool/call":
        return {"result": {"contentItems": [{"type": "inputText", "text": "This tool does not exist."}], "success": False}}
    request = request_of(method, {})
    if request is not None:
        return {"result": reply_to(request, "decline")}
    return {"error": {"code": -32601, "message": f"{method} is not supported."}}


def file_changes(changes: Iterable[Mapping[str, Any]]) -> tuple[ProposedChange, ...]:
    """Return the files of a patch from the server's form, where the kind is an object."""
    kinds = ((change.get("path"), kind if isinstance(kind := change.get("kind"), Mapping) else {"type": kind}) for change in changes)
    return tuple(ProposedChange(path=str(path), kind=str(kind.get("type")), move_path=kind.get("move_path")) for path, kind in kinds)


def reply_to(request: ApprovalRequest, decision: ApprovalDecision) -> dict[str, Any]:
    """Return the result of the JSON-RPC reply for a decision."""
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
    """Return a request to run a command, to type into it, or to let it reach a host."""
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
    """Return the choices for a command, and the first words of the commands that `accept_always` allows.

    The server lists the decisions that it accepts. For a plain command it leaves out `acceptForSession`, but accepts it. If the server
    offers to allow all commands with the same first words, `accept_for_session` allows less, so it is offered, too. Declining is always
    possible.
    """
    offered = params.get("availableDecisions")
    if not isinstance(offered, list):  # an older CLI
        offered = ["accept", "acceptForSession"]
        if proposed := params.get("proposedExecpolicyAmendment"):
            offered.append({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": proposed}})
    rule: tuple[str, ...] = ()
    allows_host = False
    for decision in offered:
        match decision:
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
    is_confirmation = not questions and params.get("mode", "form") in _MODES
    choices: tuple[ApprovalChoice, ...] = ("accept", "decline", "cancel") if is_confirmation else ("decline", "cancel")
    url = str(params.get("url") or "")
    return ApprovalRequest(kind="form", message=message, choices=choices, server=server, url=url, questions=questions, **common)


def agent_questions(params: Mapping[str, Any]) -> tuple[Question, ...]:
    """Return the questions of the agent's tool `request_user_input`."""
    questions = []
    for question in params.get("questions") or ():
        options = [option for option in question.get("options") or () if isinstance(option, Mapping)]
        questions.append(
            Question(
                id=str(question.get("id")),
                text=str(question.get("question") or ""),
                options=tuple(str(option.get("label")) for option in options),
                option_descriptions=tuple(str(option.get("description") or "") for option in options),
                secret=bool(question.get("isSecret")),
            )
        )
    return tuple(questions)


def form_questions(schema: Mapping[str, Any]) -> tuple[Question, ...]:
    """Return the fields of a form from its JSON Schema: texts, numbers, booleans, and one or several of a list."""
    properties, required = schema.get("properties") or {}, schema.get("required") or ()
    return tuple(_field(str(name), form if isinstance(form, Mapping) else {}, name in required) for name, form in properties.items())


def _field(name: str, form: Mapping[str, Any], required: bool) -> Question:
    title, description = str(form.get("title") or name), str(form.get("description") or "")
    source: Any = form.get("items") if form.get("type") == "array" else form
    source = source if isinstance(source, Mapping) else {}
    titled = [option for option in source.get("oneOf") or source.get("anyOf") or () if isinstance(option, Mapping)]
    values = tuple(str(option.get("const")) for option in titled) or tuple(map(str, source.get("enum") or ()))
    names = tuple(str(option.get("title") or option.get("const")) for option in titled) or tuple(map(str, source.get("enumNames") or ()))
    options = names if len(names) == len(values) else values
    types: tuple[QuestionType, ...] = ("integer", "number", "boolean", "array")
    return Question(
        id=name,
        text=f"{title}: {description}" if description else title,
        options=("true", "false") if form.get("type") == "boolean" else options,
        option_values=values if options != values else (),
        type=next((kind for kind in types if kind == form.get("type")), "string"),
        required=required,
        default=_typed(form.get("default"), dict(zip(values, options, strict=True))),
    )


def _typed(default: Any, names: Mapping[str, str]) -> str:
    """Return a default value as a user would type it."""
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ", ".join(names.get(str(value), str(value)) for value in default)
    return names.get(str(default), str(default))
