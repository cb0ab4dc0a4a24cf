"""Undo and redo of turns: their files, the cells that they changed, and the thread. The variables of the kernel stay."""

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn, Undoable
from codex_jupyter.notebook.render.phrases import count
from codex_jupyter.notebook.session.client import NotebookClient
from codex_jupyter.notebook.session.notebook_thread import NotebookThread
from codex_jupyter.notebook.session.registry import ThreadRegistry
from codex_jupyter.notebook.session.undo_plan import UndoPlan, refusals
from codex_jupyter.notebook.workspace.coverage import shown_path
from codex_jupyter.sdk import (
    Codex,
    CodexError,
    ConfigError,
    SnapshotStore,
    StrPath,
    ThreadOptions,
    TurnRecord,
)
from codex_jupyter.sdk.rewinding import restored, turns_to_revert

NO_TURN: Final = "There is no turn that can be undone."


@dataclass(slots=True)
class Undo:
    """Takes back the turns of a notebook. Fronts show `UndoPlan.preview`, ask, and call `apply`.

    Args:
        threads: The threads of the notebook.
        client: The client of the threads.
        store: The recorded files.
    """

    threads: ThreadRegistry
    client: NotebookClient
    store: SnapshotStore
    observers: list[Callable[[FinishedTurn], object]] = field(default_factory=list)
    """Called with each turn that was undone or redone."""
    _undone: list[UndoPlan] = field(default_factory=list)
    """The undos of this kernel that were not redone, oldest first."""
    _forgotten: set[int] = field(default_factory=set)
    """The turns, by the identity of their value, that the thread has lost."""

    def plan(self, number: int = 1, keep: Collection[StrPath] = (), thread: NotebookThread | None = None) -> UndoPlan:
        """Return what an undo of the last turns would do. Changes nothing.

        Args:
            number: The number of turns.
            keep: Files and folders that stay as they are.
            thread: The thread. None is the one that was used last.

        Raises:
            UsageError: If there are fewer turns.
            ThreadBusyError: If a turn of the thread runs.
        """
        thread = self._thread(thread)
        records = self._records(thread)
        turns = self._undoable(thread, records)
        if not 1 <= number <= len(turns):
            most = f"There {'is' if len(turns) == 1 else 'are'} {count(len(turns), 'turn')} that can be undone."
            raise UsageError(most if turns else NO_TURN)
        turns = turns[-number:]
        matching = [_record(past, records) for past in turns]
        stays = [_unrecorded(past) for past, record in zip(turns, matching, strict=True) if record is None and _may_have_written(past)]
        cells, stuck = _possible(_joined([cell for past in turns for cell in past.undoables]))
        files = self.store.plan_undo([record for record in matching if record is not None], keep)
        is_remembered = not any(id(past.turn) in self._forgotten for past in turns)
        return UndoPlan(thread, tuple(turns), files, cells, (*stays, *stuck), self._folder(turns), is_remembered)

    def plan_from(self, thread: NotebookThread, past: FinishedTurn, keep: Collection[StrPath] = ()) -> UndoPlan:
        """Return what an undo of a turn and of the later ones of its thread would do; see `plan`."""
        turns = [other.turn for other in self._undoable(thread, self._records(thread))]
        number = next((len(turns) - place for place, turn in enumerate(turns) if turn is past.turn), None)
        if number is None:
            raise UsageError("This turn was undone already.")
        return self.plan(number, keep, thread)

    def plan_redo(self, keep: Collection[StrPath] = (), thread: NotebookThread | None = None) -> UndoPlan:
        """Return what a redo of the last undo would do. Changes nothing.

        Args:
            keep: Files and folders that stay as they are.
            thread: The thread. None is the one that was used last.

        Raises:
            UsageError: If nothing was undone.
            ThreadBusyError: If a turn of the thread runs.
        """
        thread = self._thread(thread)
        undone = next((plan for plan in reversed(self._undone) if plan.thread is thread), None)
        records = [record for record in self._records(thread) if record.undone]
        if undone is None and not records:
            raise UsageError("Nothing was undone that could be redone.")
        newest = max((record.undone for record in records), default="")
        group = undone.files.turns if undone is not None else [record for record in records if record.undone == newest]
        ids = {record.id for record in group}
        cells, stuck = _possible(undone.cells if undone is not None else ())
        files = self.store.plan_redo([record for record in records if record.id in ids], keep)
        turns = undone.turns if undone is not None else tuple(past for past in thread.history if past.turn.snapshot_id in ids)
        lost = _not_redone(thread, undone)
        copy = undone.copy if undone is not None and not lost else ""
        return UndoPlan(thread, turns, files, cells, stuck, self._folder(turns), bool(copy), copy, lost)

    def apply(self, plan: UndoPlan) -> str:
        """Do what a plan says. Call it on the main thread.

        Args:
            plan: The plan.

        Returns:
            Lines about what was done, and what was not.

        Raises:
            ThreadBusyError: If a turn of the thread runs.
            CodexError: If the thread cannot be reverted. Then the files are as before.
        """
        self.threads.check_idle(plan.thread.name)
        failed, note, copy = self.client.event_loop.call(partial(self._restore, plan))
        lines = [note] if note else []
        for cell in plan.cells if plan.files.redo else reversed(plan.cells):
            try:
                (cell.redo if plan.files.redo else cell.undo)()
            except Exception as error:
                failed.append(f"{cell.name}: {error}")
        if plan.files.redo:
            self._undone = [undone for undone in self._undone if undone.turns != plan.turns]
        else:
            self._undone.append(replace(plan, copy=copy))
        self._mark(plan)
        done = f"{'Redone' if plan.files.redo else 'Undone'}: {plan.summary}."
        return "\n".join([done, *lines, *(["Not done:", *(f"  {line}" for line in failed)] if failed else [])])

    def _undoable(self, thread: NotebookThread, records: Sequence[TurnRecord]) -> list[FinishedTurn]:
        """Return the turns of a thread that were not undone, oldest first."""
        return [past for past in thread.history if not past.info.undone and not getattr(_record(past, records), "undone", "")]

    def _thread(self, thread: NotebookThread | None = None) -> NotebookThread:
        """Return the thread that was used last, of an earlier kernel if this one has used none. No turn of it may run."""
        thread = thread or self.threads.last
        if thread is None:
            earlier = self.threads.earlier()
            if earlier is None:
                raise UsageError(NO_TURN)
            thread = self.threads.adopt(earlier.name, earlier.id, earlier)
        self.threads.check_idle(thread.name)
        return thread

    def _folder(self, turns: Sequence[FinishedTurn]) -> Path:
        """Return the folder that names of files are relative to: that of the last turn."""
        return Path(turns[-1].info.cwd) if turns and turns[-1].info.cwd else self.client.home

    def _records(self, thread: NotebookThread) -> list[TurnRecord]:
        """Return the records of a thread, oldest first, also those of the thread that it was forked from."""
        ids = {past.turn.thread_id for past in thread.history} | {thread.thread.id}
        return [record for record in self.store.turns() if record.thread_id in ids - {None}]

    async def _restore(self, plan: UndoPlan) -> tuple[list[str], str, str]:
        """Restore the files and change the thread. Return what was not restored, a note about the thread, and the id of its copy."""
        note = copy = ""
        async with restored(self.store, plan.files) as result, AsyncExitStack() as stack:
            codex, thread = self.client.codex, plan.thread.thread
            if plan.changes_thread and thread.id is not None:
                is_own = codex.transport.has_history
                server = codex if is_own else await stack.enter_async_context(Codex(codex.options, transport="app-server"))
                if plan.files.redo:
                    await self._continue_copy(plan, server)
                else:
                    note, copy = await self._revert(plan, thread.id, server)
        return refusals(result.failed, plan.home), note, copy

    async def _revert(self, plan: UndoPlan, thread_id: str, server: Codex) -> tuple[str, str]:
        """Take the turns out of the thread. Return a note if they are not in it any more, and the id of a copy that has them."""
        thread, codex = plan.thread.thread, self.client.codex
        try:
            number = await turns_to_revert(server.transport, thread_id, plan.turns[0].turn, len(plan.turns))
        except ConfigError:
            return "The turns are not in the thread any more, so the thread stays as it is.", ""
        copy = ""
        # The server cannot take a revert back. The copy is archived, so that no list of threads shows it.
        with suppress(CodexError):
            # A thread of an earlier kernel has the options of no prompt yet, and the copy runs nothing.
            fork = await server.fork_thread(thread_id, ThreadOptions.of(thread.options, {"skip_git_repo_check": True}))
            await server.archive_thread(fork.id or "")
            copy = fork.id or ""
        await (thread if server is codex else server.resume_thread(thread_id, thread.options)).revert(number)
        if server is not codex:
            # Only the file of the thread has its tokens now.
            plan.thread.thread, plan.thread.tools = codex.resume_thread(thread_id, thread.options), None
        self._forgotten.update(id(past.turn) for past in plan.turns)
        return "", copy

    async def _continue_copy(self, plan: UndoPlan, server: Codex) -> None:
        """Let the name of the thread stand for the copy that has the turns, and archive the thread that lost them."""
        thread = plan.thread.thread
        await server.unarchive_thread(plan.copy)
        plan.thread.thread, plan.thread.tools = self.client.codex.resume_thread(plan.copy, thread.options), None
        self._forgotten.difference_update(id(past.turn) for past in plan.turns)
        with suppress(CodexError):
            await server.archive_thread(thread.id or "")

    def _mark(self, plan: UndoPlan) -> None:
        """Show in the outputs of the turns, and wherever they are listed, if they are undone."""
        marked = {id(past.turn): replace(past, info=replace(past.info, undone=not plan.files.redo)) for past in plan.turns}
        for turns in (plan.thread.past, plan.thread.turns, self.threads.turns):
            turns[:] = [marked.get(id(past.turn), past) for past in turns]
        for past in marked.values():
            if past.mark is not None:
                past.mark(past.turn, past.info)
            for observe in self.observers:
                observe(past)
        self.threads.remember(plan.thread)
        self.threads.notify(plan.thread.name)


def _record(past: FinishedTurn, records: Sequence[TurnRecord]) -> TurnRecord | None:
    """Return the record of a turn, by its own id or by the server's id of the turn. The outputs of a notebook may lack the former."""
    by_id = (record for record in records if record.id == past.turn.snapshot_id)
    by_turn = (record for record in records if record.turn_id is not None and record.turn_id == past.turn.id)
    return next(by_id, None) or next(by_turn, None)


def _not_redone(thread: NotebookThread, undone: UndoPlan | None) -> str:
    """Return the reason why a redo does not bring the turns back into the thread. Empty if it does, or if the undo left them there."""
    if undone is None:
        return "the undo was done in an earlier kernel"
    if not undone.changes_thread:
        return ""
    history = thread.history
    last = next((place for place, past in enumerate(history) if past.turn is undone.turns[-1].turn), None)
    if last is None or not all(past.info.undone for past in history[last:]):
        return "it was continued after the undo"
    return "" if undone.copy else "no copy of it could be kept"


def _may_have_written(past: FinishedTurn) -> bool:
    rights, info = past.turn.rights, past.info
    sandbox = rights.sandbox if rights is not None else info.sandbox
    return sandbox != "read-only" or info.kernel in ("ask", "once", "run")


def _unrecorded(past: FinishedTurn) -> str:
    excerpt = shown_path(" ".join(past.prompt.split())[:40], Path(os.sep))
    return f"files of the turn {excerpt!r}: were not recorded"


def _joined(cells: Sequence[Undoable]) -> list[Undoable]:
    """Return the changes of several turns, with one for each cell: its state between two turns is not that of the notebook."""
    joined: list[Undoable] = []
    for cell in cells:
        for earlier in joined:
            if (both := cell.joined(earlier)) is not None:
                joined.remove(earlier)
                joined.append(both)
                break
        else:
            joined.append(cell)
    return joined


def _possible(cells: Sequence[Undoable]) -> tuple[tuple[Undoable, ...], tuple[str, ...]]:
    """Return the cells that can be changed back, and a line for each that cannot."""
    problems = [(cell, cell.problem()) for cell in cells]
    stays = tuple(f"{cell.name}: {problem}" for cell, problem in problems if problem)
    return tuple(cell for cell, problem in problems if not problem), stays
