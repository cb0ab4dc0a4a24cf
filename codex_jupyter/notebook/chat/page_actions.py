"""The actions that the page of a chat sends to the kernel, as in `static/protocol.js`.

An action has a name as `do`. With it come the chat's `secret`, and an `id` that the answer `done` repeats.
"""

from typing import Literal, NotRequired, TypedDict


class SyncAction(TypedDict):
    """Send everything that a page shows. Needs no secret."""

    do: Literal["sync"]


class SendAction(TypedDict):
    """Send a prompt."""

    do: Literal["send"]
    text: str


class StopAction(TypedDict):
    """Stop the running turn."""

    do: Literal["stop"]


class SteerAction(TypedDict):
    """Add a text to the running turn."""

    do: Literal["steer"]
    text: str


class AnswerAction(TypedDict):
    """Answer the question with this number, by a choice or by the fields of a form."""

    do: Literal["answer"]
    number: int
    choice: NotRequired[str]
    answers: NotRequired[dict[str, str]]


class UnqueueAction(TypedDict):
    """Remove a prompt from the queue. If it is to be edited, attach its images again."""

    do: Literal["unqueue"]
    item: str
    edit: NotRequired[bool]


class NextAction(TypedDict):
    """Send the first prompt of the queue."""

    do: Literal["next"]


class EarlierAction(TypedDict):
    """Send the turns before the one with this number."""

    do: Literal["earlier"]
    before: int


class ChooseAction(TypedDict):
    """Set a trait of the widget."""

    do: Literal["choose"]
    trait: str
    value: str


class AgainAction(TypedDict):
    """Send the prompt of a turn again, in place of this turn and all later ones. Without a text, it is not changed."""

    do: Literal["again"]
    turn: str
    text: str


class ReviewAction(TypedDict):
    """Review the changes that are not committed, or what a text describes."""

    do: Literal["review"]
    text: str


class FindAction(TypedDict):
    """Send the turns from the last one on that contains a text, of those before the one with this number. Send none if there is none."""

    do: Literal["find"]
    text: str
    before: int


class UndoAction(TypedDict):
    """Preview the undo of a turn and of all later ones, or the redo of the last undo."""

    do: Literal["undo"]
    turn: str
    redo: bool


class ApplyUndoAction(TypedDict):
    """Do what was previewed, except for the files with these paths."""

    do: Literal["apply_undo"]
    keep: list[str]


class CompactAction(TypedDict):
    """Let the model summarise the conversation."""

    do: Literal["compact"]


class DiffAction(TypedDict):
    """Send the changes of files by the thread."""

    do: Literal["diff"]


class IdeasAction(TypedDict):
    """Send prompts that suit the notebook."""

    do: Literal["ideas"]


class ThreadAction(TypedDict):
    """Start, name, fork, resume, archive or delete a thread; see `threads_of_a_chat.change`."""

    do: Literal["thread"]
    how: str
    name: str


class StoredAction(TypedDict):
    """Send the threads that can be resumed."""

    do: Literal["stored"]
    search: str
    archived: bool


class PlotsAction(TypedDict):
    """Send the plots that can be attached."""

    do: Literal["plots"]


class CopyAction(TypedDict):
    """Send the copy of the conversation for the saved notebook."""

    do: Literal["copy"]


class OffersAction(TypedDict):
    """Send the names that start with a word."""

    do: Literal["offers"]
    word: str


class AttachAction(TypedDict):
    """Attach a plot."""

    do: Literal["attach"]
    spec: str


class DetachAction(TypedDict):
    """Remove an attached image."""

    do: Literal["detach"]
    item: str


class UploadAction(TypedDict):
    """Add a part of an image, which comes as binary data."""

    do: Literal["upload"]
    item: str
    name: str
    last: bool


Action = (
    SyncAction
    | SendAction
    | StopAction
    | SteerAction
    | AnswerAction
    | UnqueueAction
    | NextAction
    | EarlierAction
    | ChooseAction
    | AgainAction
    | ReviewAction
    | FindAction
    | UndoAction
    | ApplyUndoAction
    | CompactAction
    | DiffAction
    | IdeasAction
    | ThreadAction
    | StoredAction
    | PlotsAction
    | CopyAction
    | OffersAction
    | AttachAction
    | DetachAction
    | UploadAction
)
"""An action of the page."""
