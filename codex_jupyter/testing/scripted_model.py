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
"""Bodies of requests that are kept, in bytes."""


class ScriptedModel:
    """A model provider that plays a script to the real CLI and records what it was asked.

    It is no model and says so when it is asked for something that is not scripted. What the script makes the CLI do
    is real: commands run and files change, in the CLI's sandbox.

        with ScriptedModel([[[shell("ls")], "Done."]]) as model:
            codex = Codex(config=model.config, env=model.env())
            ...
            assert model.requests[0].prompt == "List the files"

    A turn is played for each prompt, by whichever thread comes first; the replies of a turn answer its requests in
    order. A retry after a failure gets the next reply.

    Args:
        script: The turns; `codex_jupyter.testing.script` describes the forms.
        model: The model the CLI is to ask for, which decides how it offers its tools; None is the CLI's default. Scripts
            work with any.
        max_retries: How often the CLI tries again after a failure, 0 or more.
        codex_home: The CLI's home, made on start if it does not exist. None is a private folder under the user's state
            folder, shared by scripted models, so that their threads can be resumed later; if that cannot be written to,
            a temporary folder until `close`. Under `$TMPDIR` the CLI warns and does without a few conveniences.
        host: The address to listen on.
        port: The port; 0 takes a free one.

    Raises:
        ValueError: A turn of the script cannot be played.
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
        """The CLI's home; exists from the start of the server on."""
        self._may_move = codex_home is None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._address = (host, port)
        self._playbook = Playbook(script)
        self.token: str = secrets.token_urlsafe(32)
        """The bearer token of every request; `env()` brings it to the CLI."""
        self._requests: deque[tuple[RecordedRequest, int]] = deque()
        self._recorded = 0
        self._server: ResponsesServer | None = None
        self._lock = threading.Lock()

    def start(self) -> "ScriptedModel":
        """Start to listen, and return the model itself; does nothing if it listens already.

        Raises:
            OSError: The port is taken, or the home cannot be made or written to.
        """
        with self._lock:
            if self._server is None:
                self._make_home()
                self._server = ResponsesServer(self._address, self.token, self._playbook.reply, self._record)
                self._server.start()
        return self

    def close(self) -> None:
        """Stop at once: open streams are dropped; does nothing if it is not running."""
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
        """End what was allowed for good in the shared home: it must hold neither later nor for other scripted models."""
        if self._may_move:
            shutil.rmtree(self.codex_home / "rules", ignore_errors=True)

    def __enter__(self) -> "ScriptedModel":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether it listens."""
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
        """The requests so far, oldest first, retries and all; the last `MAX_RECORDED_BYTES` bytes of them."""
        with self._lock:
            return [request for request, _ in self._requests]

    def _record(self, request: RecordedRequest, size: int) -> None:
        """Keep a request, and drop the oldest ones that take too much memory."""
        with self._lock:
            self._requests.append((request, size))
            self._recorded += size
            while self._recorded > MAX_RECORDED_BYTES and len(self._requests) > 1:
                self._recorded -= self._requests.popleft()[1]

    @property
    def unplayed(self) -> list[ScriptedTurn]:
        """The turns that no prompt has started yet."""
        return self._playbook.unplayed

    @property
    def config(self) -> dict[str, Any]:
        """The CLI's config that points it here, nested as in its `config.toml`.

        Raises:
            RuntimeError: The model is not running.
        """
        return cli_settings.config(self.url, model=self.model, max_retries=self.max_retries)

    def env(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment to start the CLI with; the model refuses a CLI that has another one.

        Args:
            base: The variables to start from; None is the environment of this process. Credentials of Codex and OpenAI
                are left out, and no proxy is used for loopback.
        """
        return cli_settings.environment(os.environ if base is None else base, self.codex_home, self.token)
