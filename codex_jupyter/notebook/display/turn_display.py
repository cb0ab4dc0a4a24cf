"""The interface of a display, and a display that contains the errors of another one."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from codex_jupyter.notebook.display.terminal_display import print_plainly
from codex_jupyter.notebook.render import TurnInfo, fallback, turn_bundle
from codex_jupyter.sdk import ApprovalRequest, Turn
from codex_jupyter.sdk.models.approvals import ApprovalChoice

_log = logging.getLogger(__name__)


class TurnDisplay(Protocol):
    """Display of a turn while it runs."""

    def update(self, turn: Turn) -> None:
        """Show the newest state. Called often, also when nothing has changed."""
        ...

    def add_note(self, note: str) -> None:
        """Show one more line in the header. It became known when the turn started."""
        ...

    def mark(self, turn: Turn, info: TurnInfo) -> None:
        """Show the end of the turn again, with other facts, where its output can be changed."""

    def ask(self, turn: Turn, request: ApprovalRequest, answers: dict[ApprovalChoice, str], text: str) -> bool:
        """Show a question of the agent.

        Args:
            turn: The turn, which waits for the answer.
            request: The question.
            answers: What the user types for each choice.
            text: The question as plain text.

        Returns:
            False if it is not shown, so that the prompt must contain it.
        """
        ...

    def answered(self, words: str) -> None:
        """Show that the last question is not asked any more.

        Args:
            words: The decision in words. Empty if there is none.
        """
        ...

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the final state.

        Args:
            turn: The ended turn.
            info: Facts about the ended turn.
        """
        ...


@dataclass(slots=True)
class SafeDisplay:
    """Display that contains the errors of another display, so that they end neither the turn nor the next cell.

    Args:
        display: The other display. It is called again after an error, because it may be able to show the next state.
        show: Shows a bundle if `display` cannot show the end of the turn.
    """

    display: TurnDisplay
    show: Callable[[dict[str, Any]], object]
    updates_in_place: bool = False
    """True if updates change outputs of a front end. Those of other displays are text, and would mix with what code prints."""
    repeat: Callable[[], object] | None = None
    """Shows a turn in the background again after its end. None if this is not needed."""

    def update(self, turn: Turn) -> None:
        """Show the newest state, if possible."""
        try:
            self.display.update(turn)
        except Exception:
            _log.debug("A turn could not be displayed.", exc_info=True)

    def add_note(self, note: str) -> None:
        """Show one more line in the header, if possible."""
        try:
            self.display.add_note(note)
        except Exception:
            _log.debug("A note could not be displayed.", exc_info=True)

    def mark(self, turn: Turn, info: TurnInfo) -> None:
        """Show the end of the turn again, if possible."""
        try:
            self.display.mark(turn, info)
        except Exception:
            _log.debug("A turn could not be marked.", exc_info=True)

    def ask(self, turn: Turn, request: ApprovalRequest, answers: dict[ApprovalChoice, str], text: str) -> bool:
        """Show a question, if possible. Return False if it is not shown."""
        try:
            return self.display.ask(turn, request, answers, text)
        except Exception:
            _log.debug("A question could not be displayed.", exc_info=True)
            return False

    def answered(self, words: str) -> None:
        """Show a decision, if possible."""
        try:
            self.display.answered(words)
        except Exception:
            _log.debug("A decision could not be displayed.", exc_info=True)

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the final state, or plain text with a note if that fails."""
        try:
            self.display.finish(turn, info)
        except Exception as error:
            _log.debug("The end of a turn could not be displayed.", exc_info=True)
            bundle = fallback.bundle(error, lambda: turn_bundle(turn, info)["text/plain"], lambda: turn.final_response)
            for show in (self.show, lambda shown: print_plainly(shown["text/plain"])):
                with suppress(Exception):
                    show(bundle)
                    return
