"""The messages from the kernel to the page of a chat, as in `static/protocol.js`. The actions of the page are in `page_actions`.

A message has a `type`, and a `sequence` number, which the channel adds.
"""

from typing import Any, Final, Literal, NotRequired, TypedDict

from codex_jupyter.notebook.session.undo_dialog import UndoFile as UndoFile
from codex_jupyter.notebook.session.undo_dialog import UndoPreview

COMM_TARGET: Final = "codex_jupyter.chat"
"""The name under which a page opens a comm to the kernel."""
MAX_UPLOAD: Final = 20 * 1024 * 1024
"""Size limit of an image that the page sends, in bytes."""


class Block(TypedDict):
    """A part of a turn, or a change of one.

    `text` is a text that still grows. A message has its Markdown as `source`, and the `languages` of the code in it. An item of code that
    ran in the kernel has the code as `source`. A change of a growing block has `append`, a text to add, or `more`, HTML to add before a
    new `text`. An item that still runs has its seconds as `running`.
    """

    block: str
    kind: str
    html: NotRequired[str]
    text: NotRequired[str]
    source: NotRequired[str]
    languages: NotRequired[list[str]]
    append: NotRequired[str]
    more: NotRequired[str]
    running: NotRequired[float]


class TurnState(TypedDict):
    """A turn with all of its blocks. `at` is when it started, in seconds since the epoch. `undone` is true if it was taken back."""

    id: str
    prompt: str
    at: float | None
    status: str
    blocks: list[Block]
    took: NotRequired[str]
    undone: NotRequired[bool]


class TokenUsage(TypedDict):
    """Tokens that the newest turn used, and those in the model's context, of the size of its window. None if they are not known."""

    turn: int | None
    context: int | None
    window: int | None


class ThreadName(TypedDict):
    """A thread that can be chosen."""

    name: str
    title: str


class PresetChoice(TypedDict):
    """A preset of rights that can be chosen."""

    name: str
    label: str
    description: str


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
    """A possible answer, and what it means. `label` is the text of its button, if it differs from the usual one."""

    choice: str
    meaning: str
    label: NotRequired[str]


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
    """A question of the agent, about the item in the block `item`."""

    item: str
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
    `effective` is what applies to the next turn, and `preset` the name of these rights. `problem` is the reason why no prompt can run.
    `loss` is one line about a turn that the end of an earlier kernel has cut off.
    """

    type: Literal["meta"]
    sequence: int
    thread: str
    thread_id: str
    threads: list[ThreadName]
    action: str
    waits: bool
    usage: TokenUsage
    running: bool
    seconds: float
    cell_waits: bool
    can_steer: bool
    settings: dict[str, str]
    choices: dict[str, list[str]]
    effective: dict[str, str]
    preset: str
    presets: list[PresetChoice]
    problem: str
    bounded: list[str]
    locked: bool
    variables: bool
    loss: str
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


class ProgressMessage(TypedDict):
    """The action or the tokens of the running turn have changed. `waits` is true if it waits for the user or the network."""

    type: Literal["progress"]
    sequence: int
    action: str
    waits: bool
    usage: TokenUsage


class IdeasMessage(TypedDict):
    """Prompts that suit the notebook."""

    type: Literal["ideas"]
    sequence: int
    ideas: list[str]


class DiffMessage(TypedDict):
    """All changes of files by the thread, as HTML. Empty if there are none."""

    type: Literal["diff"]
    sequence: int
    html: str


class UndoMessage(TypedDict):
    """An undo or a redo that the user can do now."""

    type: Literal["undo"]
    sequence: int
    preview: UndoPreview


class NoticeMessage(TypedDict):
    """Something that was done in the background."""

    type: Literal["notice"]
    sequence: int
    text: str


class StoredMessage(TypedDict):
    """The threads that can be resumed, with a text in their titles. `archived` is true if they are those that were archived."""

    type: Literal["stored"]
    sequence: int
    search: str
    archived: bool
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
    | ProgressMessage
    | IdeasMessage
    | DiffMessage
    | UndoMessage
    | NoticeMessage
    | StoredMessage
    | PlotsMessage
    | OffersMessage
    | CopyMessage
    | DoneMessage
)
"""A message to the page."""
