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


class ThreadAction(TypedDict):
    """Start, rename, fork or resume a thread."""

    do: Literal["thread"]
    how: str
    name: str


class StoredAction(TypedDict):
    """Send the threads that can be resumed."""

    do: Literal["stored"]


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
