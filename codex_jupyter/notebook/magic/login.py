"""`%codex login` and `%codex logout`."""

import getpass
import os
from typing import TYPE_CHECKING, Final

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.display import DisplayHandle, display

from codex_jupyter.notebook.render import escape, sanitize
from codex_jupyter.sdk import Account, Codex, Login, LoginError

if TYPE_CHECKING:
    from codex_jupyter.notebook.magic.magics import CodexMagics

WAYS: Final = ("browser", "device", "key")
"""What `%codex login` takes: a link for a browser on this machine, a code for a browser anywhere, or an API key."""
_ELSEWHERE: Final = ("JUPYTERHUB_", "COLAB_", "BINDER_", "CODESPACE", "SSH_CONNECTION")
"""Beginnings of environment variables of kernels whose user's browser runs on another machine."""
_API_KEY: Final = "CODEX_API_KEY"


def login(magics: "CodexMagics", way: str = "") -> str:
    """Log in.

    Args:
        magics: The magics.
        way: One of `WAYS`; empty is a code on a hub and wherever the browser runs on another machine, else a link.

    Returns:
        What to tell the user.

    Raises:
        UsageError: If there is no such way, nobody can be asked, or demo mode is on.
        LoginError: If the login did not succeed.
    """
    client = _client(magics)
    if way and way not in WAYS:
        raise UsageError(f"`%codex login` takes {', '.join(WAYS[:-1])} or {WAYS[-1]}, not {way!r}.")
    way = way or ("device" if any(name.startswith(_ELSEWHERE) for name in os.environ) else "browser")
    account = _with_key(magics, client) if way == "key" else _with_browser(magics, client, way)
    return f"Logged in with {_as(account)}.{_but(client, 'is used instead of this login')}"


def logout(magics: "CodexMagics") -> str:
    """Log out.

    Returns:
        What to tell the user.

    Raises:
        UsageError: If demo mode is on.
        LoginError: If the login cannot be removed.
    """
    client = _client(magics)
    magics.session.call(client.logout)
    return f"Logged out: the next prompt needs a login.{_but(client, 'is still used')}"


def _client(magics: "CodexMagics") -> Codex:
    if magics.session.client.demo is not None:
        raise UsageError("Demo mode needs no login. `%codex demo off` ends it; then log in.")
    return magics.session.client.codex


def _with_key(magics: "CodexMagics", client: Codex) -> Account:
    try:
        key = getpass.getpass("API key (it is not shown): ").strip()
    except StdinNotImplementedError:
        raise UsageError("Nobody can be asked for a key here: set CODEX_API_KEY in the environment instead.") from None
    if not key:
        raise UsageError("No key was entered, so nothing has changed.")
    return magics.session.call(client.login_api_key, key)


def _with_browser(magics: "CodexMagics", client: Codex, way: str) -> Account:
    session = magics.session
    attempt = session.call(client.login_chatgpt_device_code if way == "device" else client.login_chatgpt)
    shown = display(_invitation(attempt), raw=True, display_id=True)
    try:
        return session.call(attempt.wait)
    except KeyboardInterrupt:
        session.call(attempt.cancel)
        raise LoginError("The login was cancelled.") from None
    finally:
        # The link and the code are of no use any more, and would stay in the saved notebook.
        if isinstance(shown, DisplayHandle):
            shown.update({"text/plain": "", "text/html": ""}, raw=True)


def _invitation(attempt: Login) -> dict[str, str]:
    """Say what to do in the browser."""
    code = "" if attempt.user_code is None else f"enter the code {attempt.user_code}"
    last = "Interrupting the kernel cancels this. Other ways: `%codex login device`, `%codex login key`."
    link = escape(attempt.url)
    lines = [
        f'Open <a href="{link}" target="_blank">{link}</a>' + (f", {escape(code)}," if code else "") + " and log in.",
        f"<small>{escape(last)}</small>",
    ]
    text = f"Open this page{f', {code},' if code else ''} and log in:\n{attempt.url}\n{last}"
    return {"text/plain": text, "text/html": sanitize("<br>".join(lines))}


def _as(account: Account) -> str:
    """The kind of an account; not its address, which would stay in the saved notebook."""
    if account.type == "apiKey":
        return "an API key"
    return "ChatGPT" + (f" ({account.plan})" if account.plan else "")


def _but(client: Codex, what: str) -> str:
    """Say that a key is used whatever the login is."""
    given = client.options.api_key is not None or (os.environ if client.options.env is None else client.options.env).get(_API_KEY)
    return f" But {_API_KEY} is set, and {what}." if given else ""
