"""A turn that has ended, with the prompt that started it."""

from dataclasses import dataclass

from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.sdk import Turn


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    """A turn that has ended.

    Attributes:
        prompt: The prompt as the user wrote it. Empty if it is no longer known.
        turn: The turn.
        info: What else is known about the turn.
    """

    prompt: str
    turn: Turn
    info: TurnInfo
