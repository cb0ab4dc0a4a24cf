"""The logic of a chat: the actions of its pages, the queue, and the turns that it starts. It needs no widget and no page."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.chat import threads_of_a_chat
from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.chat.channel import Channel
from codex_jupyter.notebook.chat.effective import effective_settings, offers_presets
from codex_jupyter.notebook.chat.page_actions import Action
from codex_jupyter.notebook.chat.page_state import ChatSettings, page_settings, thread_state
from codex_jupyter.notebook.chat.prompt_contents import PromptContents
from codex_jupyter.notebook.chat.prompt_sender import PromptSender
from codex_jupyter.notebook.chat.thread_view import ThreadView
from codex_jupyter.notebook.chat.transcript import diff_html
from codex_jupyter.notebook.chat.undo_actions import UndoActions
from codex_jupyter.notebook.chat.uploads import thumbnails
from codex_jupyter.notebook.consent.presets import PRESETS, setting_of
from codex_jupyter.notebook.render import error_text, plain
from codex_jupyter.notebook.session.page_actions import checked_action
from codex_jupyter.notebook.session.running_turn import RunningTurn

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.notebook_thread import NotebookThread
    from codex_jupyter.notebook.session.session import NotebookSession
    from codex_jupyter.sdk import Model

MODELS_WAIT: Final = 30.0
"""Seconds to wait for the models, in the background."""
NEW_FOR_REVIEW: Final = "This is a new thread, because Codex reviews only in a thread without turns. Threads lists the other one."
SETTINGS: Final = ("thread", "model", "sandbox", "effort", "preset")


class ChatController:
    """Connects the pages of a chat with the threads of the notebook.

    Args:
        session: The notebook's session.
        settings: The settings of the chat, which the controller reads and changes.
        bounds: The upper bound that the author sets for the pages.
        thread: Name of the first thread.
        send: Sends a message to all pages.
        show_running: Called with True while a turn of the thread is running.
        save: Updates the copy of the conversation in the saved notebook.
        copy: Returns this copy.
    """

    def __init__(
        self,
        session: "NotebookSession",
        settings: ChatSettings,
        bounds: Bounds,
        *,
        thread: str,
        send: Callable[[dict[str, Any]], None],
        show_running: Callable[[bool], object],
        save: Callable[[], None],
        copy: Callable[[], dict[str, Any]],
    ) -> None:
        self.session = session
        self.bounds = bounds
        self.channel: Channel = Channel(send, self.act)
        self.thread_view: ThreadView = ThreadView(session, self.channel, thread, self.may_answer, self.send_meta)
        self.contents: PromptContents = PromptContents(session, bounds, self.channel, self.send_meta)
        """The images of the next prompt, and what a page offers for it."""
        self._undo = UndoActions(session, self.channel, self.thread_view, self.report)
        self.models: tuple[Model, ...] | None = None
        """The models that a page can choose from; None before the first page is shown."""
        self._settings, self._show_running, self._save, self._copy = settings, show_running, save, copy
        self._page_chooses = self._ready = False
        self._shown: NotebookThread | None = None
        self.prompts: PromptSender = PromptSender(
            session, settings, bounds, self.channel, self.thread_view, self.contents.uploads, self.send_meta, self.review
        )
        """Sends the prompts."""

    # Life

    def start(self) -> None:
        """Resume the thread of an earlier kernel, and follow the thread from now on."""
        self._resume()
        self._ready = True
        self.update()

    def connect(self) -> None:
        """Accept pages, and observe the threads of the notebook."""
        self.channel.open(self.session.shell)
        self.session.threads.observers.append(self._on_thread_changed)

    def disconnect(self) -> None:
        """Close the connections with the pages. A running turn continues."""
        if self._on_thread_changed in self.session.threads.observers:
            self.session.threads.observers.remove(self._on_thread_changed)
        self.channel.close()

    def _resume(self) -> None:
        if not self.bounds.locked:  # the thread of an earlier kernel may be that of another visitor
            self.thread_view.resume()

    # Actions of a page

    def act(self, action: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Perform an action of a page.

        Args:
            action: Its name as `do`, and its arguments.
            buffers: Binary data of the action.

        Raises:
            UsageError: If the action fails, or the author of the chat does not allow it. The page receives this error, and any other.
        """
        asked = checked_action(action, Action)
        self.bounds.check_action(asked, self._settings.thread)
        _ACTIONS[asked["do"]](self, asked, buffers)

    def send_everything(self) -> None:
        """Send the whole state, to a page that opens or that missed a message."""
        self.thread_view.opened = True
        self.thread_view.send_state()
        self.send_meta()
        if self.models is None:
            self.models = ()
            threading.Thread(target=self._find_models, daemon=True, name="codex-models").start()

    def ask_for_page(self, text: str) -> None:
        """Send the prompt of a page. A prompt can consist of images only."""
        self.submit(
            text if text.strip() or not self.contents.uploads.attachments else "See the attached images.", variables=self.bounds.variables
        )

    def choose(self, name: str, value: str) -> None:
        """Change a setting for a page.

        Args:
            name: `thread`, `model`, `sandbox`, `effort` or `preset`.
            value: The value; an empty one stands for that of the author, or else of the notebook.

        Raises:
            UsageError: If there is no such setting, or the author of the chat does not allow the value.
        """
        if name not in SETTINGS:
            raise UsageError(f"There is no setting {name}.")
        if name == "preset":
            self._choose_preset(value)
            return
        with self.channel.lock:
            if name in self.bounds.settings:
                self.bounds.check(name, value, setting_of(self.session.settings, name))
                value = value or self.bounds.settings[name]
            self._choose(name, value)

    def _choose(self, name: str, value: str) -> None:
        """Change a setting for a page, not for the author."""
        self._page_chooses = True
        try:
            setattr(self._settings, name, value)
        finally:
            self._page_chooses = False

    def _choose_preset(self, value: str) -> None:
        """Set all rights at once. A sandbox that the page has chosen before does not apply any more."""
        if not offers_presets(self.bounds):
            raise UsageError("A preset is refused, because the author of this chat set its rights.")
        if value and value not in PRESETS:
            raise UsageError(f"There is no preset {value}.")
        with self.channel.lock:
            self._choose("preset", value)
            self._choose("sandbox", "")

    def steer(self, text: str) -> None:
        """Add text to the prompt of the running turn.

        Raises:
            UsageError: If the chat is locked, and the turn was started elsewhere: it may have other rights.
        """
        if self.bounds.locked and not self.prompts.is_own(self.thread_view.running):
            raise UsageError("Steering is refused, because this turn was not started in this chat, which its author locked.")
        self.session.steer(text, self.thread_view.name)

    def may_answer(self, running: RunningTurn | None) -> bool:
        """Return True if a page may answer what the agent asks in a turn."""
        return not self.bounds.locked or (self.bounds.answers and self.prompts.is_own(running))

    def answer(self, number: int, decision: Any) -> None:
        """Answer a question of the agent.

        Args:
            number: Number of the question.
            decision: A decision, or the answers by the names of the fields.
        """
        self.thread_view.answer(number, decision)

    def stop(self) -> bool:
        """Stop the running turn. Prompts that wait stay in the queue.

        Returns:
            True if a turn was running.
        """
        running = self.thread_view.running
        if running is not None:
            running.stop("The turn was stopped.")
        return running is not None

    def send_stored(self, search: str, *, archived: bool) -> None:
        """Send the stored threads that can be resumed."""
        threads = threads_of_a_chat.stored(self.session, search, archived=archived)
        self.channel.send("stored", search=search, archived=archived, threads=threads)

    def change_thread(self, how: str, name: str) -> None:
        """Create, fork, name, resume, archive or delete a thread; see `threads_of_a_chat.change`."""
        shown = self._settings.thread
        self._settings.thread = threads_of_a_chat.change(self.session, how, shown, name)
        if self._settings.thread == shown:
            self.update()

    def review(self, text: str) -> None:
        """Review code in a new thread, or in the shown one if it has no turn yet; see `PromptSender.review`."""
        self.session.threads.check_idle(self._settings.thread)
        if self.thread_view.history:
            self.change_thread("new", "")
            self.channel.send("notice", text=NEW_FOR_REVIEW)
        self.prompts.review(text)

    def compact(self) -> None:
        """Let the model summarise the history, in the background."""
        threads_of_a_chat.compact(self.session, self._settings.thread, self.channel, self.report)

    # Prompts

    def submit(self, text: str, *, variables: bool = True) -> RunningTurn | None:
        """Send a prompt, or queue it while a turn runs; see `PromptSender.submit`."""
        return self.prompts.submit(text, variables=variables)

    def _send_next_or_report(self) -> None:
        try:
            self.prompts.send_next()
        except Exception as error:
            self.report(error)

    # Changes

    def on_setting_changed(self, name: str, value: str) -> None:
        """Follow a change of a setting, by a page or by Python code."""
        if not self._ready:
            return
        if not self._page_chooses:
            self.bounds.change(name, value)  # Python code is the author's
        if name != "thread":
            self.send_meta()
            return
        with self.channel.lock:
            self.thread_view.switch(value)
        self._resume()
        self.update()
        self._save()

    def _on_thread_changed(self, name: str) -> None:
        if not self._ready or name != self._settings.thread:
            return
        if self._shown is not None and self._shown.name != name:  # the thread was renamed
            with self.channel.lock:
                self.prompts.queues.rename(name, self._shown.name)
            self._settings.thread = self._shown.name
        else:
            self.update()

    def update(self) -> None:
        """Send what changed in the thread, and start the next prompt of the queue after a completed turn."""
        ended = self.thread_view.update()
        changed = self._shown is not self.thread_view.conversation
        self._shown = self.thread_view.conversation
        self._show_running(self.thread_view.running is not None)
        self.send_meta()
        if ended is not None or changed:
            self._save()
        if ended is not None and self.prompts.queue and ended.turn.status == "completed":
            threading.Thread(target=self._send_next_or_report, daemon=True, name="codex-chat-next").start()

    # State around the conversation

    def send_meta(self) -> None:
        """Send the state around the conversation. The last message is right, whichever thread sends it."""
        try:
            with self.channel.lock:
                self.channel.send("meta", **self._meta())
        except Exception as error:  # the turn that has just started must still be returned
            self.report(error)

    def report(self, error: Exception) -> None:
        """Send an error that no action of a page has caused."""
        with suppress(Exception):
            self.channel.send("done", id=None, error=error_text(error))

    def _meta(self) -> dict[str, Any]:
        running = self.thread_view.running
        return {
            **page_settings(self.session, self._settings, self.bounds, self.models or ()),
            **effective_settings(self.session, self._settings, self.bounds, self.thread_view, self.models or ()),
            **thread_state(self.session, self._settings.thread, self.thread_view, self.bounds),
            "can_steer": running is not None
            and running.can_steer
            and not self.thread_view.cell_waits
            and (not self.bounds.locked or self.prompts.is_own(running)),
            "queue": [
                {"item": prompt.item, "text": plain(prompt.text), "images": thumbnails(prompt.attachments)} for prompt in self.prompts.queue
            ],
            "attached": thumbnails(self.contents.uploads.attachments),
            "demo": self.session.client.demo is not None,
            "id": self._settings.model_id,
        }

    def _find_models(self) -> None:
        self.models = self.session.client.models.get(MODELS_WAIT)
        self.send_meta()


_ACTIONS: Final[dict[str, Callable[[ChatController, dict[str, Any], Sequence[Any]], object]]] = {
    "sync": lambda chat, action, buffers: chat.send_everything(),
    "send": lambda chat, action, buffers: chat.ask_for_page(action["text"]),
    "stop": lambda chat, action, buffers: chat.stop(),
    "steer": lambda chat, action, buffers: chat.steer(action["text"]),
    "answer": lambda chat, action, buffers: chat.answer(action["number"], _decision(action)),
    "unqueue": lambda chat, action, buffers: chat.prompts.unqueue(action["item"], attach=action.get("edit", False)),
    "next": lambda chat, action, buffers: chat.prompts.send_next(),
    "earlier": lambda chat, action, buffers: chat.thread_view.send_earlier(action["before"]),
    "choose": lambda chat, action, buffers: chat.choose(action["trait"], action["value"]),
    "thread": lambda chat, action, buffers: chat.change_thread(action["how"], action["name"]),
    "again": lambda chat, action, buffers: chat.prompts.send_again(action["turn"], action["text"]),
    "review": lambda chat, action, buffers: chat.review(action["text"]),
    "find": lambda chat, action, buffers: chat.thread_view.find(action["text"], action["before"]),
    "undo": lambda chat, action, buffers: chat._undo.preview(action["turn"], redo=action["redo"]),
    "apply_undo": lambda chat, action, buffers: chat._undo.apply(action["keep"]),
    "compact": lambda chat, action, buffers: chat.compact(),
    "diff": lambda chat, action, buffers: chat.channel.send("diff", html=diff_html(chat.thread_view.history)),
    "ideas": lambda chat, action, buffers: chat.contents.send_ideas(),
    "stored": lambda chat, action, buffers: chat.send_stored(action["search"], archived=action["archived"]),
    "plots": lambda chat, action, buffers: chat.contents.send_plots(),
    "copy": lambda chat, action, buffers: chat.channel.send("copy", bundle=chat._copy()),
    "offers": lambda chat, action, buffers: chat.contents.send_mentions(action["word"]),
    "attach": lambda chat, action, buffers: chat.contents.attach(action["spec"]),
    "detach": lambda chat, action, buffers: chat.contents.detach(action["item"]),
    "upload": lambda chat, action, buffers: chat.contents.upload(action["item"], action["name"], action["last"], buffers),
}
"""The actions of a page by their names in `do`."""


def _decision(action: dict[str, Any]) -> Any:
    answers = action.get("answers")
    return {str(name): str(value) for name, value in answers.items()} if isinstance(answers, dict) else action["choice"]
