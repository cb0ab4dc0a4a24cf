"""Base of the transports that run the codex executable."""

from anyio import to_thread

from codex_jupyter.sdk.executable.environment import find_cli
from codex_jupyter.sdk.executable.locate import CodexCli
from codex_jupyter.sdk.models.options import CodexOptions, ThreadOptions
from codex_jupyter.sdk.rollouts import codex_home, is_stored
from codex_jupyter.sdk.transports.base import Transport


class CliTransport(Transport):
    """A transport that runs the codex executable.

    Args:
        options: The client's options.
    """

    def __init__(self, options: CodexOptions) -> None:
        self._options = options

    async def locate(self) -> CodexCli:
        """Return the executable that a turn in the current folder uses. See `Transport.locate`."""
        return await to_thread.run_sync(find_cli, self._options, ThreadOptions())

    async def has_thread(self, thread_id: str, options: ThreadOptions) -> bool:
        """Return whether the CLI has stored the thread, or never stores it. See `Transport.has_thread`."""
        return options.ephemeral or await to_thread.run_sync(is_stored, codex_home(self._options.env), thread_id)
