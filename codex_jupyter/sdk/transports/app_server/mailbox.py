"""Messages from the thread that reads from a server to a task of any event loop."""

import socket
from collections import deque
from contextlib import suppress
from typing import Any

from codex_jupyter.sdk.errors import TransportError
from codex_jupyter.sdk.processes.forks import FORKED
from codex_jupyter.sdk.processes.pipes import ReadyWatch
from codex_jupyter.sdk.processes.spawn import system_error

Message = dict[str, Any]


class Mailbox:
    """A queue of messages. Any thread can add to it, and a task on any event loop can wait for it."""

    def __init__(self) -> None:
        self._messages: deque[Message | None] = deque()
        self._is_inherited = False
        try:
            self._reader, self._writer = socket.socketpair()
        except OSError as error:
            raise system_error("The codex app-server cannot be reached", error) from error
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._watch = ReadyWatch(self._reader.fileno(), self._read)

    def put(self, message: Message | None) -> None:
        """Add a message, from any thread. None means that there will not be another one."""
        self._messages.append(message)
        with suppress(OSError):  # full: the waiting task is already notified; closed: no task waits
            self._writer.send(b"\0")

    async def get(self) -> list[Message | None]:
        """Wait for messages, and return them in order; at least one.

        Raises:
            TransportError: In a forked child, because the messages belong to the parent.
        """
        while not self._messages:
            if self._is_inherited:
                raise TransportError(FORKED)
            await self._watch.wait()
        taken = []
        while self._messages:
            taken.append(self._messages.popleft())
        return taken

    def close(self) -> list[Message | None]:
        """Free it, and return the messages that were not read."""
        self._watch.pause()
        self._reader.close()
        self._writer.close()
        return list(self._messages)

    def forget_parent(self) -> None:
        """Leave it to the parent. See `ForkAware`."""
        self._is_inherited = True
        self._watch.forget_parent()
        self._messages.clear()
        self._reader.close()
        self._writer.close()

    def _read(self) -> None:
        with suppress(BlockingIOError):
            self._reader.recv(4096)
