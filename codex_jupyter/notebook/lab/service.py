"""The kernel side of the JupyterLab extension: what its pages can do."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.cell_tools.changes import TurnChanges
from codex_jupyter.notebook.cell_tools.page import NotebookPage
from codex_jupyter.notebook.lab.pages import LabPage, LabPages
from codex_jupyter.notebook.lab.prompts import cell_request, edits_cell, plain_id, split_target
from codex_jupyter.notebook.lab.protocol import Action
from codex_jupyter.notebook.lab.settings import PageSettings
from codex_jupyter.notebook.render import plain, undone_bundle
from codex_jupyter.notebook.session.code_blocks import code_blocks, last_python
from codex_jupyter.notebook.session.page_actions import checked_action
from codex_jupyter.notebook.session.undo_dialog import UndoDialog, find_turn
from codex_jupyter.sdk import ThreadBusyError

if TYPE_CHECKING:
    from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
    from codex_jupyter.notebook.session.running_turn import RunningTurn
    from codex_jupyter.notebook.session.session import NotebookSession


MAX_REPEATS: Final = 5
"""Limit of repetitions while the outputs of a running turn change."""


class LabService:
    """Performs the actions of the pages of a kernel.

    Args:
        session: Returns the notebook's session.
        magics: The object that has the settings of the notebook.
        open_chat: Opens a chat on the thread of a name.
        notebook: Receives the page for the agent's tools.
    """

    def __init__(
        self, session: "Callable[[], NotebookSession]", magics: Any, open_chat: Callable[[str], Any], notebook: NotebookPage
    ) -> None:
        self.pages: LabPages = LabPages(self.perform, self._on_open, notebook.on_close)
        self._notebook = notebook
        notebook.connection = lambda: self.pages.newest
        notebook.is_shared = lambda: self.pages.shared
        notebook.reported = lambda: self.pages.notebooks
        self._session, self._open_chat = session, open_chat
        self._settings = PageSettings(magics)
        self._chat: Any = None
        self._undo: UndoDialog | None = None
        self._turns: Sequence[object] = ()
        """The turns of the session, once there is one."""
        magics.on_session(self._follow)

    def perform(self, page: LabPage, action: dict[str, Any]) -> dict[str, Any] | None:
        """Perform an action of a page, and return its result.

        Raises:
            UsageError: If the action is unknown, malformed or not possible, or a turn runs.
        """
        asked = checked_action(action, Action)
        try:
            return ACTIONS[asked["do"]](self, page, asked)
        except ThreadBusyError:
            raise UsageError("A turn of this thread runs. Stop it, or wait for its end. Then try again.") from None

    def chat(self) -> Any:
        """Return the chat of the panel. One serves all pages, and is opened again after it was closed."""
        if self._chat is None or self._chat.comm is None:
            self._chat = self._open_chat("main")
        return self._chat

    def close(self) -> None:
        """Disconnect the pages, and close their chat."""
        self.pages.close()
        if self._chat is not None:
            self._chat.close()

    def _on_open(self, page: LabPage, data: dict[str, Any]) -> None:
        if problem := self._settings.start(data.get("settings", {})):
            page.send("problem", text=problem)
        if self._turns:  # one can have ended while the page connected
            page.send("files")
        if "session" in data:
            self._notebook.on_reload(page)
        self._notebook.on_connect()
        if "session" in data:
            self._send_outputs(page, data["session"])

    def _follow(self, session: "NotebookSession") -> None:
        """Learn of the turns of the session."""
        self._turns = session.threads.turns
        session.threads.observers.append(self._on_thread_changed)
        session.undo.observers.append(self._on_undo)

    def _on_thread_changed(self, name: str) -> None:
        """Have the pages look for changed files when a turn, or an undo, has ended."""
        if all(thread.name != name for thread in self._session().threads.running):
            self.pages.send("files")

    def _on_undo(self, past: "FinishedTurn") -> None:
        """Have the pages mark a turn that was undone or redone. JupyterLab updates no outputs of earlier kernels and earlier pages."""
        turn, info = past.turn, past.info
        mark = undone_bundle() if info.undone else {}
        self.pages.send("marked", thread=turn.thread_id or "", turn=turn.id, start=info.began, undone=info.undone, mark=mark)

    def _send_outputs(self, page: LabPage, session: str) -> None:
        """Send the outputs of turns that another page has shown."""
        sent: object = None
        # An update between reading and sending reaches the page first, which drops it. So send until nothing has changed meanwhile.
        for _ in range(MAX_REPEATS):
            turns = self._session().outputs.of_other_pages(session)
            if turns == sent:
                return
            for turn in turns:
                page.send("outputs", turn=turn)
            sent = turns

    def _show_chat(self, page: LabPage, action: dict[str, Any]) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.chat().model_id}
        return {"bundle": {"application/vnd.jupyter.widget-view+json": view}}

    def _send_prompt(self, page: LabPage, action: dict[str, Any]) -> None:
        """Start a turn about a cell on the thread of the panel's chat."""
        session, chat, kind = self._session(), self.chat(), action["kind"]
        cell, others = action["cell"], action.get("others", [])
        again = action.get("attempt", 1) > 1
        request = cell_request(session, kind, action["text"], cell, chat.thread, others, again=again)
        running: Any = session.run(request)
        if edits_cell(kind):
            mode = request.rights.cells
            change = CellChange(
                page,
                running,
                [cell, *others],
                TurnChanges(self._notebook, mode or "propose", running.undoables),
                fixes=plain_id(cell) if kind == "fix" else "",
                applies=mode in ("review", "apply"),
                # The code of the agent runs only where it may run code without a question.
                runs=kind == "fix" and mode == "apply" and session.tools.effective(request) == "run",
            )
            threading.Thread(target=change.propose, daemon=True, name="codex-cell-change").start()

    def _preview_undo(self, page: LabPage, action: dict[str, Any]) -> dict[str, Any]:
        """Return what an undo of a turn would do."""
        session = self._session()
        thread, past = find_turn(session.threads, action["thread"], action["turn"], action["start"])
        self._undo = UndoDialog(session.undo)
        return {**self._undo.preview(thread, past, redo=action["redo"])}

    def _apply_undo(self, page: LabPage, action: dict[str, Any]) -> dict[str, Any]:
        """Do what was previewed."""
        if self._undo is None:
            raise UsageError("There is no preview of an undo. Use the button of the turn again.")
        return {"text": plain(self._undo.apply(action["keep"]))}

    def _change_settings(self, page: LabPage, action: dict[str, Any]) -> None:
        self._settings.change(action["settings"])

    def _receive_notebooks(self, page: LabPage, action: dict[str, Any]) -> None:
        page.notebooks = tuple(action["paths"])

    def _receive_answer(self, page: LabPage, action: dict[str, Any]) -> None:
        page.receive(action["request"], action["error"], action["result"])

    def _receive_decision(self, page: LabPage, action: dict[str, Any]) -> None:
        self._notebook.decide(action["edit"], action["decision"], action["result"])


@dataclass(frozen=True, slots=True)
class CellChange:
    """The change of a cell that a turn was asked for.

    Attributes:
        page: The page that asked for it.
        running: The turn.
        cells: The cells that can be changed, as the page sent them. The first one is changed if the answer names none.
        changes: Receives what takes the change back, for an undo of the turn.
        fixes: The id of the cell that failed. Empty if the change is not a fix.
        applies: If the page makes the change at once.
        runs: If the page then runs the cells up to the one that failed.
    """

    page: LabPage
    running: "RunningTurn"
    cells: list[dict[str, Any]]
    changes: TurnChanges
    fixes: str = ""
    applies: bool = False
    runs: bool = False

    def propose(self) -> None:
        """Wait for the end of the turn, and send its code to the page."""
        self.running.wait()
        answer = self.running.turn.final_response if self.running.error is None else ""
        code = last_python(code_blocks(answer))
        if code is None:
            return
        target, code = split_target(code) if self.fixes else ("", code)
        cell = next((cell for cell in self.cells if plain_id(cell) == target), None) if target else self.cells[0]
        # The page warns about a cell that it has not sent.
        before = "" if cell is None else str(cell["source"])
        name, after = target or plain_id(self.cells[0]), code.rstrip("\n")
        if after != before:
            edit = self.changes.expect({"kind": "replace", "cell": name, "before": before, "after": after})
            how = {"apply": self.applies, "fixes": self.fixes, "run": self.runs}
            self.page.send("change", edit=edit, cell=name, before=before, after=after, **how)


ACTIONS: Final[dict[str, Callable[[LabService, LabPage, dict[str, Any]], dict[str, Any] | None]]] = {
    "chat": LabService._show_chat,
    "prompt": LabService._send_prompt,
    "settings": LabService._change_settings,
    "notebooks": LabService._receive_notebooks,
    "undo": LabService._preview_undo,
    "apply_undo": LabService._apply_undo,
    "answer": LabService._receive_answer,
    "decided": LabService._receive_decision,
}
"""The actions of a page by their names in `do`."""
