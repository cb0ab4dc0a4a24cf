"""`%codex login` and `%codex logout`."""

import getpass
import os
from typing import Final
from uuid import uuid4

from IPython.core.error import StdinNotImplementedError, UsageError

from codex_jupyter.notebook.display.text_output import show_text
from codex_jupyter.notebook.images.display_log import display_own
from codex_jupyter.notebook.render import escape, sanitize
from codex_jupyter.notebook.session.session import NotebookSession
from codex_jupyter.sdk import Account, Codex, Login, LoginError

WAYS: Final = ("browser", "device", "key")
"""Arguments of `%codex login`: a link for a browser on this machine, a code for a browser anywhere, or an API key."""
_REMOTE_PREFIXES: Final = ("JUPYTERHUB_", "COLAB_", "BINDER_", "CODESPACE", "SSH_CONNECTION")
"""Prefixes of environment variables in kernels whose user's browser runs on another machine."""
_API_KEY: Final = "CODEX_API_KEY"


def log_in(session: NotebookSession, way: str = "") -> None:
    """Log in.

    Args:
        session: The notebook's session.
        way: One of `WAYS`. Empty uses a code on a hub and wherever the browser runs on another machine, otherwise a link.

    Raises:
        UsageError: If there is no such way, the user cannot be asked, or demo mode is on.
        LoginError: If the login did not succeed.
    """
    client = _client(session)
    if way and way not in WAYS:
        raise UsageError(f"`%codex login` takes {', '.join(WAYS[:-1])} or {WAYS[-1]}, not {way!r}.")
    way = way or ("device" if any(name.startswith(_REMOTE_PREFIXES) for name in os.environ) else "browser")
    account = _with_key(session, client) if way == "key" else _with_browser(session, client, way)
    show_text(f"Logged in with {_description(account)}.{_key_note(client, 'is used instead of this login')}")


def log_out(session: NotebookSession) -> None:
    """Log out.

    Raises:
        UsageError: If demo mode is on.
        LoginError: If the login cannot be removed.
    """
    client = _client(session)
    session.call(client.logout)
    show_text(f"Logged out: the next prompt needs a login.{_key_note(client, 'is still used')}")


def _client(session: NotebookSession) -> Codex:
    if session.client.demo is not None:
        raise UsageError("Demo mode needs no login. `%codex demo off` ends it; then log in.")
    return session.client.codex


def _with_key(session: NotebookSession, client: Codex) -> Account:
    try:
        key = getpass.getpass("API key (it is not shown): ").strip()
    except StdinNotImplementedError:
        raise UsageError("No key can be entered here. Set CODEX_API_KEY in the environment instead.") from None
    if not key:
        raise UsageError("No key was entered, so nothing has changed.")
    return session.call(client.login_api_key, key)


def _with_browser(session: NotebookSession, client: Codex, way: str) -> Account:
    attempt = session.call(client.login_chatgpt_device_code if way == "device" else client.login_chatgpt)
    display_id = uuid4().hex  # an interrupt may come before the call that displays returns
    try:
        display_own(_invitation(attempt), display_id=display_id)
        return session.call(attempt.wait)
    except KeyboardInterrupt:
        # `session.call` would end at once, because this interrupt may still be pending.
        session.client.event_loop.call(attempt.cancel)
        raise LoginError("The login was cancelled.") from None
    finally:
        # The link and the code are useless now, and would stay in the saved notebook.
        display_own({"text/plain": "", "text/html": ""}, display_id=display_id, update=True)


def _invitation(attempt: Login) -> dict[str, str]:
    """Return the instructions for the browser."""
    code = "" if attempt.user_code is None else f"enter the code {attempt.user_code}"
    last = "Interrupting the kernel cancels this. Other ways: `%codex login device`, `%codex login key`."
    link = escape(attempt.url)
    lines = [
        f'Open <a href="{link}" target="_blank">{link}</a>' + (f", {escape(code)}," if code else "") + " and log in.",
        f"<small>{escape(last)}</small>",
    ]
    text = f"Open this page{f', {code},' if code else ''} and log in:\n{attempt.url}\n{last}"
    return {"text/plain": text, "text/html": sanitize("<br>".join(lines))}


def _description(account: Account) -> str:
    """Return the kind of an account. Its address would stay in the saved notebook."""
    if account.type == "apiKey":
        return "an API key"
    return "ChatGPT" + (f" ({account.plan})" if account.plan else "")


def _key_note(client: Codex, effect: str) -> str:
    """Return a note if an API key is used regardless of the login."""
    is_set = client.options.api_key is not None or (os.environ if client.options.env is None else client.options.env).get(_API_KEY)
    return f" But {_API_KEY} is set, and {effect}." if is_set else ""
