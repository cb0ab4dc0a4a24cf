"""The messages from the kernel to the page of a chat, as in `static/protocol.js`. The actions of the page are in `page_actions`.

A message has a `type`, and a `sequence` number, which the channel adds.
"""

from typing import Any, Final, Literal, NotRequired, TypedDict

COMM_TARGET: Final = "codex_jupyter.chat"
"""The name under which a page opens a comm to the kernel."""
MAX_UPLOAD: Final = 20 * 1024 * 1024
"""Size limit of an image that the page sends, in bytes."""


class Block(TypedDict):
    """A part of a turn, or a change of one.

    `text` is a text that still grows. A message has its Markdown as `source`, and the `languages` of the code in it. A change of a growing
    block has `append`, a text to add, or `more`, HTML to add before a new `text`.
    """

    block: str
    kind: str
    html: NotRequired[str]
    text: NotRequired[str]
    source: NotRequired[str]
    languages: NotRequired[list[str]]
    append: NotRequired[str]
    more: NotRequired[str]


class TurnState(TypedDict):
    """A turn with all of its blocks. `at` is when it started, in seconds since the epoch."""

    id: str
    prompt: str
    at: float | None
    status: str
    blocks: list[Block]
    took: NotRequired[str]


class Thumbnail(TypedDict):
    """An attached image."""

    item: str
    url: str
    caption: str


class QueuedPrompt(TypedDict):
    """A prompt that waits for the running turn."""

    item: str
    text: str
    images: list[Thumbnail]


class ThreadOffer(TypedDict):
    """A thread that only the saved outputs name."""

    id: str
    turns: int
    prompt: str


class StoredThread(TypedDict):
    """A thread that can be resumed."""

    id: str
    title: str
    at: float
    turns: int


class Plot(TypedDict):
    """A plot that the notebook has shown."""

    spec: str
    url: str
    caption: str


class Mention(TypedDict):
    """A name that can be mentioned, and the text that is inserted for it."""

    name: str
    text: str
    description: str


class Fact(TypedDict):
    """A named text on the card of a question."""

    name: str
    text: str


class Choice(TypedDict):
    """A possible answer, and what it means."""

    choice: str
    meaning: str


class QuestionField(TypedDict):
    """A field of a form that is asked for."""

    id: str
    text: str
    optional: bool
    options: list[str]
    hints: list[str]
    secret: bool
    value: str


class QuestionCard(TypedDict):
    """A question of the agent."""

    title: str
    facts: list[Fact]
    choices: list[Choice]
    questions: list[QuestionField]


class StateMessage(TypedDict):
    """Everything that a page shows of the thread. `start` is the number of the first turn."""

    type: Literal["state"]
    sequence: int
    secret: str
    start: int
    turns: list[TurnState]


class EarlierMessage(TypedDict):
    """The turns before those that the page has."""

    type: Literal["earlier"]
    sequence: int
    start: int
    turns: list[TurnState]


class MetaMessage(TypedDict):
    """Everything that a page shows around the conversation.

    `cell_waits` is true if the turn runs in a cell that waits for it. `bounded` are the settings for which the author leaves no choice.
    """

    type: Literal["meta"]
    sequence: int
    thread: str
    thread_id: str
    threads: list[str]
    running: bool
    seconds: float
    cell_waits: bool
    can_steer: bool
    settings: dict[str, str]
    choices: dict[str, list[str]]
    bounded: list[str]
    locked: bool
    variables: bool
    offer: ThreadOffer | None
    queue: list[QueuedPrompt]
    attached: list[Thumbnail]
    demo: bool
    id: str


class TurnMessage(TypedDict):
    """A turn has started."""

    type: Literal["turn"]
    sequence: int
    id: str
    prompt: str
    at: float | None


class BlocksMessage(TypedDict):
    """Blocks of a turn are new or have changed."""

    type: Literal["blocks"]
    sequence: int
    turn: str
    blocks: list[Block]


class EndMessage(TypedDict):
    """A turn has ended. `copy` is the number of the copy in the saved notebook that contains it."""

    type: Literal["end"]
    sequence: int
    turn: str
    status: str
    took: str
    copy: int


class QuestionMessage(TypedDict):
    """The question that the agent asks, or none."""

    type: Literal["question"]
    sequence: int
    number: int
    question: QuestionCard | None


class StoredMessage(TypedDict):
    """The threads that can be resumed."""

    type: Literal["stored"]
    sequence: int
    threads: list[StoredThread]


class PlotsMessage(TypedDict):
    """The plots that can be attached."""

    type: Literal["plots"]
    sequence: int
    plots: list[Plot]


class OffersMessage(TypedDict):
    """The names that start as the mention that is being written."""

    type: Literal["offers"]
    sequence: int
    offers: list[Mention]


class CopyMessage(TypedDict):
    """The copy of the conversation for the saved notebook, as a MIME bundle."""

    type: Literal["copy"]
    sequence: int
    bundle: dict[str, Any]


class DoneMessage(TypedDict):
    """An action is done, or has failed. Without `id`, something failed that no page asked for."""

    type: Literal["done"]
    sequence: int
    id: int | None
    error: str


Message = (
    StateMessage
    | EarlierMessage
    | MetaMessage
    | TurnMessage
    | BlocksMessage
    | EndMessage
    | QuestionMessage
    | StoredMessage
    | PlotsMessage
    | OffersMessage
    | CopyMessage
    | DoneMessage
)
"""A message to the page."""
