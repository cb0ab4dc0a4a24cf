"""Start the turns of a chat: prompts of the pages, those that wait in the queue, and those that are sent again."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.chat.channel import Channel
from codex_jupyter.notebook.chat.page_state import ChatSettings
from codex_jupyter.notebook.chat.prompt_queue import PromptQueues, QueuedPrompt
from codex_jupyter.notebook.chat.prompt_request import prompt_request
from codex_jupyter.notebook.chat.thread_view import ThreadView
from codex_jupyter.notebook.chat.uploads import Uploads
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.notebook.session.thread_changes import revert
from codex_jupyter.sdk import EnteredReviewModeItem, ExitedReviewModeItem, InputError, ReviewTarget

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession

UNCOMMITTED: Final = "Review the uncommitted changes."
"""The prompt of a review of the changes that are not committed, as the chat shows it."""
REVIEW: Final = "Review: "
"""The start of the prompt of another review."""


class PromptSender:
    """Sends the prompts of a chat.

    Args:
        session: The notebook's session.
        settings: The settings of the chat.
        bounds: The upper bound that the author sets.
        channel: The connection with the pages.
        view: The shown thread.
        uploads: The images of the next prompt.
        changed: Called when the queue or the attached images have changed.
        review: Reviews what a text describes, in a thread without turns.
    """

    def __init__(
        self,
        session: "NotebookSession",
        settings: ChatSettings,
        bounds: Bounds,
        channel: Channel,
        view: ThreadView,
        uploads: Uploads,
        changed: Callable[[], None],
        review: Callable[[str], object],
    ) -> None:
        self._session, self._settings, self._bounds = session, settings, bounds
        self._channel, self._view, self._uploads, self._changed, self._review_again = channel, view, uploads, changed, review
        self.queues = PromptQueues()
        self._last_started: RunningTurn | None = None
        self._starting = False
        self._sent: dict[str, QueuedPrompt] = {}
        """The prompts with images that this chat has sent, by the ids of their turns in the page."""

    @property
    def queue(self) -> list[QueuedPrompt]:
        """The prompts of the shown thread that wait."""
        return self.queues.of(self._settings.thread)

    def is_own(self, running: RunningTurn | None) -> bool:
        """Return True if this chat started the turn, or is starting one."""
        return self._starting or (running is not None and running is self._last_started)

    def submit(self, text: str, *, variables: bool = True) -> RunningTurn | None:
        """Send a prompt, or queue it while a turn runs.

        Args:
            text: The prompt.
            variables: If `{name}` and `@name` stand for variables.

        Returns:
            The turn; None if the prompt is queued.

        Raises:
            InputError: If the prompt is empty, or the queue is full.
            CodexError: If it cannot be sent.
        """
        if not text.strip():
            raise InputError("The prompt is empty.")
        with self._channel.lock:
            is_queued = self._starting or self._view.running is not None
            if is_queued:
                self.queues.check_room(self._settings.thread, text)
            prompt = QueuedPrompt(text, self._uploads.take(), variables=variables)
            if is_queued:
                self.queue.append(prompt)
            else:
                self._starting = True
        if is_queued:
            self._changed()
            return None
        return self._start(prompt)

    def send_next(self) -> None:
        """Send the first prompt of the queue, if no turn runs."""
        with self._channel.lock:
            if not self.queue or self._starting or self._view.running is not None:
                return
            self._starting = True
            prompt = self.queue.pop(0)
        self._start(prompt, first=True)

    def send_again(self, turn_id: str, text: str) -> object:
        """Send the prompt of an earlier turn again, in place of this turn and all later ones. Files that they changed stay.

        A review is done again in a new thread, because Codex reviews only in a thread without turns.

        Args:
            turn_id: Id of the turn in the page.
            text: The new text. Empty repeats the prompt.

        Raises:
            InputError: If there is no such turn, or its images are not known any more.
            ThreadBusyError: If a turn runs.
            CodexError: If the history cannot be changed, or the prompt cannot be sent.
        """
        self._session.threads.check_idle(self._settings.thread)
        history, number = self._view.history, self._view.number(turn_id)
        if number is None:
            raise InputError("This turn is not a part of the conversation any more.")
        if (target := self._reviewed(history[number], text)) is not None:
            return self._review_again(target)
        earlier, past = self._sent.get(turn_id), history[number]
        if earlier is None and past.info.attached:
            raise InputError("The images of this prompt are not kept. Attach them again to a new prompt.")
        attached = {} if earlier is None else earlier.attachments
        revert(self._session, self._settings.thread, len(history) - number)
        with self._channel.lock:
            self._uploads.attachments |= attached
        return self.submit(text.strip() or past.prompt, variables=self._bounds.variables)

    @staticmethod
    def _reviewed(past: FinishedTurn, text: str) -> str | None:
        """Return the description of the code for a review that is done again, or None if a turn is not a review."""
        if not any(isinstance(item, EnteredReviewModeItem | ExitedReviewModeItem) for item in past.turn.items):
            return None
        prompt = text.strip() or past.prompt
        return "" if prompt == UNCOMMITTED else prompt.removeprefix(REVIEW)

    def review(self, text: str) -> RunningTurn:
        """Review code. The thread must have no turn yet.

        Args:
            text: Describes the code. Empty reviews the changes that are not committed.

        Raises:
            CodexError: If the review cannot start.
        """
        text = text.strip()
        target = ReviewTarget(prompt=text) if text else ReviewTarget(uncommitted=True)
        prompt = f"{REVIEW}{text}" if text else UNCOMMITTED
        with self._channel.lock:
            self._starting = True
        return self._start(QueuedPrompt(prompt, {}, variables=False, review=target))

    def unqueue(self, item: str, *, attach: bool) -> None:
        """Remove a prompt from the queue.

        Args:
            item: Id of the prompt in the page.
            attach: If its images are attached again, because the user edits the prompt.
        """
        with self._channel.lock:
            images = self.queues.remove(self._settings.thread, item)
            if attach:
                self._uploads.attachments |= images
        self._changed()

    def _start(self, prompt: QueuedPrompt, *, first: bool = False) -> RunningTurn:
        """Start a turn. If it cannot start, its images are attached again, or the prompt stays the first of the queue."""
        try:
            request = prompt_request(self._session, self._settings, self._bounds, prompt)
            self._session.threads.conversation(request.thread)
            turn_id = self._view.next_id
            started: Any = self._session.run(request)
            self._last_started = started
            if prompt.attachments:
                self._sent[turn_id] = prompt
        except BaseException:
            with self._channel.lock:
                if first:
                    self.queue.insert(0, prompt)
                else:
                    self._uploads.attachments |= prompt.attachments
            raise
        finally:
            self._starting = False
            self._changed()
        running: RunningTurn = started
        return running
