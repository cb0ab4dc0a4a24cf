"""The pages of JupyterLab that are connected with the kernel.

Messages of a comm that is opened on a subshell are handled by another thread at once, while a cell runs. ipykernel 7.4 sends the messages
of a comm to the shell that last published on it. So a page opens two comms, and the kernel never publishes on the second one.
`Comm.handle_msg` would run IPython's `post_execute` there, which closes the figures of the running cell, so it is bypassed.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from codex_jupyter.notebook.cell_tools.page import PageUnavailableError
from codex_jupyter.notebook.lab.protocol import PROTOCOL
from codex_jupyter.notebook.render import plain

ASKING: Final = frozenset({"undo", "apply_undo"})
"""Actions that send requests to the page. The thread of the comm must receive the answers, so these actions run on another one."""
MAX_PAGES: Final = 8
"""Pages that are kept. A page that is reloaded does not close its comms."""

BACKGROUND: Final = frozenset({"apply_undo"})
"""Actions that may wait for an answer of a page. They do not run on the thread that receives it."""

REPEATED: Final = frozenset({"read", "wait"})
"""Requests that change nothing. A page that was reloaded receives them again."""

Perform = Callable[["LabPage", dict[str, Any]], "dict[str, Any] | None"]
"""Perform an action of a page, on any thread. The page receives the result, or the error that is raised."""


@dataclass(slots=True)
class _Request:
    do: str
    home: str
    arguments: dict[str, Any]
    answer: Future[dict[str, Any]] = field(default_factory=Future)
    sent_at: float = field(default_factory=time.monotonic)

    def resolve(self, result: dict[str, Any] | Exception) -> None:
        """Accept an answer, or the reason why it is missing. Only the first one counts, because several pages can be asked."""
        with suppress(InvalidStateError):
            if isinstance(result, Exception):
                self.answer.set_exception(result)
            else:
                self.answer.set_result(result)


class LabPage:
    """A page of JupyterLab.

    Args:
        name: Its random name.
        perform: Performs an action.
    """

    def __init__(self, name: str, perform: Perform) -> None:
        self.name: Final = name
        self.concurrent: bool = False
        """True if the page's messages are handled while a cell runs."""
        self.shared: bool | None = None
        """True if several people can edit the notebook at once. None if the page does not know it."""
        self.notebooks: tuple[str, ...] = ()
        """The paths of the open notebooks, as the page reports them."""
        self._perform = perform
        self._events: Any = None
        self._control: Any = None
        self._numbers = count(1)
        self._waiting: dict[int, _Request] = {}
        """The requests that the page has not answered, by their numbers."""

    @property
    def connected(self) -> bool:
        """True if messages can be sent to the page."""
        return self._events is not None

    def connect(self, role: str, comm: Any) -> None:
        """Use a comm that the page has opened, as `events` or as `control`."""
        comm.handle_msg = self._on_message
        comm.on_close(lambda _: self._disconnect(comm))
        if role == "control":
            self.concurrent = threading.current_thread() is not threading.main_thread()
            self._control = comm
            return
        self._events = comm
        self.send("welcome", protocol=PROTOCOL)

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
            PageUnavailableError: If the page is closed, or does not answer.
            ValueError: If the page refuses the request.
        """
        number, request = next(self._numbers), _Request(do, home, dict(arguments))
        self._waiting[number] = request
        try:
            self.send("cells", request=number, do=do, home=home, arguments=request.arguments)
            return request.answer.result(seconds)
        except TimeoutError:
            self._disconnect(self._events)
            raise PageUnavailableError("the page of the notebook does not answer; reload it") from None
        finally:
            self._waiting.pop(number, None)

    def post(self, do: str, home: str, arguments: Mapping[str, Any]) -> None:
        """Have the page do something with cells of the notebook. Its answer is dropped."""
        self.send("cells", request=next(self._numbers), do=do, home=home, arguments=dict(arguments))

    def receive(self, number: object, error: str, result: Mapping[str, Any]) -> None:
        """Accept the answer to a request."""
        request = self._waiting.pop(number, None) if isinstance(number, int) else None
        if request is not None:
            request.resolve(ValueError(plain(error)) if error else dict(result))

    def repeat(self, other: "LabPage") -> None:
        """Send the requests that another page has not answered, if they change nothing. The first answer counts.

        The other page may be this one before it was reloaded.
        """
        for request in list(other._waiting.values()):
            if request.do in REPEATED:
                number, arguments = next(self._numbers), dict(request.arguments)
                if "seconds" in arguments:
                    arguments["seconds"] = max(0.0, arguments["seconds"] - (time.monotonic() - request.sent_at))
                self._waiting[number] = request
                self.send("cells", request=number, do=request.do, home=request.home, arguments=arguments)

    def close(self) -> None:
        """Close the comms."""
        for comm in (self._events, self._control):
            if comm is not None:
                comm.close()
        self._disconnect(self._events)
        self._control = None

    def _disconnect(self, comm: Any) -> None:
        if comm is self._events:
            self._events = None
            while self._waiting:
                self._waiting.popitem()[1].resolve(PageUnavailableError("the page of the notebook was closed"))
        if comm is self._control:
            self._control = None

    def _on_message(self, message: dict[str, Any]) -> None:
        action = message["content"].get("data")
        if not isinstance(action, dict):
            return
        self.concurrent = self.concurrent or threading.current_thread() is not threading.main_thread()
        if action.get("do") in BACKGROUND:
            threading.Thread(target=self._answer, args=(action,), daemon=True, name="codex-page-action").start()
        else:
            self._answer(action)

    def _answer(self, action: dict[str, Any]) -> None:
        """Perform an action, and send the result or the error."""
        if action.get("do") in ASKING:
            threading.Thread(target=self._act, args=(action,), daemon=True, name="codex-page-action").start()
        else:
            self._act(action)

    def _act(self, action: dict[str, Any]) -> None:
        error, result = "", None
        try:
            result = self._perform(self, action)
        except Exception as reason:  # the page waits for an answer after any error
            error = plain(str(reason)) or type(reason).__name__
            logging.getLogger(__name__).debug("An action of a page failed.", exc_info=True)
        if "id" in action:
            self.send("done", id=action["id"], error=error, result=result or {})


class LabPages:
    """All pages of a kernel, in the order in which they were connected.

    Args:
        perform: Performs an action of a page.
        opened: Called when a page opens a comm for events, with its data.
    """

    def __init__(self, perform: Perform, opened: Callable[[LabPage, dict[str, Any]], object]) -> None:
        self._perform, self._opened = perform, opened
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
        """Accept a comm that a page opens."""
        data = message["content"].get("data")
        if not isinstance(data, dict):
            return
        name, role = str(data.get("page")), str(data.get("role"))
        page = self._pages.get(name)
        if page is None:
            page = self._pages[name] = LabPage(name, self._perform)
            while len(self._pages) > MAX_PAGES:
                self._pages.pop(next(iter(self._pages))).close()
        page.connect(role, comm)
        if role == "events":
            page.shared = data["shared"] if isinstance(data.get("shared"), bool) else None
            self._opened(page, data)
            if "session" in data:
                for other in [other for other in self._pages.values() if other is not page]:
                    page.repeat(other)

    def send(self, kind: str, **content: Any) -> None:
        """Send a message of a kind to all connected pages."""
        for page in list(self._pages.values()):
            page.send(kind, **content)

    def close(self) -> None:
        """Close the comms of all pages."""
        while self._pages:
            self._pages.popitem()[1].close()
