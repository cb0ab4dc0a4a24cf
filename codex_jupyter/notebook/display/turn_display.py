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
    """Display of a turn while it runs."""

    def update(self, turn: Turn) -> None:
        """Show the newest state. Called often, also when nothing has changed."""
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

    def update(self, turn: Turn) -> None:
        """Show the newest state, if possible."""
        try:
            self.display.update(turn)
        except Exception:
            _log.debug("A turn could not be displayed.", exc_info=True)

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
