"""The chat: what it holds, what it tells the page, and what the page may ask of it.

Turns run as `%codex --bg` runs them, so the kernel stays free, and cells and chats share their threads. The page is told of changes by
numbered messages, at most every `INTERVAL` seconds; when it misses one, it asks for the state anew. It may ask for something only by
quoting a secret that it was told over the live connection: what is stored in a notebook can never start a turn.
"""

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import anywidget
from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.display import display
from traitlets import Bool, Enum, TraitError, Unicode, observe

from codex_jupyter.notebook.bridge import RunningTurn
from codex_jupyter.notebook.chat.control import Controlled, control
from codex_jupyter.notebook.chat.transcript import TurnView, finished_turn, question, saved_bundle
from codex_jupyter.notebook.chat.uploads import Uploads
from codex_jupyter.notebook.conversation import MAIN, Conversation
from codex_jupyter.notebook.export import ExportedTurn
from codex_jupyter.notebook.hints import EFFORTS, models
from codex_jupyter.notebook.images.attach import attach
from codex_jupyter.notebook.images.fit import thumbnail
from codex_jupyter.notebook.images.spec import PictureFinder
from codex_jupyter.notebook.magics import SANDBOX_MODES, CodexMagics, load
from codex_jupyter.notebook.render import plain
from codex_jupyter.sdk import ApprovalRequest, CodexError, InputError, ThreadBusyError, Turn
from codex_jupyter.sdk.transports.exec import ExecTransport

INTERVAL: Final = 0.1
"""Seconds between two messages about a running turn."""
PAGE_TURNS: Final = 20
"""Turns that the page gets at once; earlier ones when it asks for them."""
RECENT_PLOTS: Final = 12

_FOLDER: Final = Path(__file__).parent


class CodexChat(anywidget.AnyWidget, Controlled):
    """A chat with the Codex agent, in a cell or inside other widgets.

    Args:
        thread: The name of its thread: `main` is the notebook's own, which the `%%codex` cells use, too.
        model: The model; empty leaves it to `%config CodexMagics` and Codex.
        sandbox: The sandbox mode; the same.
        effort: How hard the model thinks; the same.

    Raises:
        UsageError: If it is made outside of IPython.
        TraitError: If a sandbox mode is unknown.
    """

    _esm = _FOLDER / "chat.js"
    _css = _FOLDER / "chat.css"

    thread = Unicode(MAIN, help="The name of the thread.")
    model = Unicode("", help="The model of the turns to come; empty is the notebook's setting.")
    sandbox = Enum(("", *SANDBOX_MODES), default_value="", help="Their sandbox mode; the same.")
    effort = Unicode("", help="Their effort; the same.")
    running = Bool(False, read_only=True, help="Whether a turn of the thread runs.")
    draft = Unicode("", help="What is written and not sent yet.").tag(sync=True)

    def __init__(self, thread: str = MAIN, *, model: str = "", sandbox: str = "", effort: str = "", **kwargs: Any) -> None:
        self._shell: Any = get_ipython()
        if self._shell is None:
            raise UsageError("A chat needs a notebook.")
        load(self._shell)
        self._magics: CodexMagics = self._shell.magics_manager.registry["CodexMagics"]
        self._lock = threading.RLock()
        self._secret = secrets.token_urlsafe(16)
        self._sequence = self._copies = 0
        self._view: tuple[RunningTurn, int, TurnView] | None = None
        self._queue: list[tuple[str, str]] = []
        self._uploads = Uploads()
        self._saved_id = f"codex-chat-{uuid.uuid4().hex}"
        self._models: list[str] | None = None
        self._asked: ApprovalRequest | None = None
        self._displayed = self._ready = False
        super().__init__(thread=thread, model=model, sandbox=sandbox, effort=effort, **kwargs)
        control(self._shell, self.model_id, self)
        self.on_msg(lambda _, action, buffers: self.act(action, buffers))
        self._session.observers.append(self._changed)
        self._go_on_with_earlier_thread()
        self._ready = True
        self._changed(self.thread)

    # What Python uses.

    def send(self, text: str) -> RunningTurn | None:
        """Ask something. Returns at once; the turn goes on in the background.

        Args:
            text: The prompt; `@plot` and `{expressions}` mean what they mean in a cell.

        Returns:
            The turn; None if one runs already, and this one is queued behind it.

        Raises:
            InputError: If it is empty.
            CodexError: If it cannot be sent.
        """
        if not text.strip():
            raise InputError("The prompt is empty.")
        with self._lock:
            if self._conversation_runs():
                self._queue.append((uuid.uuid4().hex, text))
                self._tell_meta()
                return None
            return self._begin(text)

    @property
    def turns(self) -> list[Turn]:
        """The turns of the thread, oldest first, the running one at last."""
        history, view = self._history(), self._view
        running = [view[2].turn] if view is not None and view[1] >= len(history) else []
        return [*(past.turn for past in history), *running]

    def stop(self) -> bool:
        """Stop the turn that runs; what is queued stays queued. Returns at once; whether there was one."""
        conversation = self._conversation
        if conversation is None or conversation.running is None or conversation.running.finished:
            return False
        conversation.running.stop("The turn was stopped.")
        return True

    def close(self) -> None:
        """Let go of the thread and the view; a turn that runs goes on."""
        if self._changed in self._session.observers:
            self._session.observers.remove(self._changed)
        super().close()

    def _ipython_display_(self) -> None:
        """Show the chat, and below it what the saved notebook keeps of it, which the live chat hides."""
        bundle: Any = self._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        display({**data, "text/plain": repr(self)}, raw=True)
        display(self._copy(), raw=True, display_id=self._saved_id)
        self._displayed = True

    def __repr__(self) -> str:
        return f"CodexChat(thread={self.thread!r})"

    # What the page asks for.

    def act(self, action: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Do what the page asks for; from any thread. It is told how that went."""
        name = str(action.get("do"))
        if name == "sync":
            self._tell_state()
            return
        if not secrets.compare_digest(str(action.get("secret")), self._secret):
            return
        error = ""
        try:
            with self._lock:
                self._actions[name](action, buffers)
        except (CodexError, UsageError, TraitError) as reason:
            error = plain(str(reason))
        except KeyError:
            error = "This chat is of another version; run its cell again."
        self.send_message({"type": "done", "id": action.get("id"), "error": error})

    @property
    def _actions(self) -> dict[str, Callable[[dict[str, Any], Sequence[Any]], Any]]:
        return {
            "send": lambda action, _: self._take(str(action["text"])),
            "stop": lambda action, _: self.stop(),
            "steer": lambda action, _: self._session.steer(str(action["text"]), self.thread),
            "answer": lambda action, _: self._answer(action),
            "unqueue": lambda action, _: self._unqueue(str(action["item"])),
            "next": lambda action, _: self._next(),
            "earlier": lambda action, _: self._tell_earlier(int(action["before"])),
            "choose": lambda action, _: self._choose(str(action["trait"]), str(action["value"])),
            "thread": lambda action, _: self._manage(str(action["how"]), str(action["name"])),
            "plots": lambda action, _: self._tell_plots(),
            "copy": lambda action, _: self.send_message({"type": "copy", "bundle": self._copy()}),
            "offers": lambda action, _: self._tell_offers(),
            "attach": lambda action, _: self._attach(str(action["spec"])),
            "detach": lambda action, _: self._detach(str(action["item"])),
            "upload": lambda action, buffers: self._upload(action, buffers),
        }

    def _take(self, text: str) -> None:
        # A prompt of pictures alone is one, too.
        self.send(text if text.strip() or not self._uploads.attachments else "See the attached pictures.")

    def _answer(self, action: dict[str, Any]) -> None:
        running = self._view[0] if self._view is not None else None
        request = running.question if running is not None else None
        if running is None or request is None or action["item"] != request.item_id:
            raise InputError("This is not asked any more.")
        running.answer(request, action["answers"] if isinstance(action.get("answers"), dict) else str(action["choice"]))  # type: ignore[arg-type]  # a choice that is none is a no
        self._tell_question(running)

    def _unqueue(self, item: str) -> None:
        self._queue = [one for one in self._queue if one[0] != item]
        self._tell_meta()

    def _choose(self, trait: str, value: str) -> None:
        if trait not in ("model", "sandbox", "effort", "thread"):
            raise UsageError(f"There is no setting {trait}.")
        setattr(self, trait, value)

    def _manage(self, how: str, name: str) -> None:
        session = self._session
        if how != "resume" and not name.isidentifier():
            raise UsageError(f"{name or 'Nothing'} is no name: letters, digits and underscores, as variables have them.")
        match how:
            case "new":
                session.new_thread(name)
                self.thread = name
            case "fork":
                session.fork(self.thread, name)
                self.thread = name
            case "rename":
                session.rename(self.thread, name)
                self.thread = name
            case "resume":
                from codex_jupyter.notebook.commands import resume

                resume(self._magics, name or "last", name=self.thread, show=False)

    def _upload(self, action: dict[str, Any], buffers: Sequence[Any]) -> None:
        if self._uploads.add(str(action["item"]), str(action["name"]), bool(action["last"]), buffers, self._limits):
            self._tell_meta()

    def _attach(self, spec: str) -> None:
        for attachment in attach(PictureFinder(self._shell, self._magics.pictures).find(spec), **self._limits):
            self._uploads.attachments[uuid.uuid4().hex] = attachment
        self._tell_meta()

    def _detach(self, item: str) -> None:
        self._uploads.attachments.pop(item, None)
        self._tell_meta()

    @property
    def _limits(self) -> dict[str, int]:
        return {"max_side": self._magics.max_image_side, "max_bytes": self._magics.max_image_bytes}

    # What the page is told.

    def send_message(self, content: dict[str, Any]) -> None:
        """Tell all views something, under the next number."""
        with self._lock:
            self._sequence += 1
            super().send({**content, "sequence": self._sequence})

    def _tell_state(self) -> None:
        with self._lock:
            history = self._history()
            start = max(0, len(history) - PAGE_TURNS)
            turns = [finished_turn(self._turn_id(number), past) for number, past in enumerate(history[start:], start)]
            if self._view is not None and self._view[1] >= len(history):
                view = self._view[2]
                turns.append({"id": view.id, "prompt": plain(view.prompt), "at": view.at, "status": "in_progress", "blocks": view.blocks()})
            self.send_message({"type": "state", "secret": self._secret, "saved": self._saved_id, "start": start, "turns": turns})
            self._tell_meta()
            self._tell_question(self._view[0] if self._view is not None else None)
        if self._models is None:
            self._models = []
            threading.Thread(target=self._find_models, daemon=True, name="codex-models").start()

    def _tell_earlier(self, before: int) -> None:
        start = max(0, before - PAGE_TURNS)
        turns = [finished_turn(self._turn_id(number), past) for number, past in enumerate(self._history()[start:before], start)]
        self.send_message({"type": "earlier", "start": start, "turns": turns})

    def _tell_meta(self) -> None:
        """Tell what stands around the conversation."""
        session = self._session
        names = {self.thread, *session.conversations, *(one.name for one in session.remembered.threads)}
        thread_id = self._conversation.thread.id if self._conversation is not None else None
        content = {
            "thread": self.thread,
            "thread_id": thread_id or "",
            "threads": sorted(names),
            "running": self.running,
            "settings": {name: getattr(self, name) or getattr(self._magics, name) for name in ("model", "sandbox", "effort")},
            "choices": {"model": self._models or [], "sandbox": list(SANDBOX_MODES), "effort": list(EFFORTS)},
            "queue": [{"item": item, "text": plain(text)} for item, text in self._queue],
            "attached": self._uploads.thumbnails,
            "demo": session.demo is not None,
            "steers": not isinstance(session.codex.transport, ExecTransport),
            "id": self.model_id,
        }
        self.send_message({"type": "meta", **content})

    def _tell_question(self, running: RunningTurn | None) -> None:
        """Tell what the agent asks, or that it asks nothing."""
        request = running.question if running is not None else None
        self._asked = request
        self.send_message({"type": "question", "question": None if request is None else question(request)})

    def _tell_plots(self) -> None:
        found = []
        for picture in reversed(self._magics.pictures.newest(RECENT_PLOTS)):
            try:
                small = thumbnail(picture)
            except InputError:  # a chart whose library is not installed, say
                continue
            found.append({"spec": f"plot:{picture.number}", "url": small.url, "caption": plain(small.caption)})
        self.send_message({"type": "plots", "plots": found})

    def _tell_offers(self) -> None:
        self.send_message({"type": "offers", "offers": PictureFinder(self._shell, self._magics.pictures).offers()})

    def _find_models(self) -> None:
        try:
            self._models = models(self._session.cli.path)
        except CodexError:
            return
        self._tell_meta()

    # What happens to the thread, whoever does it.

    @property
    def _session(self) -> Any:
        return self._magics.session

    @property
    def _conversation(self) -> Conversation | None:
        found: Conversation | None = self._session.conversations.get(self.thread)
        return found

    def _history(self) -> list[ExportedTurn]:
        conversation = self._conversation
        return [] if conversation is None else [*conversation.past, *conversation.turns]

    def _turn_id(self, number: int) -> str:
        return f"{self._conversation.key if self._conversation is not None else ''}:{number}"

    def _conversation_runs(self) -> bool:
        conversation = self._conversation
        return conversation is not None and conversation.running is not None and not conversation.running.finished

    def _begin(self, text: str) -> RunningTurn:
        options = self._magics.codex.parser.parse_args([])
        options.thread, options.bg = self.thread, True
        options.model, options.sandbox, options.effort = self.model or None, self.sandbox or None, self.effort or None
        attached = tuple(self._uploads.attachments.values())
        started: Any = self._magics.ask(text, options, show="nothing", attached=attached)
        self._uploads.attachments.clear()
        self._tell_meta()
        running: RunningTurn = started
        return running

    def _changed(self, name: str) -> None:
        """Follow what happened to a thread."""
        if name != self.thread:
            return
        with self._lock:
            conversation = self._conversation
            running = conversation.running if conversation is not None and self._conversation_runs() else None
            self.set_trait("running", running is not None)
            if running is not None and conversation is not None:
                if self._view is None or self._view[0] is not running:
                    number = len(conversation.past) + len(conversation.turns)
                    running.answered_elsewhere = True
                    view = TurnView(self._turn_id(number), conversation.info.prompt, conversation.info, time.time())
                    self._view = (running, number, view)
                    self.send_message({"type": "turn", "id": view.id, "prompt": plain(view.prompt), "at": view.at})
                    threading.Thread(target=self._follow, args=(running, view), daemon=True, name="codex-chat").start()
                self._tell_meta()
                return
            ended, self._view = self._view, None
            if ended is not None:
                self._tell_end(*ended)
            else:
                self._tell_state()
        if ended is not None:
            self._save()
            if self._queue and ended[0].turn.status == "completed":
                threading.Thread(target=self._next, daemon=True, name="codex-chat-next").start()

    def _follow(self, running: RunningTurn, view: TurnView) -> None:
        """Tell what a running turn does, until it has ended."""
        for turn in running.updates():
            with self._lock:
                if self._view is None or self._view[0] is not running:
                    return
                changes = view.changes(turn)
                if changes:
                    self.send_message({"type": "blocks", "turn": view.id, "blocks": changes})
                # In the foreground, the cell itself asks.
                if running.question is not self._asked and self._conversation is not None and self._conversation.follower is not None:
                    self._tell_question(running)
            time.sleep(INTERVAL)

    def _tell_end(self, running: RunningTurn, number: int, view: TurnView) -> None:
        history = self._history()
        info = history[number].info if number < len(history) else view.info
        changes = view.changes(running.turn, info)
        self.send_message({"type": "blocks", "turn": view.id, "blocks": changes})
        self._copies += 1
        self.send_message({"type": "end", "turn": view.id, "status": running.turn.status, "copy": self._copies})
        self._tell_question(None)
        self._tell_meta()

    def _next(self) -> None:
        """Send what waits first, if nothing runs."""
        with self._lock:
            if not self._queue or self._conversation_runs():
                return
            _, text = self._queue.pop(0)
            try:
                self._begin(text)
            except (CodexError, UsageError) as error:
                self._queue.insert(0, (uuid.uuid4().hex, text))
                self.send_message({"type": "done", "id": None, "error": plain(str(error))})
                self._tell_meta()

    def _save(self) -> None:
        """Bring what the saved notebook keeps up to date."""
        if self._displayed:
            display(self._copy(), raw=True, display_id=self._saved_id, update=True)

    def _copy(self) -> dict[str, Any]:
        """The conversation for the saved notebook."""
        return saved_bundle(self._history(), self._saved_id, copy=self._copies)

    def _go_on_with_earlier_thread(self) -> None:
        """Resume what an earlier kernel left: a chat shows what was said, so that nobody goes on with it unawares."""
        if self._conversation is None or self._conversation.thread.id is None:
            record = next((one for one in self._session.remembered.threads if one.name == self.thread), None)
            if record is not None:
                try:
                    self._session.adopt(self.thread, record.id, record)
                except (CodexError, ThreadBusyError):
                    return

    @observe("thread", "model", "sandbox", "effort")
    def _chosen(self, change: Any) -> None:
        if not self._ready:
            return
        if change["name"] == "thread":
            self._view, self._queue = None, []
            self._go_on_with_earlier_thread()
            self._changed(self.thread)
            self._save()
        else:
            self._tell_meta()


def chat(thread: str = MAIN, *, model: str = "", sandbox: str = "", effort: str = "") -> CodexChat:
    """Open a chat; as the last value of a cell, it is shown there.

    Args:
        thread: The name of its thread: `main` is the notebook's own, which the `%%codex` cells use, too.
        model: The model; empty leaves it to `%config CodexMagics` and Codex.
        sandbox: The sandbox mode: `read-only`, `workspace-write` or `danger-full-access`; the same.
        effort: How hard the model thinks; the same.

    Raises:
        UsageError: If it is made outside of IPython.
        TraitError: If a sandbox mode is unknown.
    """
    return CodexChat(thread, model=model, sandbox=sandbox, effort=effort)
