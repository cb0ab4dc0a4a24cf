"""The methods of a client that work on stored threads."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack, get_args

from anyio import to_thread

from codex_jupyter.sdk.client_base import ClientBase
from codex_jupyter.sdk.errors import ConfigError, UnsupportedOperationError
from codex_jupyter.sdk.executable.workspace import absolute
from codex_jupyter.sdk.models.options import StrPath, ThreadOptions, ThreadOptionsDict
from codex_jupyter.sdk.models.stored_threads import ThreadHistory
from codex_jupyter.sdk.models.turn import Turn
from codex_jupyter.sdk.rewinding import Rewind, rewind
from codex_jupyter.sdk.rollouts import codex_home
from codex_jupyter.sdk.thread import Thread, check_thread_id
from codex_jupyter.sdk.thread_list import ThreadOrder, ThreadPage, ThreadQuery, list_threads
from codex_jupyter.sdk.tools import ToolLike, ToolSet


class ThreadMethods(ClientBase):
    """List, read, fork, name, archive and delete threads."""

    async def fork_thread(
        self,
        thread_id: str,
        options: ThreadOptions | None = None,
        *,
        last_turn_id: str | None = None,
        tools: Sequence[ToolLike] = (),
        **changes: Unpack[ThreadOptionsDict],
    ) -> Thread:
        """Start a new conversation with the history of another one, which stays as it is and may be in use elsewhere.

        Args:
            thread_id: The UUID of the source thread, see `Thread.id`. It must have a finished turn.
            options: Options of the new thread. Options of the source thread are not inherited.
            last_turn_id: The last turn of the history that is copied, see `StoredTurn.id`. None copies all turns.
            tools: The functions of the tools that the source thread was started with, as in `resume_thread`.
            **changes: The fields of `ThreadOptions`.

        Returns:
            The new thread, which has an id already.

        Raises:
            ThreadNotFoundError: If the id is not a UUID, or there is no such thread.
            ConfigError: If an option is unknown or invalid, such as `ephemeral`: a fork is stored.
            UnsupportedOperationError: If a custom transport cannot fork.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        options, tool_set = ThreadOptions.of(options, changes), self._tool_set(tools)
        if options.ephemeral:
            raise ConfigError("A fork cannot be ephemeral, because the CLI stores it. Leave ephemeral out.")
        if not self._transport.can_fork:
            raise UnsupportedOperationError("This transport cannot fork a thread. Use the transport 'exec'.")
        source = check_thread_id(thread_id)
        if last_turn_id is None:
            forked = await self._transport.fork(source, options)
        else:
            async with self._server() as server:
                forked = await server.fork(source, options, last_turn_id)
        return self._thread(options, forked, tool_set)

    def _thread(self, options: ThreadOptions, thread_id: str | None, tool_set: ToolSet) -> Thread:
        """Return a new object of a thread."""
        thread = Thread(
            self._transport,
            options,
            thread_id,
            self._stored_usage,
            tool_set,
            self.set_thread_name,
            self._snapshots,
            partial(codex_home, self._options.env),
        )
        self._threads.add(thread)
        return thread

    async def rewind(self, turn: Turn, *, keep: Collection[StrPath] = (), dry_run: bool = False) -> Rewind:
        """Return the files and the thread to the state before a turn, which also takes back the later turns of the thread.

        The files include those that commands wrote. A file that changed after the turn stays as it is, and `Rewind.refused` names it.

        Args:
            turn: A turn that was run with `Codex(snapshots=...)`, also one of an earlier process.
            keep: Files and folders that stay as they are.
            dry_run: Return what would be done, and change nothing.

        Raises:
            UnsupportedOperationError: If the client records no files, or if a custom transport cannot revert threads.
            ConfigError: If the files of the turn were not recorded, or it was taken back already.
            ThreadBusyError: If a turn of the thread runs.
            TransportError: If the CLI failed. Nothing was changed then.
        """
        if self._snapshots is None:
            raise UnsupportedOperationError("This client records no files, so no turn can be taken back. Use Codex(snapshots=True).")
        async with self._server() as server:
            return await rewind(server, self._snapshots, list(self._threads), turn, keep, dry_run=dry_run)

    async def list_threads(
        self,
        working_directory: StrPath | None = None,
        *,
        everywhere: bool = False,
        archived: bool = False,
        search: str = "",
        sources: Collection[str] = (),
        order: ThreadOrder = "updated",
        limit: int | None = 50,
        cursor: str | None = None,
    ) -> ThreadPage:
        """Return the stored threads that were started in a folder, newest first. Starts no process.

        Threads of sub-agents, and compressed ones, are left out.

        Args:
            working_directory: The folder. None is the current folder of this process.
            everywhere: Return the threads of all folders instead.
            archived: Return the archived threads instead of the others.
            search: Return only threads with this text in their name or title, in upper or lower case.
            sources: Return only threads that these programs started, such as `exec`, `cli` or `vscode`. Empty for all.
            order: Sort by the time of the last change, or of the creation.
            limit: The maximum number of threads; None for all. The file of each returned thread is read completely.
            cursor: The `next_cursor` of the page before. None returns the first page.

        Returns:
            The threads, a list with the attribute `next_cursor`.

        Raises:
            ConfigError: If both a folder and `everywhere` are given, or another argument is invalid.
        """
        if everywhere and working_directory is not None:
            raise ConfigError("working_directory and everywhere=True exclude each other. Pass one of them.")
        if limit is not None and limit < 0:
            raise ConfigError(f"limit is {limit}. It must be 0 or more, or None.")
        if order not in get_args(ThreadOrder):
            raise ConfigError(f"order is {order!r}. It must be 'updated' or 'created'.")
        query = ThreadQuery(
            working_directory=None if everywhere else absolute(Path(working_directory or ".")),
            archived=archived,
            search=search,
            sources=frozenset([sources] if isinstance(sources, str) else sources),
            order=order,
            limit=limit,
            cursor=cursor,
        )
        return await to_thread.run_sync(list_threads, codex_home(self._options.env), query)

    async def read_thread(self, thread_id: str) -> ThreadHistory:
        """Read a stored thread with all its turns. Sends nothing to the model.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.

        Raises:
            UnsupportedOperationError: If a custom transport does not support it.
            ThreadNotFoundError: If the id is not a UUID, or there is no such thread.
            TransportError: If the CLI failed.
        """
        async with self._server() as server:
            return await server.read_thread(check_thread_id(thread_id))

    async def set_thread_name(self, thread_id: str, name: str) -> None:
        """Give a stored thread a name. Lists show it instead of the title.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.
            name: The name. It must not be empty.

        Raises:
            ConfigError: If the name is empty.
            ThreadNotFoundError: If the id is not a UUID, or there is no such thread.
            UnsupportedOperationError: If a custom transport does not support it.
            TransportError: If the CLI failed.
        """
        if not name.strip():
            raise ConfigError("The name of a thread must not be empty.")
        await self._ask("thread/name/set", {"threadId": check_thread_id(thread_id), "name": name.strip()})

    async def archive_thread(self, thread_id: str) -> None:
        """Move a thread out of the list of threads. It cannot be continued before `unarchive_thread`.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.

        Raises:
            ThreadBusyError: If a turn of it runs.
            CodexError: As `set_thread_name` does.
        """
        await self._change("thread/archive", thread_id)

    async def unarchive_thread(self, thread_id: str) -> None:
        """Undo `archive_thread`. Raises as `set_thread_name` does.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.
        """
        await self._change("thread/unarchive", thread_id)

    async def delete_thread(self, thread_id: str) -> None:
        """Delete a stored thread for good. A thread that another one was forked from must be deleted after that.

        Args:
            thread_id: The UUID of the thread, as in `Thread.id`.

        Raises:
            ThreadBusyError: If a turn of it runs.
            CodexError: As `set_thread_name` does.
        """
        await self._change("thread/delete", thread_id)

    async def _change(self, method: str, thread_id: str) -> None:
        thread_id = check_thread_id(thread_id)
        await self._transport.unload(thread_id)
        await self._ask(method, {"threadId": thread_id})
