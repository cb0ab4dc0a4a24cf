"""The log of codex processes: their start and exit, their error output, and each message on the wire.

Starts and exits go to `logging.getLogger("codex_jupyter")` at INFO, and the error output at DEBUG. The messages on the wire go to its child
`codex_jupyter.wire` at DEBUG, if one of the two loggers has this level itself: a turn has about a thousand messages, which a program that
sets its root logger to DEBUG did not ask for. Secrets are masked. A message that is not logged costs two comparisons.
`CodexOptions.log_wire` names a file that receives each message on the wire in full.
"""

import json
import logging
import os
import shlex
import stat
from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from codex_jupyter._system_errors import explained
from codex_jupyter.sdk.errors import ConfigError
from codex_jupyter.sdk.models.options import StderrHandler
from codex_jupyter.sdk.redaction import MARGIN, MASK, is_secret_name, mask

LOGGER: Final = logging.getLogger("codex_jupyter")
LOGGER.addHandler(logging.NullHandler())  # without a handler of the program, nothing is printed
WIRE: Final = logging.getLogger("codex_jupyter.wire")
MAX_LOGGED: Final = 10_000
"""Maximum characters of a logged message. A longer one is cut."""
MAX_STDERR_LINE: Final = 64 * 1024
"""Maximum bytes of a line of the error output. A longer one is split."""


class WireFile:
    """A file with the messages of the wire, one JSON object per line. Only this user can read it.

    Args:
        path: The file. It is created if it does not exist, and never replaced.

    Raises:
        ConfigError: If it cannot be written, or is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with self._opened() as handle:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise ConfigError(f"log_wire: {path} is not a file. Name a new file.")
                if hasattr(os, "fchmod"):
                    os.fchmod(handle, 0o600)
        except OSError as error:
            raise ConfigError(f"log_wire: {path} cannot be written: {explained(error)}. Name another file.") from error

    def write(self, pid: int, direction: str, data: bytes, secrets: Sequence[str]) -> None:
        """Append a message. An error is logged, because it must not stop the turn.

        Args:
            pid: The process of the CLI.
            direction: `sent` or `received`.
            data: The message.
            secrets: Texts that the file must not contain.
        """
        text = data.decode(errors="replace").rstrip("\r\n")
        try:
            message = _masked(json.loads(text), secrets)
        except (ValueError, RecursionError):
            message = mask(text, secrets)
        entry = {"time": datetime.now(UTC).isoformat(), "pid": pid, "direction": direction, "message": message}
        line = json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n"
        try:
            with self._opened() as handle:  # opened for each message, so that a rotated file is not kept open
                os.write(handle, line)
        except OSError:
            LOGGER.exception("codex %d: a message cannot be written to %s", pid, self._path)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"):
            flags |= getattr(os, name, 0)
        handle = os.open(self._path, flags, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    """Return a JSON value with the secrets in its texts masked."""
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, list):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, dict):
        hidden = {name for name, item in value.items() if isinstance(item, str) and item and is_secret_name(name)}
        return {mask(name, secrets): MASK if name in hidden else _masked(item, secrets) for name, item in value.items()}
    return value


class ProcessLog:
    """The log of one process.

    Args:
        secrets: Texts that no message may contain.
        on_stderr: Called with each line of the error output, on a thread of this package or of the event loop.
        wire: The file that receives each message, see `CodexOptions.log_wire`.

    Raises:
        ConfigError: If the file cannot be written.
    """

    def __init__(self, secrets: Sequence[str] = (), on_stderr: StderrHandler | None = None, wire: Path | None = None) -> None:
        self._secrets, self._on_stderr = secrets, on_stderr
        self._wire = None if wire is None else WireFile(wire)
        self._pid = 0
        self._partial = b""

    def hide(self, secrets: Sequence[str]) -> None:
        """Mask other texts from now on.

        Args:
            secrets: Texts that no message may contain.
        """
        self._secrets = secrets

    def started(self, argv: Sequence[str], pid: int) -> None:
        """Log the start of the process."""
        self._pid = pid
        if LOGGER.isEnabledFor(logging.INFO):
            LOGGER.info("codex %d: started: %s", pid, self._shown(shlex.join(argv)))

    def exited(self, returncode: int | None) -> None:
        """Log the exit of the process, and pass on the last line of its error output."""
        if self._partial:
            self.stderr(b"\n")
        LOGGER.info("codex %d: exited with %s", self._pid, returncode)

    @property
    def is_on(self) -> bool:
        """True if messages are logged."""
        return self._wire is not None or _logs_wire()

    def sent(self, data: bytes) -> None:
        """Log a message to the process."""
        if self._wire is not None:
            self._wire.write(self._pid, "sent", data, self._secrets)
        if _logs_wire():
            WIRE.debug("codex %d: > %s", self._pid, self._decoded(data))

    def received(self, data: bytes) -> None:
        """Log a message from the process."""
        if self._wire is not None:
            self._wire.write(self._pid, "received", data, self._secrets)
        if _logs_wire():
            WIRE.debug("codex %d: < %s", self._pid, self._decoded(data))

    def stderr(self, chunk: bytes) -> None:
        """Log a part of the error output, line by line, and pass it on."""
        if self._on_stderr is None and not LOGGER.isEnabledFor(logging.DEBUG):
            return
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        while len(self._partial) > MAX_STDERR_LINE:
            lines.append(self._partial[:MAX_STDERR_LINE])
            self._partial = self._partial[MAX_STDERR_LINE:]
        for line in lines:
            text = self._decoded(line)
            LOGGER.debug("codex %d: ! %s", self._pid, text)
            if self._on_stderr is not None:
                try:
                    self._on_stderr(text)
                except (Exception, SystemExit, CancelledError):  # of the user's function: it must not stop the reading
                    LOGGER.exception("codex %d: the stderr handler failed", self._pid)

    def _decoded(self, data: bytes) -> str:
        # Masked first and cut afterwards: a part of a secret does not look like one.
        return self._shown(data[: 4 * (MAX_LOGGED + MARGIN)].decode(errors="replace").rstrip("\r\n"))

    def _shown(self, text: str) -> str:
        masked = mask(text[: MAX_LOGGED + MARGIN], self._secrets)
        return masked if len(masked) <= MAX_LOGGED else f"{masked[:MAX_LOGGED]}… (cut)"


def _logs_wire() -> bool:
    """Return whether one of our own loggers asks for the messages on the wire."""
    return (WIRE.level or LOGGER.level) != logging.NOTSET and WIRE.isEnabledFor(logging.DEBUG)
