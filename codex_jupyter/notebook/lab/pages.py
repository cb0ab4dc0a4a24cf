"""The pages of JupyterLab that are connected with the kernel.

Messages of a comm that is opened on a subshell are handled by another thread at once, while a cell runs. ipykernel 7.4 sends the messages
of a comm to the shell that last published on it. So a page opens two comms, and the kernel never publishes on the second one.
`Comm.handle_msg` would run IPython's `post_execute` there, which closes the figures of the running cell, so it is bypassed.
"""

import logging
import threading
import time
from collections.abc import Callable, Container, Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.cell_tools.page import REPEATED, PageClosedError, PageUnavailableError
from codex_jupyter.notebook.lab.protocol import PROTOCOL, OpenData
from codex_jupyter.notebook.render import error_text, plain, well_formed
from codex_jupyter.notebook.session.page_actions import checked

ASKING: Final = frozenset({"undo", "apply_undo"})
"""Actions that send requests to the page. The thread of the comm must receive the answers, so these actions run on another one."""
MAX_PAGES: Final = 8
"""Pages that are kept. A page that crashes does not close its comms."""
PING_SECONDS: Final = 30.0
"""Seconds between two questions to a page if it is still there, while a request waits for its answer."""

Perform = Callable[["LabPage", dict[str, Any]], "dict[str, Any] | None"]
"""Perform an action of a page, on any thread. The page receives the result, or the error that is raised."""


class LabPage:
    """A page of JupyterLab.

    Args:
        name: Its random name.
        perform: Performs an action.
        closed: Called when the page was closed, or is loaded again.
    """

    def __init__(self, name: str, perform: Perform, closed: Callable[[], object]) -> None:
        self.name: Final = name
        self.concurrent: bool = False
        """True if the page's messages are handled while a cell runs."""
        self.shared: bool | None = None
        """True if several people can edit the notebook at once. None if the page does not know it."""
        self.notebooks: tuple[str, ...] = ()
        """The paths of the open notebooks, as the page reports them."""
        self._perform, self._closed = perform, closed
        self._events: Any = None
        self._control: Any = None
        self._numbers = count(1)
        self.subshell: str = ""
        """The subshell that receives the messages of the page. Empty is the main shell."""
        self.left: bool = False
        """True if the page has said that it ends with all its notebooks."""
        self._heard = 0
        """The number of messages of the page."""
        self._silent = False
        """True if the page has not answered in time, and has sent nothing since then."""
        self._waiting: dict[int, tuple[str, Future[dict[str, Any]]]] = {}
        """The requests that the page has not answered, with their names, by their numbers."""

    @property
    def connected(self) -> bool:
        """True if messages can be sent to the page."""
        return self._events is not None and not self._silent

    def connect(self, role: str, comm: Any, subshell: str, unused: list[str]) -> None:
        """Use a comm that the page has opened.

        Args:
            role: The purpose of the comm: `events` or `control`.
            comm: The comm.
            subshell: The subshell that receives its messages. Empty is the main shell.
            unused: The subshells of earlier pages, which the page deletes.
        """
        comm.handle_msg = self._on_message
        comm.on_close(lambda message: self._on_close(comm, message))
        self.subshell = subshell
        if role == "control":
            self.concurrent = threading.current_thread() is not threading.main_thread()
            self._control = comm
            return
        self._events = comm
        self.send("welcome", protocol=PROTOCOL, subshells=unused)

    def send(self, kind: str, **content: Any) -> None:
        """Send a message of a kind, if the page is connected."""
        if self._events is not None:
            self._events.send({"type": kind, **content})

    def request(self, do: str, home: str, arguments: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Have the page do something with cells of the notebook, and wait for its result on this thread.

        Args:
            do: The name of the request.
            home: The id of the cell that runs the turn. Empty if none does.
            arguments: The arguments of the request.
            seconds: Seconds to wait. A page that does not answer until then is not asked again.

        Raises:
            PageClosedError: If the page is closed before it answers, or a new one replaces it.
            PageUnavailableError: If the page does not answer.
            ValueError: If the page refuses the request.
        """
        number, answer = next(self._numbers), Future[dict[str, Any]]()
        self._waiting[number] = (do, answer)
        try:
            if self._events is None:
                self.abandon()
            self.send("cells", request=number, do=do, home=home, arguments=dict(arguments))
            return self._wait(answer, seconds)
        except TimeoutError:
            self._silent = True
            self.abandon()
            raise PageUnavailableError("the page of the notebook does not answer; reload it") from None
        finally:
            self._waiting.pop(number, None)

    def post(self, do: str, home: str, arguments: Mapping[str, Any]) -> None:
        """Have the page do something with cells of the notebook. Its answer is dropped."""
        self.send("cells", request=next(self._numbers), do=do, home=home, arguments=dict(arguments))

    def receive(self, number: int, error: str, result: Mapping[str, Any]) -> None:
        """Accept the answer to a request."""
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return
        if error:
            waiting[1].set_exception(ValueError(plain(error)))
        else:
            waiting[1].set_result(dict(result))

    def abandon(self, names: Container[str] | None = None) -> None:
        """Let requests fail that the page has not answered: those with the names, or all."""
        for number, (do, _) in list(self._waiting.items()):
            waiting = self._waiting.pop(number, None) if names is None or do in names else None
            if waiting is not None:
                waiting[1].set_exception(PageClosedError("the page of the notebook was closed"))

    def close(self) -> None:
        """Close the comms."""
        for comm in (self._events, self._control):
            if comm is not None:
                comm.close()
        self._disconnect(self._events)
        self._control = None

    def _wait(self, answer: "Future[dict[str, Any]]", seconds: float) -> dict[str, Any]:
        """Wait for an answer, as long as the page is there."""
        deadline = time.monotonic() + seconds
        # The page of a kernel without subshells cannot answer while a cell runs.
        while self.concurrent and deadline - time.monotonic() > PING_SECONDS:
            heard = self._heard
            self.post("ping", "", {})
            with suppress(TimeoutError):
                return answer.result(PING_SECONDS)
            if self._heard == heard:
                raise TimeoutError
        return answer.result(max(0.0, deadline - time.monotonic()))

    def _on_close(self, comm: Any, message: Any) -> None:
        data = message["content"].get("data") if message else None
        self.left = self.left or (isinstance(data, dict) and data.get("left") is True)
        # The browser sends only the first message of a page that ends for certain.
        for each in (self._control, self._events) if self.left else (comm,):
            self._disconnect(each)

    def _disconnect(self, comm: Any) -> None:
        if comm is self._control:
            self._control = None
        if comm is self._events and comm is not None:
            self._events = None
            self._closed()
            self.abandon()

    def _on_message(self, message: dict[str, Any]) -> None:
        action = message["content"].get("data")
        if not isinstance(action, dict):
            return
        self._heard += 1
        self._silent = False
        self.concurrent = self.concurrent or threading.current_thread() is not threading.main_thread()
        if str(action.get("do")) in ASKING:
            threading.Thread(target=self._act, args=(action,), daemon=True, name="codex-page-action").start()
        else:
            self._act(action)

    def _act(self, action: dict[str, Any]) -> None:
        """Perform an action, and send the result or the error."""
        error, result, number = "", None, None
        try:
            number = well_formed(action.get("id"))
            result = self._perform(self, well_formed(action))
        except Exception as reason:  # the page waits for an answer after any error
            error = error_text(reason)
            logging.getLogger(__name__).debug("An action of a page failed.", exc_info=True)
        if "id" in action:
            self.send("done", id=number, error=error, result=result or {})


class LabPages:
    """All pages of a kernel, in the order in which they were connected.

    Args:
        perform: Performs an action of a page.
        opened: Called when a page opens a comm for events, with its data.
        closed: Called when the last connected page was closed.
    """

    def __init__(
        self, perform: Perform, opened: Callable[[LabPage, dict[str, Any]], object], closed: Callable[[], object] = lambda: None
    ) -> None:
        self._perform, self._opened, self._closed = perform, opened, closed
        self._pages: dict[str, LabPage] = {}

    @property
    def newest(self) -> LabPage | None:
        """The connected page that was opened last, or None."""
        return next((page for page in reversed(list(self._pages.values())) if page.connected), None)

    @property
    def shared(self) -> bool | None:
        """True if a connected page shows a notebook that several people can edit at once. None if no page knows it."""
        answers = {page.shared for page in self._pages.values() if page.connected} - {None}
        return any(answers) if answers else None

    @property
    def notebooks(self) -> list[str]:
        """The paths of the open notebooks, as the connected pages report them. They are not checked."""
        return [path for page in list(self._pages.values()) if page.connected for path in page.notebooks]

    def open(self, comm: Any, message: dict[str, Any]) -> None:
        """Accept a comm that a page opens. Close it at once if the page has another version of the messages."""
        try:
            data = checked(message["content"].get("data"), OpenData)
        except UsageError:
            comm.close()
            return
        name, role = data["page"], data["role"]
        page = self._pages.get(name)
        if page is None:
            page = self._pages[name] = LabPage(name, self._perform, self._on_close)
            while len(self._pages) > MAX_PAGES:
                self._pages.pop(next(iter(self._pages))).close()
        subshell = str(message.get("header", {}).get("subshell_id") or "")
        page.connect(role, comm, subshell, self._unused_subshells() if role == "events" else [])
        if role == "events":
            page.shared = data.get("shared")
            self._opened(page, data)
            if "session" in data:
                for other in [other for other in self._pages.values() if other is not page]:
                    other.abandon(REPEATED)

    def send(self, kind: str, **content: Any) -> None:
        """Send a message of a kind to all connected pages."""
        for page in list(self._pages.values()):
            page.send(kind, **content)

    def _on_close(self) -> None:
        if self.newest is None:
            self._closed()

    def _unused_subshells(self) -> list[str]:
        """Forget the pages that have ended, and return their subshells. JupyterLab does not delete the subshells of a page that ends."""
        left = [page for page in self._pages.values() if page.left]
        for page in left:
            del self._pages[page.name]
        used = {page.subshell for page in self._pages.values()}
        return [subshell for subshell in {page.subshell for page in left} if subshell and subshell not in used]

    def close(self) -> None:
        """Close the comms of all pages."""
        while self._pages:
            self._pages.popitem()[1].close()
