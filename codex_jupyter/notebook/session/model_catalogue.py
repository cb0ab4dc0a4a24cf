"""The models that the client of a notebook offers, for completion and the chat. They are read in the background."""

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # Tab needs this module, and must not import the SDK for every option
    from collections.abc import Callable

    from codex_jupyter.sdk import CodexOptions, Model

EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
"""The usual reasoning efforts. A model may accept others."""
TAB_WAIT: Final = 0.5
"""Seconds that Tab waits for the first list of models. A later Tab finds it."""


def read_models(options: "CodexOptions") -> "tuple[Model, ...]":
    """Return the models of a client, hidden ones included. Takes about a second.

    Another client reads them, so that no process stays. It has the same environment and the same login.

    Args:
        options: The options of the client.

    Raises:
        CodexError: If the CLI does not report them.
    """
    import anyio

    from codex_jupyter.sdk import Codex

    async def read() -> "tuple[Model, ...]":
        async with Codex(options, transport="exec") as client:
            return await client.models(hidden=True)

    return anyio.run(read)


class ModelCatalogue:
    """The models of a client. The first successful answer for the same options is kept.

    Args:
        options: Returns the options of the client, which can be replaced.
        read: Reads the models; may block.
    """

    def __init__(self, options: "Callable[[], CodexOptions]", read: "Callable[[CodexOptions], tuple[Model, ...]]" = read_models) -> None:
        self._options, self._read = options, read
        self._lock = threading.Lock()
        self._models: tuple[Model, ...] = ()
        self._models_of: CodexOptions | None = None
        """The options that the models were read with."""
        self._reading: tuple[CodexOptions, threading.Event] | None = None

    def get(self, timeout: float) -> "tuple[Model, ...]":
        """Return the models. They are read in the background if they are not known.

        Args:
            timeout: Seconds to wait for them.

        Returns:
            The models. Empty if they are not known in this time, or the CLI does not report them.
        """
        options = self._options()
        with self._lock:
            if self._models_of is options:
                return self._models
            if self._reading is None or self._reading[0] is not options:
                self._reading = (options, threading.Event())
                threading.Thread(target=self._fetch, args=self._reading, daemon=True, name="codex-models").start()
            done = self._reading[1]
        done.wait(timeout)
        with self._lock:
            return self._models if self._models_of is options else ()

    def _fetch(self, options: "CodexOptions", done: threading.Event) -> None:
        from codex_jupyter.sdk import CodexError

        try:
            models = self._read(options)
            with self._lock:
                self._models, self._models_of = models, options
        except CodexError:
            pass  # another call tries again
        finally:
            with self._lock:
                if self._reading is not None and self._reading[1] is done:
                    self._reading = None
            done.set()
