r"""Turns and replies of a script, as plain data.

A script is a list of turns, one for each prompt of the user. A turn is a list of replies, one for each request. The CLI sends another
request after every tool call, and a reply without a tool call ends the turn. A reply is a list of parts, which the functions of
`codex_jupyter.testing` create:
    script = [
        [[think("Look first"), shell("ls")], "There are three files."],  # a turn: a command, then an answer
        "A turn with nothing but this answer",
        ScriptedTurn([[write_file("a.txt", "hello\n")], "Written."], match="write"),
    ]

Short forms: a string is a `say`, a single part is a reply with one part, and a list of replies (or one string) is a turn for any prompt.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from codex_jupyter.testing.parts import Cut, Delay, Fail, FailStream, Part, WaitFor, say


@dataclass(frozen=True, init=False)
class Reply:
    """The reply to one request.

    Args:
        parts: The parts, in order. A string stands for `say(string)`. A reply without parts is an empty response, which ends the turn
            without a message.
        headers: More HTTP headers of the response, such as those with rate limits.

    Raises:
        ValueError: If a part can never be sent: it follows a failure, or a `fail` follows output (an HTTP error can only come before
            the stream starts). Also if a header contains a line break.
    """

    parts: tuple[Part, ...]
    headers: Mapping[str, str]

    def __init__(self, parts: "Sequence[Part | str]" = (), headers: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "headers", dict(headers or {}))
        if any(re.search(r"[\r\n]", text) for line in self.headers.items() for text in line):
            raise ValueError("a header cannot contain a line break")
        object.__setattr__(self, "parts", tuple(say(part) if isinstance(part, str) else part for part in parts))
        if any(isinstance(part, Fail | FailStream | Cut) for part in self.parts[:-1]):
            raise ValueError("a failure ends the reply: nothing can follow it")
        is_refused = self.failing and isinstance(self.parts[-1], Fail)
        if is_refused and not all(isinstance(part, Delay | WaitFor) for part in self.parts[:-1]):
            raise ValueError("fail() is an HTTP error and cannot follow output; use fail_stream() or cut()")

    @property
    def failing(self) -> bool:
        """True if the reply ends with `fail`, `fail_stream` or `cut`."""
        return bool(self.parts) and isinstance(self.parts[-1], Fail | FailStream | Cut)


ReplyLike: TypeAlias = Reply | Part | str | Sequence[Part | str]


@dataclass(frozen=True, init=False)
class ScriptedTurn:
    """Replies to one prompt.

    Args:
        replies: The replies to the requests of the turn, in order. For further requests, a failing last reply is repeated, so that
            retries fail too. Otherwise an empty response ends the turn.
        match: A regular expression. The turn is played only for prompts in which it is found, in upper or lower case. None fits any
            prompt.
        title: Name of the turn in the fallback answer. None is `match`.

    Raises:
        ValueError: If there is no reply, or `match` is not a regular expression.
    """

    replies: tuple[Reply, ...]
    match: str | None
    title: str

    def __init__(self, replies: Sequence[ReplyLike], match: str | None = None, title: str | None = None) -> None:
        if not replies:
            raise ValueError("a turn needs at least one reply")
        try:
            re.compile(match or "")
        except re.error as error:
            raise ValueError(f"match={match!r} is not a regular expression: {error}") from error
        object.__setattr__(self, "replies", tuple(as_reply(reply) for reply in replies))
        object.__setattr__(self, "match", match)
        object.__setattr__(self, "title", title or match or "any prompt")

    def fits(self, prompt: str) -> bool:
        """Return True if the turn is for this prompt.

        Args:
            prompt: The text of the user.
        """
        return self.match is None or re.search(self.match, prompt, re.IGNORECASE) is not None


TurnLike: TypeAlias = ScriptedTurn | str | Sequence[ReplyLike]
Script: TypeAlias = Sequence[TurnLike]


def as_reply(reply: ReplyLike) -> Reply:
    """Return the full form of a reply."""
    if isinstance(reply, Reply):
        return reply
    if isinstance(reply, str) or not isinstance(reply, Sequence):
        return Reply([reply])
    return Reply(reply)


def as_turn(turn: TurnLike) -> ScriptedTurn:
    """Spell out the short forms of a turn."""
    if isinstance(turn, ScriptedTurn):
        return turn
    return ScriptedTurn([turn] if isinstance(turn, str) else turn)
