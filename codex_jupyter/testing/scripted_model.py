"""The scripted model: a Responses API on loopback that plays a script."""

import os
import secrets
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from codex_jupyter.testing import cli_settings
from codex_jupyter.testing.endpoint import ResponsesServer
from codex_jupyter.testing.playbook import Playbook
from codex_jupyter.testing.request import RecordedRequest
from codex_jupyter.testing.script import Script, ScriptedTurn

MAX_RECORDED_BYTES: Final = 256 * 1024 * 1024
"""Maximum size of the recorded request bodies, in bytes."""


class ScriptedModel:
    """A model provider that plays a script to the real CLI and records the requests.

    It is not a model, and it says so when a prompt is not scripted. The effects of a script are real: in the CLI's sandbox, commands run
    and files change.

        with ScriptedModel([[[shell("ls")], "Done."]]) as model:
            codex = Codex(config=model.config, env=model.env())
            ...
            assert model.requests[0].prompt == "List the files"

    Each prompt plays the first turn that fits, in any thread. The replies of a turn answer its requests in order. A retry after a
    failure gets the next reply.

    Args:
        script: The turns. `codex_jupyter.testing.script` describes their forms.
        model: The model that the CLI requests. It decides in which form the CLI offers its tools. Scripts work with any model. None is
            the CLI's default.
        max_retries: Number of the CLI's retries after a failure, 0 or more.
        codex_home: The CLI's home, created by `start`. None is a private folder in the user's state folder. Scripted models share it, so
            that their threads can be resumed later. If it cannot be written to, a temporary folder is used until `close`. In a temporary
            folder, the CLI warns and disables some tools.
        host: The address to listen on.
        port: The port. 0 uses a free one.

    Raises:
        ValueError: If a turn of the script cannot be played.
    """

    def __init__(
        self,
        script: Script,
        *,
        model: str | None = None,
        max_retries: int = 0,
        codex_home: Path | str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.model = model
        self.max_retries = max_retries
        self.codex_home: Path = Path(codex_home) if codex_home is not None else cli_settings.default_codex_home()
        """The CLI's home. It exists after `start`."""
        self._may_move = codex_home is None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._address = (host, port)
        self._playbook = Playbook(script)
        self.token: str = secrets.token_urlsafe(32)
        """The bearer token of every request. `env()` passes it to the CLI."""
        self._requests: deque[tuple[RecordedRequest, int]] = deque()
        self._recorded = 0
        self._server: ResponsesServer | None = None
        self._lock = threading.Lock()

    def start(self) -> "ScriptedModel":
        """Start to listen, and return the model. A second call does nothing.

        Raises:
            OSError: If the port is in use, or the home cannot be created or written to.
        """
        with self._lock:
            if self._server is None:
                self._make_home()
                self._server = ResponsesServer(self._address, self.token, self._playbook.reply, self._record)
                self._server.start()
        return self

    def close(self) -> None:
        """Stop at once, and drop open streams. Does nothing if the model is not running."""
        with self._lock:
            server, self._server = self._server, None
            temporary, self._temporary = self._temporary, None
        if server is not None:
            server.stop()
            self._drop_rules()
        if temporary is not None:
            temporary.cleanup()

    def _make_home(self) -> None:
        try:
            self.codex_home.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.codex_home).close()
        except OSError:
            if not self._may_move:
                raise
            self._temporary = tempfile.TemporaryDirectory(prefix="codex-jupyter-demo-", ignore_cleanup_errors=True)
            self.codex_home = Path(self._temporary.name)
        self._drop_rules()

    def _drop_rules(self) -> None:
        """Remove permanent approvals from the shared home, so that they do not apply to other scripted models."""
        if self._may_move:
            shutil.rmtree(self.codex_home / "rules", ignore_errors=True)

    def __enter__(self) -> "ScriptedModel":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """True if the model is running."""
        return self._server is not None

    @property
    def url(self) -> str:
        """The base URL, ending in `/v1`.

        Raises:
            RuntimeError: The model is not running.
        """
        server = self._server
        if server is None:
            raise RuntimeError("the scripted model is not running: use it in a `with` block or call start()")
        return f"http://{server.server_address[0]!s}:{server.server_address[1]}/v1"

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests, oldest first, including retries. At most the last `MAX_RECORDED_BYTES` bytes are kept."""
        with self._lock:
            return [request for request, _ in self._requests]

    def _record(self, request: RecordedRequest, size: int) -> None:
        """Record a request, and drop the oldest ones above `MAX_RECORDED_BYTES`."""
        with self._lock:
            self._requests.append((request, size))
            self._recorded += size
            while self._recorded > MAX_RECORDED_BYTES and len(self._requests) > 1:
                self._recorded -= self._requests.popleft()[1]

    @property
    def unplayed(self) -> list[ScriptedTurn]:
        """The turns that no prompt has started."""
        return self._playbook.unplayed

    @property
    def config(self) -> dict[str, Any]:
        """The CLI's config for this model, nested as in its `config.toml`.

        Raises:
            RuntimeError: The model is not running.
        """
        return cli_settings.config(self.url, model=self.model, max_retries=self.max_retries)

    def env(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment for the CLI. The model refuses requests of a CLI with another one.

        Args:
            base: The variables to start from. None is the environment of this process. Credentials of Codex and OpenAI are removed, and
                loopback uses no proxy.
        """
        return cli_settings.environment(os.environ if base is None else base, self.codex_home, self.token)
