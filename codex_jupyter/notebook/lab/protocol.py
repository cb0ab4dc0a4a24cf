"""The messages between the kernel and a page of JupyterLab, as in `labextension/static/protocol.js`. A test compares the files.

A page opens two comms. The kernel sends on `events` only, and the page sends on `control`, which a subshell handles while a cell runs.
An action has an `id` that the answer `done` repeats. The page answers a message `cells` with the action `answer`.
"""

from typing import Any, Final, Literal, NotRequired, TypedDict

from codex_jupyter.notebook.session.cell_outputs import CellOutput as CellOutput
from codex_jupyter.notebook.session.cell_outputs import TurnInCell

PROTOCOL: Final = 2
"""Version of the messages. The page and the kernel can have different versions of the package."""


class PageImage(TypedDict):
    """An image of an output, in base64."""

    type: str
    data: str


class PageCell(TypedDict):
    """A cell as the page shows it. `number` is the number in `In[...]`, and `output` is the text of its outputs."""

    id: str
    type: str
    number: int | None
    source: str
    output: str
    image: NotRequired[PageImage]


class OpenData(TypedDict):
    """The data with which a page opens a comm. `settings` are those of JupyterLab, with the defaults.

    `shared` is true if several people can edit the notebook at once.

    `session` is the session of a page that was loaded again, or anew while its kernel was connected: it asks for the outputs of turns that
    JupyterLab does not update any more.
    """

    page: str
    role: str
    protocol: int
    settings: NotRequired[dict[str, Any]]
    shared: NotRequired[bool]
    session: NotRequired[str]


# Messages to the page.


class WelcomeMessage(TypedDict):
    """The kernel has accepted the page. The page deletes the subshells, because pages that have ended used them."""

    type: Literal["welcome"]
    protocol: int
    subshells: list[str]


class DoneMessage(TypedDict):
    """An action is done, or has failed."""

    type: Literal["done"]
    id: int
    error: str
    result: dict[str, Any]


class ChangeMessage(TypedDict):
    """A change of a cell, whose source was `before`. If `apply` is true, the page makes it, and the user can undo it.

    `fixes` is the id of the cell that failed, or empty. If `run` is true, the page then runs the cells up to that one without a question.
    """

    type: Literal["change"]
    edit: str
    cell: str
    before: str
    after: str
    apply: bool
    fixes: str
    run: bool


class OutputsMessage(TypedDict):
    """The outputs of a turn in a cell, which the page updates from now on."""

    type: Literal["outputs"]
    turn: TurnInCell


class CellsMessage(TypedDict):
    """A request about cells of the notebook, for a tool of the agent. `home` is the id of the cell that runs the turn, or empty."""

    type: Literal["cells"]
    request: int
    do: str
    home: str
    arguments: dict[str, Any]


class FilesMessage(TypedDict):
    """A turn, or an undo, has ended. It may have changed files that are open in tabs."""

    type: Literal["files"]


class MarkedMessage(TypedDict):
    """A turn was undone or redone. `mark` is the MIME bundle that says so above a saved output; it is not needed after a redo."""

    type: Literal["marked"]
    thread: str
    turn: str | None
    start: float | None
    undone: bool
    mark: dict[str, Any]


class ProblemMessage(TypedDict):
    """A text that the page shows the user: settings of JupyterLab that the kernel cannot use."""

    type: Literal["problem"]
    text: str


Message = WelcomeMessage | DoneMessage | ChangeMessage | OutputsMessage | CellsMessage | FilesMessage | MarkedMessage | ProblemMessage
"""A message to the page."""


# Actions of the page.


class ChatAction(TypedDict):
    """Open the chat of the notebook. The result is a MIME `bundle` of its widget."""

    do: Literal["chat"]
    id: int


class PromptAction(TypedDict):
    """Send a prompt about a cell. `text` is what the user wrote, for the kinds that need it.

    For a fix, `others` are the cells that ran before, which can contain the fault, and `attempt` is the number of the fix, from 1.
    """

    do: Literal["prompt"]
    id: int
    kind: str
    text: str
    cell: PageCell
    others: NotRequired[list[PageCell]]
    attempt: NotRequired[int]


class SettingsAction(TypedDict):
    """The settings that have changed since the page last sent them. None is the default of the kernel."""

    do: Literal["settings"]
    id: int
    settings: dict[str, Any]


class NotebooksAction(TypedDict):
    """The paths of the open notebooks of the kernel, with the folder of the server, which can start with `~`."""

    do: Literal["notebooks"]
    id: int
    paths: list[str]


class UndoAction(TypedDict):
    """Preview the undo of a turn and of all later ones, or the redo of the last undo. The result is an `UndoPreview`.

    `thread` is the id of the thread, `turn` that of the turn, and `start` when it started, in seconds since the epoch.
    """

    do: Literal["undo"]
    id: int
    thread: str
    turn: str | None
    start: float | None
    redo: bool


class ApplyUndoAction(TypedDict):
    """Do what was previewed, except for the files with these paths. The result has a `text` about what was done."""

    do: Literal["apply_undo"]
    id: int
    keep: list[str]


class AnswerAction(TypedDict):
    """The answer to a message `cells`: its result, or the reason why it was refused. It has no answer itself."""

    do: Literal["answer"]
    request: int
    error: str
    result: dict[str, Any]


class DecidedAction(TypedDict):
    """A change was `made`, or the user's decision about it is `keep` or `undo`. `result` has what takes it back. It has no answer."""

    do: Literal["decided"]
    edit: str
    decision: str
    result: dict[str, Any]


Action = ChatAction | PromptAction | SettingsAction | NotebooksAction | UndoAction | ApplyUndoAction | AnswerAction | DecidedAction
"""An action of the page."""
