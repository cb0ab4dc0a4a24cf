"""The models that the client of a notebook offers, and the user's configuration, for completion and the chat.

They are read in the background.
"""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # Tab needs this module, and must not import the SDK for every option
    from collections.abc import Callable

    from codex_jupyter.sdk import CodexOptions, Model

EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
"""The usual reasoning efforts. A model may accept others."""
TAB_WAIT: Final = 0.5
"""Seconds that Tab waits for the first list of models. A later Tab finds it."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models of a client, and its configuration.

    Attributes:
        models: The models, hidden ones included.
        configured: The user's `model`, `effort` and `sandbox` in the configuration of Codex. Those that are not set are missing.
    """

    models: "tuple[Model, ...]" = ()
    configured: dict[str, str] = field(default_factory=dict)


_KEYS: Final = {"model": "model", "effort": "model_reasoning_effort", "sandbox": "sandbox_mode"}
"""The settings, and their names in the configuration of Codex."""


def read_catalogue(options: "CodexOptions") -> Catalogue:
    """Return the models and the configuration of a client. Takes about a second.

    Another client reads them, so that no process stays. It has the same environment and the same login.

    Args:
        options: The options of the client.

    Raises:
        CodexError: If the CLI does not report them.
    """
    import anyio

    from codex_jupyter.sdk import Codex

    async def read() -> Catalogue:
        # One server answers both requests.
        async with Codex(options, transport="app-server") as client:
            models = await client.models(hidden=True)
            config: dict[str, Any] = (await client.request("config/read", {"includeLayers": False})).get("config") or {}
        return Catalogue(models, {name: str(config[key]) for name, key in _KEYS.items() if config.get(key)})

    return anyio.run(read)


class ModelCatalogue:
    """The models of a client. The first successful answer for the same options is kept.

    Args:
        options: Returns the options of the client, which can be replaced.
        read: Reads the catalogue; may block.
    """

    def __init__(self, options: "Callable[[], CodexOptions]", read: "Callable[[CodexOptions], Catalogue]" = read_catalogue) -> None:
        self._options, self._read = options, read
        self._lock = threading.Lock()
        self._catalogue = Catalogue()
        self._models_of: CodexOptions | None = None
        """The options that the catalogue was read with."""
        self._reading: tuple[CodexOptions, threading.Event] | None = None

    @property
    def configured(self) -> dict[str, str]:
        """The user's configuration; see `Catalogue`. Empty until it is known. It is read with the models."""
        with self._lock:
            return self._catalogue.configured if self._models_of is self._options() else {}

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
                return self._catalogue.models
            if self._reading is None or self._reading[0] is not options:
                self._reading = (options, threading.Event())
                threading.Thread(target=self._fetch, args=self._reading, daemon=True, name="codex-models").start()
            done = self._reading[1]
        done.wait(timeout)
        with self._lock:
            return self._catalogue.models if self._models_of is options else ()

    def _fetch(self, options: "CodexOptions", done: threading.Event) -> None:
        from codex_jupyter.sdk import CodexError

        try:
            catalogue = self._read(options)
            with self._lock:
                self._catalogue, self._models_of = catalogue, options
        except CodexError:
            pass  # another call tries again
        finally:
            with self._lock:
                if self._reading is not None and self._reading[1] is done:
                    self._reading = None
            done.set()
