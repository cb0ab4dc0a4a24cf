"""Take turns back in a chat: the preview, and the undo or redo itself."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from codex_jupyter.notebook.chat.channel import Channel
from codex_jupyter.notebook.chat.thread_view import ThreadView
from codex_jupyter.notebook.render import plain
from codex_jupyter.notebook.session.undo_dialog import UndoDialog

if TYPE_CHECKING:
    from codex_jupyter.notebook.session.session import NotebookSession


class UndoActions:
    """Takes back the turns of a chat.

    Args:
        session: The notebook's session.
        channel: The connection with the pages.
        view: The shown thread.
        report: Sends an error to the pages.
    """

    def __init__(self, session: "NotebookSession", channel: Channel, view: ThreadView, report: Callable[[Exception], object]) -> None:
        self._channel, self._view, self._report = channel, view, report
        self._dialog = UndoDialog(session.undo)

    def preview(self, turn_id: str, *, redo: bool) -> None:
        """Send what an undo of a turn and of the later ones would do, or the redo of the last undo.

        Args:
            turn_id: Id of the turn in the page.
            redo: Preview the redo.

        Raises:
            UsageError: If the turn cannot be undone or redone.
        """
        conversation, number = self._view.conversation, self._view.number(turn_id)
        if conversation is None or number is None:
            raise UsageError("This turn is not a part of the conversation any more.")
        self._channel.send("undo", preview=self._dialog.preview(conversation, conversation.history[number], redo=redo))

    def apply(self, keep: Sequence[str]) -> None:
        """Do what was previewed, in the background, because a page may be asked to change cells.

        Args:
            keep: The paths of files that stay as they are.
        """
        threading.Thread(target=self._apply, args=(keep,), daemon=True, name="codex-undo").start()

    def _apply(self, keep: Sequence[str]) -> None:
        try:
            self._channel.send("notice", text=plain(self._dialog.apply(keep)))
        except Exception as error:
            self._report(error)
