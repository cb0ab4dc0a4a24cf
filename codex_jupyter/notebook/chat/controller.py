"""The actions of a chat's page."""

import re
import uuid
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.images.attach import attach
from codex_jupyter.notebook.images.resize import thumbnail
from codex_jupyter.notebook.images.spec import ImageFinder
from codex_jupyter.notebook.render import plain
from codex_jupyter.sdk import InputError

if TYPE_CHECKING:
    from codex_jupyter.notebook.chat.widget import CodexChat

RECENT_PLOTS: Final = 12
OFFERS: Final = 8
"""Limit of mentions that are offered at once."""
STORED_THREADS: Final = 30
"""Limit of threads that are offered to be resumed."""
SETTINGS: Final = ("thread", "model", "sandbox", "effort")

_ACTIONS: Final[dict[str, Callable[["CodexChat", dict[str, Any], Sequence[Any]], object]]] = {
    "sync": lambda chat, action, buffers: chat.opened(),
    "send": lambda chat, action, buffers: _send(chat, str(action["text"])),
    "stop": lambda chat, action, buffers: chat.stop(),
    "steer": lambda chat, action, buffers: chat.steer(str(action["text"])),
    "answer": lambda chat, action, buffers: _answer(chat, action),
    "unqueue": lambda chat, action, buffers: chat.unqueue(str(action["item"]), attach=bool(action.get("edit"))),
    "next": lambda chat, action, buffers: chat.send_next(),
    "earlier": lambda chat, action, buffers: chat.thread_view.send_earlier(int(action["before"])),
    "choose": lambda chat, action, buffers: _choose(chat, str(action["trait"]), str(action["value"])),
    "thread": lambda chat, action, buffers: _thread(chat, str(action["how"]), str(action["name"])),
    "stored": lambda chat, action, buffers: _send_stored(chat),
    "plots": lambda chat, action, buffers: _send_plots(chat),
    "copy": lambda chat, action, buffers: chat.channel.send("copy", bundle=chat.copy()),
    "offers": lambda chat, action, buffers: chat.channel.send("offers", offers=_offers(chat, str(action["word"]))),
    "attach": lambda chat, action, buffers: _attach(chat, str(action["spec"])),
    "detach": lambda chat, action, buffers: _detach(chat, str(action["item"])),
    "upload": lambda chat, action, buffers: _upload(chat, action, buffers),
}


def act(chat: "CodexChat", action: dict[str, Any], buffers: Sequence[Any]) -> None:
    """Perform an action of the page.

    Args:
        chat: The chat.
        action: Its name as `do`, and its arguments.
        buffers: Binary data of the action.

    Raises:
        UsageError: If the action fails, or the author of the chat does not allow it. The page receives this error, and any other.
    """
    known = _ACTIONS.get(str(action.get("do")))
    if known is None:
        raise UsageError("This page belongs to another version of the chat. Run its cell again.")
    chat.bounds.check_action(action, chat.thread)
    known(chat, action, buffers)


def _send(chat: "CodexChat", text: str) -> None:
    # A prompt can consist of images only.
    chat.ask_for_page(text if text.strip() or not chat.uploads.attachments else "See the attached images.")


def _answer(chat: "CodexChat", action: dict[str, Any]) -> None:
    answers = action.get("answers")
    decision: Any = {str(name): str(value) for name, value in answers.items()} if isinstance(answers, dict) else str(action["choice"])
    chat.thread_view.answer(int(action["number"]), decision)


def _choose(chat: "CodexChat", trait: str, value: str) -> None:
    if trait not in SETTINGS:
        raise UsageError(f"There is no setting {trait}.")
    chat.choose(trait, value)


def _thread(chat: "CodexChat", how: str, name: str) -> None:
    session = chat.session
    if how == "resume":
        if not re.fullmatch(r"[0-9a-fA-F-]{32,36}", name):
            raise UsageError(f"{name or 'Nothing'} is not a thread id. Thread ids are UUIDs, see Thread.id.")
        conversation = chat.thread_view.conversation
        known = next((one.name for one in session.threads.conversations.values() if one.thread.id == name), None)
        known = known or next((one.name for one in session.threads.remembered.threads if one.id == name), None)
        if known is None:
            # A thread that has started keeps its name.
            fresh = conversation is None or (conversation.thread.id is None and chat.thread_view.running is None)
            known = chat.thread if fresh else _free(session.threads.names, "resumed")
            session.threads.adopt(known, name)
        chat.thread = known
        return
    if not name.isidentifier():
        raise UsageError(f"{name or 'Nothing'} is not a name. Use letters, digits and underscores, as in the name of a variable.")
    if name in session.threads.names:
        raise InputError(f"There is already a thread named {name}. Choose another name.")
    match how:
        case "new":
            session.threads.conversation(name)
            chat.thread = name
        case "fork":
            session.threads.fork(chat.thread, name)
            chat.thread = name
        case "rename":
            session.threads.rename(chat.thread, name)
            chat.thread = name
        case _:
            raise UsageError(f"A thread cannot be {how}.")


def _free(names: list[str], stem: str) -> str:
    """Return a name that no thread has."""
    return next(name for name in (stem, *(f"{stem}_{number}" for number in range(2, len(names) + 3))) if name not in names)


def _send_stored(chat: "CodexChat") -> None:
    stored = [
        {"id": one.id, "title": plain(one.title), "at": one.updated.timestamp(), "turns": one.turns}
        for one in chat.session.threads.stored_threads(STORED_THREADS)
    ]
    chat.channel.send("stored", threads=stored)


def _send_plots(chat: "CodexChat") -> None:
    found = []
    for picture in reversed(chat.session.display_log.newest(RECENT_PLOTS)):
        try:
            small = thumbnail(picture)
        except InputError:  # a chart whose library is not installed, say
            continue
        found.append({"spec": f"plot:{picture.number}", "url": small.url, "caption": plain(small.caption)})
    chat.channel.send("plots", plots=found)


def _finder(chat: "CodexChat") -> ImageFinder:
    return ImageFinder(chat.session.shell, chat.session.display_log)


def _offers(chat: "CodexChat", word: str) -> list[dict[str, str]]:
    """Return what can follow an @: images, and variables, whose value is sent by `{name}`."""
    if not chat.bounds.variables:
        return []
    shell, pictures = chat.session.shell, dict.fromkeys(_finder(chat).offers(), "picture")
    names = pictures | {
        name: type(value).__name__
        for name, value in list(shell.user_ns.items())
        if name not in pictures and not name.startswith("_") and name not in shell.user_ns_hidden and not _is_code(value)
    }
    found = [name for name in names if name.lower().startswith(word.lower())][:OFFERS]
    return [{"name": name, "text": f"@{name}" if name in pictures else f"{{{name}}}", "description": plain(names[name])} for name in found]


def _is_code(value: object) -> bool:
    return isinstance(value, type | ModuleType | FunctionType | BuiltinFunctionType | MethodType)


def _limits(chat: "CodexChat") -> dict[str, int]:
    return {"max_side": chat.session.settings.max_image_side, "max_bytes": chat.session.settings.max_image_bytes}


def _attach(chat: "CodexChat", spec: str) -> None:
    for attachment in attach(_finder(chat).find(spec), **_limits(chat)):
        chat.uploads.attachments[uuid.uuid4().hex] = attachment
    chat.send_meta()


def _detach(chat: "CodexChat", item: str) -> None:
    chat.uploads.attachments.pop(item, None)
    chat.send_meta()


def _upload(chat: "CodexChat", action: dict[str, Any], buffers: Sequence[Any]) -> None:
    if chat.uploads.add(str(action["item"]), str(action["name"]), bool(action["last"]), buffers, _limits(chat)):
        chat.send_meta()
