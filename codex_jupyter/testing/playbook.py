"""Choose the next reply: the state of a script that is played."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from codex_jupyter.testing.parts import say
from codex_jupyter.testing.request import RecordedRequest
from codex_jupyter.testing.script import Reply, Script, ScriptedTurn, as_turn


@dataclass
class _Playing:
    """The current turn of a thread.

    Attributes:
        prompt: Key that differs for each prompt and is equal for all requests of a turn.
        turn: The scripted turn.
        replies: The remaining replies.
    """

    prompt: tuple[str | None, int, str]
    turn: ScriptedTurn
    replies: Iterator[Reply] = field(init=False)

    def __post_init__(self) -> None:
        self.replies = iter(self.turn.replies)

    def next_reply(self) -> Reply:
        last = self.turn.replies[-1]
        return next(self.replies, last if last.failing else Reply())


class Playbook:
    """Assigns the turns of a script to threads, and returns their replies in order.

    Args:
        script: The turns.
    """

    def __init__(self, script: Script) -> None:
        self.turns: tuple[ScriptedTurn, ...] = tuple(as_turn(turn) for turn in script)
        self._unplayed = list(self.turns)
        self._playing: dict[str, _Playing] = {}
        self._lock = threading.Lock()

    @property
    def unplayed(self) -> list[ScriptedTurn]:
        """The turns that no prompt has started yet."""
        with self._lock:
            return list(self._unplayed)

    def reply(self, request: RecordedRequest) -> Reply:
        """Return the reply to a request. Thread-safe.

        Args:
            request: The request. It starts a turn if it contains a new prompt of its thread. A retry, or the request after a tool call,
                contains no new prompt and gets the next reply of the turn.
        """
        if request.kind != "turn":
            return Reply(["(This is a script, not a model: there is no summary to give.)"])
        # The turn's id does not change when a prompt is sent into a running turn, and the prompts do not change when the CLI starts a turn
        # by itself.
        prompt = (request.turn_id, len(request.prompts), request.prompt)
        with self._lock:
            playing = self._playing.get(request.thread_id)
            if playing is None or playing.prompt != prompt:
                playing = self._playing[request.thread_id] = _Playing(prompt, self._turn_for(request.prompt))
            return playing.next_reply()

    def _turn_for(self, prompt: str) -> ScriptedTurn:
        for turn in self._unplayed:
            if turn.fits(prompt):
                # Compare by identity, because two turns of a script may be equal.
                self._unplayed = [other for other in self._unplayed if other is not turn]
                return turn
        again = [turn for turn in self.turns if turn.match is not None and turn.fits(prompt)]
        return again[-1] if again else self._nothing_scripted()

    def _nothing_scripted(self) -> ScriptedTurn:
        text = "This is a script, not a model, and nothing (more) is scripted for this prompt."
        titles = [turn.title for turn in self.turns if turn.match is not None]
        if titles:
            text += " Prompts it has an answer for:\n\n" + "\n".join(f"- `{title}`" for title in titles)
        return ScriptedTurn([say(text)])
