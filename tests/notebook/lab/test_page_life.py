"""Pages that are loaded again, are closed, or do not answer, with comms that only record."""

import queue
import threading

import pytest

from codex_jupyter.notebook.cell_tools.page import NotebookPage, PageUnavailableError
from codex_jupyter.notebook.lab.pages import LabPages
from tests.notebook.lab.comms import Comm, close, opened
from tests.sdk.support.fake import wait_until


def test_a_page_that_does_not_answer_is_not_asked_again() -> None:
    pages = LabPages(lambda page, action: None, lambda page, data: None)
    opened(pages)
    page = pages.newest
    assert page is not None
    with pytest.raises(PageUnavailableError, match="does not answer; reload it"):
        page.request("check", "", {}, 0)
    assert pages.newest is None


class Asked:
    """A notebook whose page answers nothing by itself, and requests that wait for it."""

    def __init__(self) -> None:
        self.notebook = NotebookPage()
        self.pages = LabPages(
            lambda page, action: page.receive(action["request"], action["error"], action["result"]),
            lambda page, data: self.notebook.on_connect(),
            self.notebook.on_close,
        )
        self.notebook.connection = lambda: self.pages.newest
        self.results = dict[str, queue.SimpleQueue[object]]()

    def ask(self, do: str, events: Comm) -> int:
        """Send a request, and return its number."""
        self.results[do] = queue.SimpleQueue()
        before = len(events.sent)
        threading.Thread(target=self._ask, args=(do,)).start()
        wait_until(lambda: len(events.sent) > before)
        number: int = events.sent[-1]["request"]
        return number

    def _ask(self, do: str) -> None:
        try:
            self.results[do].put(self.notebook.request(do, {"cell": "c", "seconds": 20.0}, home="h"))
        except PageUnavailableError as error:
            self.results[do].put(str(error))


def test_a_page_that_was_reloaded_is_asked_again_what_the_old_page_has_not_answered() -> None:
    """Requests that change cells are not repeated. The old page can be open still, so it may answer, too."""
    asked = Asked()
    old_control, old_events = opened(asked.pages)
    wait, edit = asked.ask("wait", old_events), asked.ask("edit", old_events)
    _, other_events = opened(asked.pages, "other tab")
    control, events = opened(asked.pages, "reloaded", session="s")
    wait_until(lambda: len(events.sent) > 1)
    assert len(other_events.sent) == 1
    (repeated,) = [message for message in events.sent if message["type"] == "cells"]
    assert (repeated["do"], repeated["arguments"]["cell"]) == ("wait", "c")
    assert 0 <= repeated["arguments"]["seconds"] < 20
    old_control.receive(do="answer", request=wait, error="", result={"from": "old"})
    control.receive(do="answer", request=repeated["request"], error="", result={"from": "new"})
    assert asked.results["wait"].get(timeout=60) == {"from": "new"}
    old_control.receive(do="answer", request=edit, error="", result={"edited": True})
    assert asked.results["edit"].get(timeout=60) == {"edited": True}


@pytest.mark.parametrize("left", [True, False])
def test_the_end_of_a_page_ends_requests_that_change_cells_and_the_next_page_receives_the_others(left: bool) -> None:
    asked = Asked()
    _, events = opened(asked.pages)
    asked.ask("wait", events)
    asked.ask("edit", events)
    close(events, left=left)
    assert asked.results["edit"].get(timeout=60) == "the page of the notebook was closed"
    control, events = opened(asked.pages, "next")
    wait_until(lambda: len(events.sent) > 1)
    control.receive(do="answer", request=events.sent[-1]["request"], error="", result={"from": "next"})
    assert asked.results["wait"].get(timeout=60) == {"from": "next"}


def test_a_request_waits_for_a_page_that_is_loaded_again_but_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    _, events = opened(asked.pages)
    close(events)
    asked.results["edit"] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: asked.results["edit"].put(asked.notebook.request("edit", {"cell": "c"}, home="h")))
    thread.start()
    control, fresh = opened(asked.pages, "next")
    wait_until(lambda: len(fresh.sent) > 1)
    control.receive(do="answer", request=fresh.sent[-1]["request"], error="", result={"edited": True})
    assert asked.results["edit"].get(timeout=60) == {"edited": True}
    monkeypatch.setattr("codex_jupyter.notebook.cell_tools.page.RELOAD_SECONDS", 0)
    close(fresh)
    with pytest.raises(PageUnavailableError, match="the page of the notebook was closed"):
        asked.notebook.request("edit", {"cell": "c"}, home="h")


def test_a_page_that_does_not_answer_a_ping_is_not_asked_until_it_sends_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its computer may have slept."""
    monkeypatch.setattr("codex_jupyter.notebook.lab.pages.PING_SECONDS", 0)
    pages = LabPages(lambda page, action: None, lambda page, data: None)
    control, events = opened(pages)
    page = pages.newest
    assert page is not None
    page.concurrent = True
    with pytest.raises(PageUnavailableError, match="does not answer"):
        page.request("wait", "", {}, 600)
    assert [message["do"] for message in events.sent[1:]] == ["wait", "ping"]
    assert pages.newest is None
    control.receive(do="answer", request=2, error="", result={})
    assert pages.newest is page


def test_a_new_page_deletes_the_subshells_of_those_that_have_ended() -> None:
    """A page that only closes its notebook keeps its subshell, and one that two pages use stays."""
    pages = LabPages(lambda page, action: None, lambda page, data: None)
    comms = {name: opened(pages, name, subshell=shell) for name, shell in (("a", "1"), ("b", "2"), ("c", "3"), ("d", "3"))}
    close(comms["a"][0], left=True)  # a browser may send only the first message of a page that ends
    close(comms["b"][1])
    close(comms["c"][1], left=True)
    assert opened(pages, "e")[1].sent == [{"type": "welcome", "protocol": 2, "subshells": ["1"]}]
    assert opened(pages, "f")[1].sent == [{"type": "welcome", "protocol": 2, "subshells": []}]
