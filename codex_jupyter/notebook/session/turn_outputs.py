"""Show the turns of a notebook in the outputs of its cells: live, whole on request, and with notices about earlier turns."""

import sys
from functools import partial
from typing import Any

from codex_jupyter.notebook.display.finished_items_display import FinishedItemsDisplay
from codex_jupyter.notebook.display.front_end import applies_updates
from codex_jupyter.notebook.display.live_display import AnswerDisplay, LiveDisplay
from codex_jupyter.notebook.display.terminal_display import TerminalDisplay, status_line
from codex_jupyter.notebook.display.turn_display import SafeDisplay, TurnDisplay
from codex_jupyter.notebook.images.display_log import display_own
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo, closing_bundle, prompt_bundle, turn_bundle
from codex_jupyter.notebook.session.cell_outputs import CellOutputs, TurnInCell
from codex_jupyter.notebook.session.cut_output import CutOutput
from codex_jupyter.notebook.session.notebook_thread import MAIN, NotebookThread
from codex_jupyter.notebook.session.registry import ThreadRegistry
from codex_jupyter.notebook.session.request import DisplayMode, PromptRequest, PromptSettings
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import Turn


class TurnOutputs:
    """The outputs of turns in the cells of a notebook. Turns are shown by it as the values of cells, too.

    Args:
        shell: The notebook's shell.
        settings: Settings of the notebook.
        threads: The threads of the notebook.
    """

    def __init__(self, shell: Any, settings: PromptSettings, threads: ThreadRegistry) -> None:
        self._shell, self._settings, self._threads = shell, settings, threads
        self._just_shown: Turn | RunningTurn | None = None
        self._warning_shown: str | None = None
        self._cut_output = CutOutput()
        self._in_cells = CellOutputs()
        shell.events.register("post_run_cell", self._end_of_cell)
        self._formatter.for_type(Turn, self.display)
        self._formatter.for_type(RunningTurn, self._display_running)

    def close(self) -> None:
        """Stop showing turns."""
        self._shell.events.unregister("post_run_cell", self._end_of_cell)
        self._formatter.pop(Turn, None)
        self._formatter.pop(RunningTurn, None)

    @property
    def _formatter(self) -> Any:
        return self._shell.display_formatter.ipython_display_formatter

    def print_notices(self, name: str) -> None:
        """Print what the user needs to know before a turn of a thread: that it has an earlier thread, or that an output was cut."""
        self._mention_earlier_thread(name)
        if notice := self._cut_output.notice(self._shell, self._threads.notebook):
            print(notice)

    def open(self, info: TurnInfo, request: PromptRequest) -> SafeDisplay:
        """Return what shows a new turn in the running cell. It is called on the main thread.

        Args:
            info: What is known about the turn.
            request: The request of the turn.
        """
        display = self._display(info, request.display, background=request.background, raises=request.raise_errors)
        live = isinstance(display, LiveDisplay)
        self._cut_output.shown(self._shell, info.began if live else None)
        if isinstance(display, LiveDisplay):
            self._in_cells.add(self._shell, display)
        if request.background and isinstance(display, LiveDisplay):
            display.reserve()
        repeat = display.repeat if request.background and isinstance(display, LiveDisplay) else None
        return SafeDisplay(display, _show_bundle, updates_in_place=live, repeat=repeat)

    def of_other_pages(self, session: str) -> list[TurnInCell]:
        """Return the outputs of turns that another page has shown in cells. The page that asks updates them from now on.

        Args:
            session: The session of this page.
        """
        turns = self._in_cells.of_other_pages(session)
        if turns:
            self._cut_output.continues(session)
        return turns

    def shown(self, turn: Turn | RunningTurn) -> None:
        """Remember the turn that the running cell shows, so that it is not shown again as the value of the cell."""
        self._just_shown = turn

    def show(self, conversation: NotebookThread) -> None:
        """Show the last turn of a thread again. A running turn is shown live until it ends or an interrupt ends the display.

        A turn whose output was cut, which a cell has mentioned, is shown first, once.
        """
        began, self._cut_output = self._cut_output.began, CutOutput()
        cut = next((past for past in self._threads.turns if past.info.began is not None and past.info.began == began), None)
        if cut is not None:
            self._show_turn(cut.turn, cut.info)
            return
        running = conversation.running
        if running is None or running.finished:
            conversation.wait()
            self._show_turn(conversation.turns[-1].turn, conversation.turns[-1].info)
            return
        shown = SafeDisplay(self._display(conversation.info, "live"), _show_bundle)
        for turn in running.updates():
            shown.update(turn)
        shown.finish(running.turn, running.complete_info(conversation.info))

    def display(self, turn: Turn) -> None:
        """Show a turn where the code runs, except as the value of the cell that has just shown it live."""
        if turn is not self._just_shown:
            self._show_turn(turn, self._info_of(turn))
        elif not hasattr(self._shell, "kernel"):
            print("the turn above")  # after an `Out[1]:` that is already written

    def _display_running(self, running: RunningTurn) -> None:
        """Show a turn in the background as its text, except as the value of the cell that shows it live.

        Raises:
            NotImplementedError: If IPython is to show the text.
        """
        if running is not self._just_shown:
            raise NotImplementedError
        if not hasattr(self._shell, "kernel"):
            print("a turn in the background; `%codex wait` waits for it")

    def show_warning(self) -> None:
        """Print a problem with remembering the threads, once."""
        warning = self._threads.warning
        if warning is not None and warning != self._warning_shown:
            self._warning_shown = warning
            print(warning)

    def _show_turn(self, turn: Turn, info: TurnInfo) -> None:
        show_turn(turn, info, folded=self._settings.fold_work)

    def _info_of(self, turn: Turn) -> TurnInfo:
        """Return what is known about a turn. The result of a turn in the background may exist before its display is complete."""
        for conversation in self._threads.conversations.values():
            if conversation.running is not None and conversation.running.turn is turn and conversation.follower is not None:
                conversation.follower.join()
        return next((past.info for past in self._threads.turns if past.turn is turn), TurnInfo())

    def _mention_earlier_thread(self, name: str) -> None:
        """Print once that an earlier kernel left a thread which this one does not continue by itself."""
        threads = self._threads
        current = threads.conversations.get(name)
        if name in threads.resolved or (current is not None and current.thread.id is not None):
            return
        threads.resolved.add(name)
        remembered = next((record for record in threads.remembered.threads if record.name == name), None)
        self.show_warning()
        record = remembered or next((record for record in threads.named if record.name == name), None)
        if record is None:
            return
        which = "" if name == MAIN else f" {name}"
        turns = f"{record.turns} turn{'s' if record.turns != 1 else ''}"
        exists = (
            f"An earlier thread{which} of this notebook exists ({turns}, {record.updated[:10]})"
            if record is remembered
            else f"The saved outputs of this notebook name an earlier thread{which} ({turns})"
        )
        print(f"{exists}; `%codex resume{which}` continues it.")

    def _end_of_cell(self, _result: object) -> None:
        self._just_shown = None

    def _display(self, info: TurnInfo, mode: DisplayMode, *, background: bool = False, raises: bool = False) -> TurnDisplay:
        if mode != "live":
            return AnswerDisplay(_show_bundle if mode == "answer" else None)
        # The error that the cell raises is shown below its outputs.
        shows_error = background or not raises
        if not hasattr(self._shell, "kernel"):
            styled = sys.stdout.isatty()
            # In the background, a status line would replace what the user types.
            return TerminalDisplay(info, status=status_line if styled and not background else None, styled=styled, shows_error=shows_error)
        updates = applies_updates(self._shell, self._settings.live_updates)
        if updates is False:
            return FinishedItemsDisplay(info, _show_bundle, partial(closing_bundle, error=shows_error))
        return LiveDisplay(info, _publish, folded=self._settings.fold_work, shows_error=shows_error, repeat_answer=updates is None)


def show_turn(turn: Turn, info: TurnInfo, *, folded: bool = True) -> None:
    """Show a whole turn in one output, where the code runs."""
    display_own(turn_bundle(turn, info, folded=folded))


def show_past(past: FinishedTurn) -> None:
    """Show a turn that no cell here has run, with its prompt."""
    if past.prompt:
        display_own(prompt_bundle(past.prompt))
    show_turn(past.turn, past.info)


def _show_bundle(bundle: dict[str, Any]) -> None:
    display_own(bundle)


def _publish(bundle: dict[str, Any], display_id: str, update: bool, metadata: dict[str, Any]) -> None:
    display_own(bundle, display_id=display_id, update=update, metadata=metadata)
