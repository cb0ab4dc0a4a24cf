"""Return the files and the thread to the state before a turn."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import ConfigError, ThreadBusyError, TransportError
from codex_jupyter.sdk.models.options import StrPath, ThreadOptions
from codex_jupyter.sdk.models.turn import Turn
from codex_jupyter.sdk.snapshots.plan import RestoreKind, RestorePlan, RestoreRefusal
from codex_jupyter.sdk.snapshots.restore import RestoreResult
from codex_jupyter.sdk.snapshots.store import SnapshotStore
from codex_jupyter.sdk.thread import Thread
from codex_jupyter.sdk.transports.base import Transport


@dataclass(frozen=True, slots=True)
class RewoundFile:
    """A file that a rewind restores.

    Attributes:
        path: The absolute path.
        kind: `create`, `change` or `delete`.
        is_final: The present content is not stored, so it cannot be brought back.
    """

    path: Path
    kind: RestoreKind
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Rewind:
    """The result of `Codex.rewind`, or what it would do."""

    files: tuple[RewoundFile, ...]
    """The restored files, links and other entries. Folders alone are not listed."""
    refused: tuple[tuple[Path, str], ...]
    """The paths that stay as they are, with the reasons, such as a change after the turn."""
    kept: tuple[Path, ...]
    """The paths that stay on request."""
    turns: int
    """The number of turns that the thread loses."""
    done: bool
    """False if nothing was changed, because only the plan was asked for."""


def _thread_of(turn: Turn) -> str:
    """Return the id of the thread of a turn.

    Raises:
        ConfigError: If the turn did not start on a thread.
    """
    if turn.thread_id is None:
        raise ConfigError("The turn cannot be taken back, because it did not start on a thread.")
    return turn.thread_id


def plan_of(store: SnapshotStore, turn: Turn, keep: Collection[StrPath]) -> RestorePlan:
    """Plan the undo of a turn and of the later turns of its thread.

    Raises:
        ConfigError: If the files of the turn were not recorded, or the turn was taken back already.
    """
    records = store.turns(_thread_of(turn))
    position = next((number for number, record in enumerate(records) if record.id == turn.snapshot_id), None)
    if turn.snapshot_id is None or position is None:
        reason = "were not recorded" if turn.snapshot_id is None else "are not stored any more, or could not be recorded"
        raise ConfigError(f"The turn cannot be taken back, because its files {reason}. Use Codex(snapshots=True) for later turns.")
    if records[position].undone:
        raise ConfigError("The turn was taken back already.")
    return store.plan_undo([record for record in records[position:] if not record.undone], keep)


async def turns_to_revert(transport: Transport, thread_id: str, turn: Turn, recorded: int) -> int:
    """Return the number of turns of the thread from this one to the last.

    Args:
        transport: A transport that can read threads.
        thread_id: The thread. It can be a fork of that of the turn, in which the turns have the same ids.
        turn: The turn.
        recorded: The number of turns from this one on, if the turn has no id.

    Raises:
        ConfigError: If the turn is not in the thread any more.
    """
    stored = (await transport.read_thread(thread_id)).turns
    ids = [other.id for other in stored]
    count = len(ids) - ids.index(turn.id) if turn.id in ids else recorded if turn.id is None else 0
    if not 1 <= count <= len(ids):
        raise ConfigError("The turn is not in the thread any more.")
    return count


async def rewind(
    transport: Transport, store: SnapshotStore, threads: Collection[Thread], turn: Turn, keep: Collection[StrPath], *, dry_run: bool
) -> Rewind:
    """Take back a turn, and the later turns of its thread. See `Codex.rewind`.

    Args:
        transport: A transport that can revert threads.
        store: The recorded files.
        threads: The objects of threads that may be in use.
        turn: The turn.
        keep: Files and folders that stay as they are.
        dry_run: Change nothing.
    """
    own = [thread for thread in threads if thread.id is not None and thread.id == turn.thread_id]
    if any(thread._state.running for thread in own):
        raise ThreadBusyError("A turn of this thread runs. Wait for it first.")
    plan = await to_thread.run_sync(plan_of, store, turn, keep)
    thread_id = _thread_of(turn)
    count = await turns_to_revert(transport, thread_id, turn, len(plan.turns))
    refused = plan.refused
    if not dry_run:
        async with restored(store, plan) as result:
            await transport.revert(thread_id, own[0].options if own else ThreadOptions(), count)
        for thread in own:
            thread._state.usage = None
        refused = (*refused, *result.failed)
    return _result(plan, refused, count, done=not dry_run)


@asynccontextmanager
async def restored(store: SnapshotStore, plan: RestorePlan) -> AsyncIterator[RestoreResult]:
    """Restore the files of a plan, and bring the present files back if the body of the `async with` fails.

    Args:
        store: The recorded files.
        plan: The undo or redo.

    Raises:
        TransportError: If the recorded files cannot be used. Nothing was changed then.
    """
    try:
        result = await to_thread.run_sync(store.restore, plan)
    except OSError as error:
        raise TransportError(f"No file was changed, because the recorded files cannot be used: {error}") from error
    try:
        yield result
    except BaseException:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_reverse, store, plan)
        raise


def _reverse(store: SnapshotStore, plan: RestorePlan) -> None:
    """Bring the files back to the state before a plan was carried out."""
    records = [record for record in map(store.turn, (turn.id for turn in plan.turns)) if record is not None]
    store.restore(store.plan_undo(records) if plan.redo else store.plan_redo(records))


def _result(plan: RestorePlan, refused: Collection[RestoreRefusal], turns: int, *, done: bool) -> Rewind:
    failed = {refusal.file for refusal in refused}
    files = tuple(RewoundFile(Path(step.file), step.kind, step.is_final) for step in plan.files if step.file not in failed)
    return Rewind(
        files, tuple((Path(refusal.file), refusal.reason) for refusal in refused), tuple(map(Path, plan.kept)), turns=turns, done=done
    )
