"""The chat as a widget: what Python sees of it, what it holds, and how it is shown.

Turns run as `%codex --bg` runs them, so the kernel stays free, and cells and chats share their threads.
"""

import dataclasses
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args
from weakref import WeakValueDictionary

import anywidget
from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.display import display
from traitlets import Bool, Enum, Unicode, observe

from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.chat.channel import Channel, bypass_post_execute
from codex_jupyter.notebook.chat.controller import act
from codex_jupyter.notebook.chat.javascript import join_modules
from codex_jupyter.notebook.chat.saved_output import SavedCopy
from codex_jupyter.notebook.chat.thread_view import ThreadView
from codex_jupyter.notebook.chat.uploads import Uploads, thumbnails
from codex_jupyter.notebook.render import plain
from codex_jupyter.notebook.session.conversation import MAIN, Conversation
from codex_jupyter.notebook.session.current import current_session
from codex_jupyter.notebook.session.model_catalogue import EFFORTS, Model, catalogue
from codex_jupyter.notebook.session.request import PromptOverrides, PromptRequest
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import CodexError, InputError, Turn
from codex_jupyter.sdk.models.options import SandboxMode

if TYPE_CHECKING:
    from codex_jupyter.notebook.images.resize import Attachment
    from codex_jupyter.notebook.session.session import NotebookSession

SANDBOX_MODES: Final[tuple[str, ...]] = get_args(SandboxMode)
APPROVALS: Final = ("never", "on-request", "on-failure")
_FOLDER: Final = Path(__file__).parent
_in_cells: "WeakValueDictionary[str, CodexChat]" = WeakValueDictionary()
"""The chat that each cell showed last, by the cell's id: when the cell runs again, it makes place for the next."""


@dataclass(slots=True)
class Queued:
    """A prompt that waits, and the pictures that go along with it."""

    text: str
    attachments: "dict[str, Attachment]"
    variables: bool = True
    """If `{name}` and `@name` stand for variables."""
    item: str = field(default_factory=lambda: uuid.uuid4().hex)


class CodexChat(anywidget.AnyWidget):
    """A chat with the Codex agent, in a cell or inside other widgets.

    Args:
        thread: The name of its thread: `main` is the notebook's own, which the `%%codex` cells use, too.
        model: The model; empty leaves it to `%config CodexMagics` and Codex.
        sandbox: The sandbox mode; the same.
        effort: How hard the model thinks; the same.
        approval: When the agent asks; the same, but `never` if the chat is locked.
        locked: See `chat`.
        variables: See `chat`.

    Raises:
        UsageError: If it is made outside of IPython.
        TraitError: If a sandbox mode is unknown.
    """

    _esm = join_modules(_FOLDER / "static" / "index.js")
    _css = (_FOLDER / "static" / "chat.css").read_text(encoding="utf-8")
    _key = Unicode(help="What the page calls the chat on the comm that it opens.").tag(sync=True)
    _mark = Unicode(help="The class of the saved copy, which the page hides.").tag(sync=True)

    thread = Unicode(MAIN, help="The name of the thread.")
    model = Unicode("", help="The model of the turns to come; empty is the notebook's setting.")
    sandbox = Enum(("", *SANDBOX_MODES), default_value="", help="Their sandbox mode; the same.")
    effort = Unicode("", help="Their effort; the same.")
    running = Bool(False, read_only=True, help="Whether a turn of the thread runs.")
    draft = Unicode("", help="What is written and not sent yet.").tag(sync=True)

    def __init__(
        self,
        thread: str = MAIN,
        *,
        model: str = "",
        sandbox: str = "",
        effort: str = "",
        approval: str = "",
        locked: bool | None = None,
        variables: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if approval not in ("", *APPROVALS):
            raise UsageError(f"approval is one of {', '.join(APPROVALS)}; not {approval!r}.")
        shell: Any = get_ipython()
        if shell is None:
            raise UsageError("A chat needs a notebook.")
        self.session: NotebookSession = current_session(shell)
        self.channel: Channel = Channel(lambda message: self.send(message), lambda action, buffers: act(self, action, buffers))
        settings = {"model": model, "sandbox": sandbox, "effort": effort}
        self.bounds: Bounds = Bounds(locked=locked, variables=variables, approval=approval, settings=settings)
        self.thread_view: ThreadView = ThreadView(self.session, self.channel, thread, self.may_answer)
        self._begun: RunningTurn | None = None
        """The turn that this chat started last."""
        self._page_chooses = False
        self.uploads: Uploads = Uploads()
        self._queues: dict[str, list[Queued]] = {}
        self._known: Conversation | None = None
        self._starts = self._displayed = self._ready = False
        self._owns_layout = "layout" not in kwargs
        self._models: tuple[Model, ...] | None = None
        mark = f"codex-chat-{uuid.uuid4().hex}"
        self._saved = SavedCopy(mark)
        super().__init__(thread=thread, model=model, sandbox=sandbox, effort=effort, _key=self.channel.key, _mark=mark, **kwargs)
        self.on_msg(lambda _, action, buffers: self.channel.receive(action, buffers))
        if not self.bounds.locked:  # what an earlier kernel left may be of another visitor
            self.thread_view.resume()
        self._ready = True
        self._update()

    def open(self) -> None:
        """Connect with the pages. A new chat is; one that was closed is when it is shown again."""
        if self.comm is None:
            self.__dict__.pop("_repr_mimebundle_", None)  # what closing a widget leaves behind
            if self.layout is not None:
                self.layout.open()
            super().open()
            bypass_post_execute(self.comm)
            self.channel.open(self.session.shell)
            self.session.threads.observers.append(self._observer)
            self.session.closers.append(self.close)

    # What the page may do.

    def ask_for_page(self, text: str) -> None:
        """Send a prompt of the page. Unlike one of Python, it reads variables only if the author allows it."""
        self._submit(text, variables=self.bounds.variables)

    def choose(self, name: str, value: str) -> None:
        """Change a setting for the page.

        Args:
            name: `thread`, `model`, `sandbox` or `effort`.
            value: The value; an empty one is the author's, or else the notebook's.

        Raises:
            UsageError: If the author of the chat does not allow it.
        """
        with self.channel.lock:
            if name in self.bounds.settings:
                self.bounds.check(name, value, getattr(self.session.settings, name))
                value = value or self.bounds.settings[name]
            self._page_chooses = True
            try:
                setattr(self, name, value)
            finally:
                self._page_chooses = False

    def steer(self, text: str) -> None:
        """Add to what the running turn was asked.

        Raises:
            UsageError: If the chat is locked, and the turn was started elsewhere: it may have other rights.
        """
        if self.bounds.locked and not self._is_own(self.thread_view.running):
            raise UsageError("Steering is refused, because this turn was not started in this chat, which its author locked.")
        self.session.steer(text, self.thread_view.name)

    def may_answer(self, running: RunningTurn | None) -> bool:
        """Return True if the page may answer what the agent asks in a turn."""
        return not self.bounds.locked or (self.bounds.answers and self._is_own(running))

    def _is_own(self, running: RunningTurn | None) -> bool:
        return self._starts or (running is not None and running is self._begun)

    # What Python uses.

    def ask(self, text: str) -> RunningTurn | None:
        """Send a prompt. Return at once: the turn runs in the background.

        Args:
            text: The prompt; `@plot` and `{expressions}` mean what they mean in a cell.

        Returns:
            The turn; None if one runs already, and this one is queued behind it.

        Raises:
            InputError: If it is empty.
            CodexError: If it cannot be sent.
        """
        return self._submit(text)

    def _submit(self, text: str, *, variables: bool = True) -> RunningTurn | None:
        if not text.strip():
            raise InputError("The prompt is empty.")
        with self.channel.lock:
            prompt = Queued(text, self.uploads.take(), variables=variables)
            queued = self._starts or self.thread_view.running is not None
            if queued:
                self._queue.append(prompt)
            else:
                self._starts = True
        if queued:
            self.send_meta()
            return None
        return self._start(prompt)

    @property
    def turns(self) -> list[Turn]:
        """The turns of the thread, oldest first, the running one at last."""
        return self.thread_view.turns

    def stop(self) -> bool:
        """Stop the turn that runs; what is queued stays queued. Returns at once; whether there was one."""
        running = self.thread_view.running
        if running is not None:
            running.stop("The turn was stopped.")
        return running is not None

    def close(self) -> None:
        """Let go of the thread and the view; a turn that runs goes on."""
        if self._observer in self.session.threads.observers:
            self.session.threads.observers.remove(self._observer)
            self.session.closers.remove(self.close)
        self.channel.close()
        if self._owns_layout:
            self.layout.close()
        super().close()

    # The queue: each thread has its own, which is there when one comes back to it.

    @property
    def _queue(self) -> list[Queued]:
        return self._queues.setdefault(self.thread, [])

    def send_next(self) -> None:
        """Send what waits first, if nothing runs."""
        with self.channel.lock:
            if not self._queue or self._starts or self.thread_view.running is not None:
                return
            self._starts = True
            prompt = self._queue.pop(0)
        self._start(prompt, first=True)

    def unqueue(self, item: str, *, attach: bool) -> None:
        """Take a prompt out of the queue.

        Args:
            item: What the page calls it.
            attach: Whether its pictures are attached again, for it is to be edited.
        """
        with self.channel.lock:
            for prompt in self._queue:
                if prompt.item == item and attach:
                    self.uploads.attachments |= prompt.attachments
            self._queue[:] = [prompt for prompt in self._queue if prompt.item != item]
        self.send_meta()

    def _start(self, prompt: Queued, *, first: bool = False) -> RunningTurn:
        """Begin a turn. What cannot be sent is not lost: it is attached again, or stays the first in the queue."""
        try:
            started: Any = self.session.run(self._request(prompt))
            self._begun = started
        except BaseException:
            with self.channel.lock:
                if first:
                    self._queue.insert(0, prompt)
                else:
                    self.uploads.attachments |= prompt.attachments
            raise
        finally:
            self._starts = False
            self.send_meta()
        running: RunningTurn = started
        return running

    def _request(self, prompt: Queued) -> PromptRequest:
        """Return the request of a turn. The notebook's settings, and so the bounds, may have changed since the page chose.

        Raises:
            UsageError: If a setting is above its bound now.
        """
        for name in self.bounds.settings:
            self.bounds.check(name, getattr(self, name), getattr(self.session.settings, name))
        given: PromptOverrides = {
            "thread": self.thread,
            "bg": True,
            "model": self.model or None,
            "sandbox": self.sandbox or None,
            "effort": self.effort or None,
            "approval": self.bounds.approval or None,
        }
        if not prompt.variables:
            given["expand"] = False
            if self.session.settings.context == "auto":  # names of variables, and the last error with what it quotes
                given["context"] = ["none"]
        request = self.session.request(prompt.text, **given)
        if self.bounds.locked:  # the setting `resume` must not continue the thread of an earlier kernel
            request = dataclasses.replace(request, resume_first="")
        return dataclasses.replace(
            request,
            display="nothing",
            attachments=tuple(prompt.attachments.values()),
            images=dataclasses.replace(request.images, mentions=request.images.mentions and prompt.variables),
            permanent_approvals=not self.bounds.locked,
        )

    def _send_queued(self) -> None:
        try:
            self.send_next()
        except Exception as error:
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Tell the pages what went wrong with something that none of them has asked for just now."""
        with suppress(Exception):
            self.channel.send("done", id=None, error=plain(str(error)) or type(error).__name__)

    # What happens to the thread, whoever does it.

    def _observer(self, name: str) -> None:
        if not self._ready or name != self.thread:
            return
        if self._known is not None and self._known.name != name:  # somebody has renamed it
            with self.channel.lock:
                self._queues[self._known.name] = self._queues.pop(name, [])
            self.thread = self._known.name
        else:
            self._update()

    def _update(self) -> None:
        ended = self.thread_view.update()
        changed = self._known is not self.thread_view.conversation
        self._known = self.thread_view.conversation
        self.set_trait("running", self.thread_view.running is not None)
        self.send_meta()
        if ended is not None or changed:
            self._save()
        if ended is not None and self._queue and ended.turn.status == "completed":
            threading.Thread(target=self._send_queued, daemon=True, name="codex-chat-next").start()

    @observe("thread", "model", "sandbox", "effort")
    def _chosen(self, change: Any) -> None:
        if not self._ready:
            return
        if not self._page_chooses and change["name"] in self.bounds.settings:
            self.bounds.settings[change["name"]] = change["new"]  # Python code is the author's
        if change["name"] == "thread":
            with self.channel.lock:
                self.thread_view.switch(change["new"])
            if not self.bounds.locked:
                self.thread_view.resume()
            self._update()
            self._save()
        else:
            self.send_meta()

    # What the page is told, and what the notebook keeps.

    def opened(self) -> None:
        """Tell a page that opens, or that missed something, everything."""
        self.thread_view.opened = True
        self.thread_view.send_state()
        self.send_meta()
        if self._models is None:
            self._models = ()
            threading.Thread(target=self._find_models, daemon=True, name="codex-models").start()

    def send_meta(self) -> None:
        """Tell what stands around the conversation. What is told last is true, whichever thread tells it."""
        try:
            with self.channel.lock:
                self.channel.send("meta", **self._meta())
        except Exception as error:  # the turn that has just begun is still to be returned
            self._report(error)

    def _meta(self) -> dict[str, Any]:
        session, conversation, running = self.session, self.thread_view.conversation, self.thread_view.running
        settings = {name: getattr(self, name) or getattr(self.session.settings, name) for name in ("model", "sandbox", "effort")}
        models = self._models or ()
        allowed = {name: self.bounds.choices(name, getattr(self.session.settings, name)) for name in self.bounds.settings}
        efforts = [model.efforts for model in models if model.name == settings["model"] and model.efforts]
        offered = {
            "model": [model.name for model in models if model.listed],
            "sandbox": list(SANDBOX_MODES),
            "effort": list(efforts[0] if efforts else dict.fromkeys(effort for model in models for effort in model.efforts) or EFFORTS),
        }
        return {
            "thread": self.thread,
            "thread_id": (conversation.thread.id or "") if conversation is not None else "",
            "threads": [self.thread] if self.bounds.locked else sorted({self.thread, *session.threads.names}),
            "running": running is not None,
            "seconds": running.elapsed if running is not None else 0,
            "cell_waits": self.thread_view.cell_waits,
            "can_steer": running is not None
            and running.can_steer
            and (not self.bounds.locked or self._is_own(running))
            and not self.thread_view.cell_waits,
            "settings": settings,
            "choices": {name: offered[name] if allowed[name] is None else allowed[name] for name in offered},
            "bounded": sorted(name for name, values in allowed.items() if values is not None and not values[1:]),
            "locked": self.bounds.locked,
            "variables": self.bounds.variables,
            "offer": None if self.bounds.locked else self.thread_view.offer,
            "queue": [{"item": one.item, "text": plain(one.text), "images": thumbnails(one.attachments)} for one in self._queue],
            "attached": thumbnails(self.uploads.attachments),
            "demo": session.client.demo is not None,
            "id": self.model_id,
        }

    def copy(self) -> dict[str, Any]:
        """The conversation for the saved notebook."""
        return self._saved.bundle(self.thread_view.history, self.thread_view.ended)

    def _find_models(self) -> None:
        try:
            self._models = catalogue(self.session.client.cli.path, timeout=30)
        except CodexError:
            return
        self.send_meta()

    def _save(self) -> None:
        """Bring what the saved notebook keeps up to date."""
        try:
            if self._displayed:
                display(self.copy(), raw=True, display_id=self._mark, update=True)
        except Exception as error:
            self._report(error)

    def _ipython_display_(self) -> None:
        """Show the chat, and below it what the saved notebook keeps of it, which the live chat hides."""
        self.open()
        self._replace_former()
        bundle: Any = self._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        display({**data, "text/plain": repr(self)}, raw=True)
        display(self.copy(), raw=True, display_id=self._mark)
        self._displayed = True

    def _replace_former(self) -> None:
        """Close the chat that an earlier run of this cell has shown, if no other cell shows it: nobody sees it any more."""
        cell = (getattr(self.session.shell, "parent_header", {}).get("metadata") or {}).get("cellId")
        if cell is None:
            return
        former = _in_cells.get(cell)
        _in_cells[cell] = self
        if former is not None and former is not self and former not in _in_cells.values():
            former.close()

    def __repr__(self) -> str:
        return f"CodexChat(thread={self.thread!r})"


def chat(
    thread: str = MAIN,
    *,
    model: str = "",
    sandbox: str = "",
    effort: str = "",
    approval: str = "",
    locked: bool | None = None,
    variables: bool | None = None,
) -> CodexChat:
    """Open a chat; as the last value of a cell, it is shown there.

    What is set here is an upper bound for the page: it can choose a stricter sandbox, but not another model or effort. Python code can
    still change `chat.sandbox` and the others, and the bound with them.

    Args:
        thread: The name of its thread: `main` is the notebook's own, which the `%%codex` cells use, too.
        model: The model; empty leaves it to `%config CodexMagics` and Codex.
        sandbox: The sandbox mode: `read-only`, `workspace-write` or `danger-full-access`; the same.
        effort: How hard the model thinks; the same.
        approval: When the agent asks: `never`, `on-request` or `on-failure`; the same, but `never` if the chat is locked.
        locked: If the page is used by someone who must not control the notebook. The page then stays on its thread, keeps to the notebook's
            settings where nothing is set here, allows nothing for good, and answers approvals only if `approval` is set here. None, the
            default, locks the chat in a kernel that Voila started.
        variables: If the page may send values of the notebook, by `{name}`, `@name` and its plots. None, the default, allows it unless the
            chat is locked. Without it, the context `auto` reports nothing.

    Raises:
        UsageError: If it is made outside of IPython, or `approval` is unknown.
        TraitError: If a sandbox mode is unknown.
    """
    return CodexChat(thread, model=model, sandbox=sandbox, effort=effort, approval=approval, locked=locked, variables=variables)
