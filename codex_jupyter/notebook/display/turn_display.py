"""The interface of a display, and a display that contains the errors of another one."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from codex_jupyter.notebook.display.terminal_display import print_plainly
from codex_jupyter.notebook.render import TurnInfo, fallback, turn_bundle
from codex_jupyter.sdk import Turn

_log = logging.getLogger(__name__)


class TurnDisplay(Protocol):
    """Something that shows a turn while it runs."""

    def update(self, turn: Turn) -> None:
        """Show the newest state; call it often, also when nothing has changed."""
        ...

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the last state.

        Args:
            turn: The turn in the end.
            info: What is known about it in the end.
        """
        ...


@dataclass(slots=True)
class SafeDisplay:
    """Shows a turn by another display, whose errors end neither the turn nor the cell that follows it.

    Args:
        display: What shows the turn. After an error it is called again, because the next state may be one that it can show.
        show: Shows a bundle if `display` cannot show the end of the turn.
    """

    display: TurnDisplay
    show: Callable[[dict[str, Any]], object]

    def update(self, turn: Turn) -> None:
        """Show the newest state, if possible."""
        try:
            self.display.update(turn)
        except Exception:
            _log.debug("A turn could not be displayed.", exc_info=True)

    def finish(self, turn: Turn, info: TurnInfo) -> None:
        """Show the last state; if that is not possible, as plain text with a line that says so."""
        try:
            self.display.finish(turn, info)
        except Exception as error:
            _log.debug("The end of a turn could not be displayed.", exc_info=True)
            bundle = fallback.bundle(error, lambda: turn_bundle(turn, info)["text/plain"], lambda: turn.final_response)
            for show in (self.show, lambda shown: print_plainly(shown["text/plain"])):
                with suppress(Exception):
                    show(bundle)
                    return
