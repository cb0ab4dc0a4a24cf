"""Answer the calls of hooks, on a thread, over a socket that only this user can reach."""

import json
import logging
import os
import shlex
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from codex_jupyter.sdk.errors import UnsupportedOperationError
from codex_jupyter.sdk.executable.config_flags import override_of
from codex_jupyter.sdk.hooks import program
from codex_jupyter.sdk.models.hooks import DENIABLE, HookCall, HookEvent, HookHandler, HookReply
from codex_jupyter.sdk.processes.spawn import system_error
from codex_jupyter.sdk.user_functions import described

TIMEOUT: Final = 60
"""Seconds for a call. Codex continues as if there were no hook if the reply takes longer."""
_log: Final = logging.getLogger("codex_jupyter")


def hook_flags(hooks: Mapping[HookEvent, HookHandler]) -> list[str]:
    """Return the settings that define hooks, as `key=value` texts. They are the same for each call, and contain no secret.

    Args:
        hooks: The functions by their events.

    Raises:
        UnsupportedOperationError: On a system without sockets that are files.
    """
    if not hooks:
        return []
    if not hasattr(socket, "AF_UNIX") or not sys.executable:
        raise UnsupportedOperationError("Hooks need a system with Unix sockets, and a Python executable. Leave them out.")
    command = shlex.join([sys.executable, "-I", "-S", str(Path(program.__file__))])
    entry = [{"hooks": [{"type": "command", "command": command, "timeout": TIMEOUT}]}]
    # The variable is for the hooks only. The commands of the agent need not see it.
    return [*(override_of(("hooks", event), entry) for event in hooks), f'shell_environment_policy.set.{program.VARIABLE}=""']


@contextmanager
def serving(hooks: Mapping[HookEvent, HookHandler]) -> Iterator[dict[str, str]]:
    """Answer the calls of hooks until the end of the block.

    Args:
        hooks: The functions by their events.

    Yields:
        The environment variables of the CLI that lead to the hooks. Empty without hooks.

    Raises:
        TransportError: If the system refuses the socket.
    """
    if not hooks:
        yield {}
        return
    server = HookServer(hooks)
    try:
        yield {program.VARIABLE: server.path}
    finally:
        server.close()


class HookServer:
    """Answers the calls of hooks. A call does not wait for another one.

    Args:
        hooks: The functions by their events.

    Raises:
        TransportError: If the system refuses the socket.

    Attributes:
        path: The path of the socket, in a folder that only this user can enter.
    """

    def __init__(self, hooks: Mapping[HookEvent, HookHandler]) -> None:
        self._hooks, self._owner = hooks, os.getpid()
        try:
            self._folder = tempfile.mkdtemp(prefix="codex-hooks-")
            self.path: str = str(Path(self._folder, "s"))
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(self.path)
            self._socket.listen(64)
            threading.Thread(target=self._accept, name="codex-hooks", daemon=True).start()
        except (OSError, RuntimeError) as error:
            raise system_error("The hooks cannot be served", error) from error

    def close(self) -> None:
        """Answer no more calls, and remove the socket. Safe to call twice."""
        if os.getpid() == self._owner:  # a forked child shares the socket and the folder with its parent, which still needs them
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            shutil.rmtree(self._folder, ignore_errors=True)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), name="codex-hook", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(TIMEOUT)
            data = b"".join(iter(lambda: connection.recv(65536), b""))
            connection.sendall(self.reply_to(data))

    def reply_to(self, data: bytes) -> bytes:
        """Call the function of a call, and return its reply. A function that fails denies what it can deny.

        Args:
            data: The call, as Codex sends it.
        """
        event = ""
        try:
            call = HookCall.from_wire(json.loads(data))
            event = call.event
            reply = self._hooks[call.event](call)
            if reply is not None and not isinstance(reply, HookReply):
                raise TypeError(f"The hook returned {type(reply).__name__}. It must return a HookReply or None.")
            return _encoded({} if reply is None else reply.to_wire(event))
        except BaseException as error:  # also of `sys.exit`: without a reply, Codex continues as without a hook
            _log.exception("The hook for %s failed", event or "an unknown event")
            if event not in DENIABLE:
                return b""
            return _encoded(HookReply(deny=f"The hook failed: {described(error)}").to_wire(event))


def _encoded(reply: dict[str, Any]) -> bytes:
    # Without surrogates, for which Codex would ignore the reply.
    return json.dumps(reply, ensure_ascii=False).encode(errors="replace") if reply else b""
