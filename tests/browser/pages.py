"""The chat's page alone: Chromium and a model of the widget that holds nothing but what anywidget documents, as in VS Code and Colab."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, Route

from codex_jupyter.notebook.chat.javascript import join_modules
from codex_jupyter.notebook.chat.transcript import finished_turn
from codex_jupyter.notebook.persistence.finished_turn import FinishedTurn
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.sdk import Turn, Usage
from codex_jupyter.sdk.models.items import ThreadItem

FOLDER = Path(__file__).parents[2] / "codex_jupyter" / "notebook" / "chat" / "static"
SCRIPT = join_modules(FOLDER / "index.js")
ADDRESS = "http://localhost/"
"""No server has this address: the test answers. The clipboard needs a page that counts as secure."""
DOCUMENT = '<!doctype html><meta charset="utf-8"><style>{css}</style><body style="margin: 8px"><div id="root"></div>'
START = """async () => {
  const widget = (await import('/chat.js')).default();
  const state = { _key: 'key', _mark: 'mark', draft: 'kept' };
  const listeners = [];
  window.sent = [];
  window.sizes = [];
  const model = {
    get: name => state[name], set: (name, value) => { state[name] = value; }, save_changes: () => { window.saved = { ...state }; },
    on: (name, listener) => { if (name === 'msg:custom') listeners.push(listener); }, off: () => {},
    send: (message, callbacks, buffers) => {
      window.sent.push(message);
      window.sizes.push((buffers ?? []).map(buffer => buffer.byteLength));
      if (message.id && !window.mute) window.deliver({ type: 'done', id: message.id, error: window.refusal ?? '' });
    },
  };
  let sequence = 0;
  window.deliver = (message, skip = 0) => {
    sequence += 1 + skip;
    for (const listener of listeners) listener({ ...message, sequence });
  };
  widget.initialize({ model });
  widget.render({ model, el: document.getElementById('root') });
}"""
META: dict[str, Any] = {
    "type": "meta",
    "thread": "main",
    "thread_id": "",
    "threads": [{"name": "main", "title": "main"}],
    "usage": {"turn": None, "context": None, "window": None},
    "action": "",
    "waits": False,
    "running": False,
    "seconds": 0,
    "cell_waits": False,
    "can_steer": False,
    "settings": {"model": "", "effort": "", "sandbox": "", "preset": ""},
    "effective": {"model": "some-model", "effort": "low", "sandbox": "workspace-write", "approval": "on-request", "kernel": "ask"},
    "preset": "Ask",
    "presets": [
        {"name": "read-only", "label": "Read-only", "description": "looks at files"},
        {"name": "ask", "label": "Ask", "description": "changes files of the folder"},
    ],
    "problem": "",
    "choices": {"model": ["some-model"], "effort": ["low", "high"], "sandbox": ["read-only", "workspace-write"]},
    "bounded": [],
    "locked": False,
    "variables": True,
    "loss": "",
    "queue": [],
    "attached": [],
    "offer": None,
    "demo": False,
    "id": "widget",
}
THEMES = {"light": ("#fff", "rgba(0, 0, 0, 0.87)", "#e0e0e0"), "dark": ("#212121", "rgba(255, 255, 255, 0.87)", "#424242")}
"""Ground, text and lines of JupyterLab's themes."""


def set_theme(page: Page, theme: str) -> None:
    """Give the page the colours of a theme of JupyterLab."""
    names = ("--jp-layout-color1", "--jp-ui-font-color1", "--jp-border-color2")
    style = "".join(f"{name}: {value};" for name, value in zip(names, THEMES[theme], strict=True))
    page.evaluate(
        "([style, theme]) => { document.body.style = style; document.body.dataset.jpThemeLight = String(theme === 'light'); }",
        [f"margin: 8px; background: {THEMES[theme][0]}; {style}", theme],
    )


def open_page(page: Page) -> Locator:
    """Show a chat without any turn."""

    def answer(route: Route) -> None:
        script = route.request.url.endswith("chat.js")
        body = SCRIPT if script else DOCUMENT.format(css=(FOLDER / "chat.css").read_text())
        route.fulfill(body=body, content_type="text/javascript" if script else "text/html")

    page.route(f"{ADDRESS}**", answer)
    page.goto(ADDRESS)
    page.evaluate(START)
    show(page)
    send(page, **META)
    return page.locator(".codex-chat")


def send(page: Page, **message: Any) -> None:
    """Send a message to the page, as the kernel does."""
    page.evaluate("message => deliver(message)", message)


def show(page: Page, *turns: dict[str, Any]) -> None:
    """Send everything to the page that it displays."""
    send(page, type="state", turns=turns, start=0, secret="secret")  # noqa: S106 - of a page that only this test can reach


def asked(page: Page) -> list[dict[str, Any]]:
    """Return the requests that the page has sent to the kernel."""
    requests: list[dict[str, Any]] = json.loads(page.evaluate("JSON.stringify(sent)"))
    return requests


def past(number: int, prompt: str, *items: ThreadItem) -> dict[str, Any]:
    """Return a completed turn in the form that the kernel sends."""
    usage = Usage(input_tokens=1, cached_input_tokens=0, output_tokens=1)
    turn = Turn(thread_id="t", status="completed", items=items, usage=usage)
    return {"id": f"key:{number}", **finished_turn(FinishedTurn(prompt, turn, TurnInfo(prompt=prompt)))}
