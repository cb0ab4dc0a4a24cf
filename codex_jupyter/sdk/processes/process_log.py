"""The log of codex processes: their start and exit, their error output, and each message on the wire.

Everything goes to `logging.getLogger("codex_jupyter")`: starts and exits at INFO, the rest at DEBUG. Secrets are masked. Without a level of
DEBUG, a message costs one comparison.
"""

import logging
import shlex
from collections.abc import Sequence
from typing import Final

from codex_jupyter.sdk.models.options import StderrHandler
from codex_jupyter.sdk.redaction import MARGIN, mask

LOGGER: Final = logging.getLogger("codex_jupyter")
LOGGER.addHandler(logging.NullHandler())  # without a handler of the program, nothing is printed
MAX_LOGGED: Final = 10_000
"""Maximum characters of a logged message. A longer one is cut."""
MAX_STDERR_LINE: Final = 64 * 1024
"""Maximum bytes of a line of the error output. A longer one is split."""


class ProcessLog:
    """The log of one process.

    Args:
        secrets: Texts that no message may contain.
        on_stderr: Called with each line of the error output, on a thread of this package or of the event loop.
    """

    def __init__(self, secrets: Sequence[str] = (), on_stderr: StderrHandler | None = None) -> None:
        self._secrets, self._on_stderr = secrets, on_stderr
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
        return LOGGER.isEnabledFor(logging.DEBUG)

    def sent(self, data: bytes) -> None:
        """Log a message to the process."""
        if self.is_on:
            LOGGER.debug("codex %d: > %s", self._pid, self._decoded(data))

    def received(self, data: bytes) -> None:
        """Log a message from the process."""
        if self.is_on:
            LOGGER.debug("codex %d: < %s", self._pid, self._decoded(data))

    def stderr(self, chunk: bytes) -> None:
        """Log a part of the error output, line by line, and pass it on."""
        if self._on_stderr is None and not self.is_on:
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
                except Exception:  # an error of the user's function must not stop the reading
                    LOGGER.exception("codex %d: the stderr handler failed", self._pid)

    def _decoded(self, data: bytes) -> str:
        # Masked first and cut afterwards: a part of a secret does not look like one.
        return self._shown(data[: 4 * (MAX_LOGGED + MARGIN)].decode(errors="replace").rstrip("\r\n"))

    def _shown(self, text: str) -> str:
        masked = mask(text[: MAX_LOGGED + MARGIN], self._secrets)
        return masked if len(masked) <= MAX_LOGGED else f"{masked[:MAX_LOGGED]}… (cut)"
