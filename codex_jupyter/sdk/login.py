"""Log in to the provider of the model: with a link for the browser, with a code for another device, or with an API key.

A login runs on a separate `codex app-server` process, with any transport. The CLI stores it as `codex login` does, and the next turn uses
it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import anyio
from anyio import to_thread

from codex_jupyter.sdk.errors import LoginError, TransportError
from codex_jupyter.sdk.models.account import Account
from codex_jupyter.sdk.redaction import mask_message
from codex_jupyter.sdk.transports.app_server.connection import NO_THREAD, AppServerConnection
from codex_jupyter.sdk.transports.app_server.mailbox import Mailbox
from codex_jupyter.sdk.transports.app_server.rpc import ConnectionClosedError, RpcError

LOGIN_TIMEOUT: Final = 900.0
"""Seconds for the user to log in. The code for a device is valid as long."""
START_TIMEOUT: Final = 30.0
"""Seconds for the provider to start a login."""


class Login:
    """A login that waits for the user. `Codex.login_chatgpt` and `Codex.login_chatgpt_device_code` return one.

    Attributes:
        url: The page to open.
        user_code: The code to enter there; None if the page needs no code.
    """

    def __init__(self, server: AppServerConnection, mailbox: Mailbox, answer: Mapping[str, Any], done: Callable[[], None]) -> None:
        self.url: str = str(answer.get("authUrl") or answer.get("verificationUrl") or "")
        self.user_code: str | None = None if answer.get("userCode") is None else str(answer["userCode"])
        self._id = answer.get("loginId")
        self._server, self._mailbox, self._done = server, mailbox, done
        self._open, self._ended = True, False

    def __repr__(self) -> str:
        return f"<login at {self.url.partition('?')[0]}>"

    async def wait(self) -> Account:
        """Wait until the user has logged in, at most `LOGIN_TIMEOUT` seconds. Cancelling the wait cancels the login.

        Returns:
            The account.

        Raises:
            LoginError: If the login fails, is cancelled, or takes too long.
        """
        try:
            with anyio.move_on_after(LOGIN_TIMEOUT):
                while self._open:
                    for message in await self._mailbox.get():
                        if message is None:
                            raise LoginError("The login did not succeed, because the codex app-server ended. Start another login.")
                        if not self._open:
                            break  # the server may report the cancelled login as one that failed
                        params = message.get("params") or {}
                        if message.get("method") == "account/login/completed" and params.get("loginId") in (None, self._id):
                            return await self._completed(params)
                raise LoginError("The login was cancelled.")
            raise LoginError(
                f"The login did not succeed, because no one logged in within {LOGIN_TIMEOUT / 60:g} minutes. Start another login."
            )
        finally:
            await self.cancel()

    async def cancel(self) -> None:
        """Cancel the login, and free everything. Safe to call twice, and after the login."""
        if not self._open:
            return
        self._open = False
        with anyio.CancelScope(shield=True):
            if not self._ended:
                self._server.request_nowait("account/login/cancel", {"loginId": self._id})
                self._mailbox.put({})  # wakes `wait` in another task
            await to_thread.run_sync(self._server.close)
            self._server.unsubscribe(NO_THREAD)

    async def _completed(self, params: Mapping[str, Any]) -> Account:
        self._ended = True
        if not params.get("success"):
            raise LoginError(f"The login did not succeed: {mask_message(str(params.get('error') or 'the provider gave no reason'))}")
        self._done()
        return await _account(self._server) or Account(type="chatgpt")


async def start_login(
    start: Callable[[], AppServerConnection], kind: Literal["chatgpt", "chatgptDeviceCode"], done: Callable[[], None]
) -> Login:
    """Start a login that the user completes.

    Args:
        start: Starts a server. It may block.
        kind: The kind of login: a link for a browser on this machine, or a code for any device.
        done: Called when the user has logged in.

    Raises:
        LoginError: If the provider does not start it.
        TransportError: If the server does not start.
    """
    server = await to_thread.run_sync(start)
    mailbox = server.subscribe(NO_THREAD)
    try:
        return Login(server, mailbox, await _ask(server, "account/login/start", {"type": kind}), done)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(server.close)
        server.unsubscribe(NO_THREAD)
        raise


async def login_with_key(start: Callable[[], AppServerConnection], key: str) -> Account:
    """Store an API key as the login.

    Args:
        start: Starts a server. It may block.
        key: The key.

    Raises:
        LoginError: If the key cannot be stored.
        TransportError: If the server does not start.
    """
    return await _once(start, "account/login/start", {"type": "apiKey", "apiKey": key}) or Account(type="apiKey")


async def logout(start: Callable[[], AppServerConnection]) -> None:
    """Remove the stored login. Raises as `login_with_key` does."""
    await _once(start, "account/logout", {})


async def _once(start: Callable[[], AppServerConnection], method: str, params: Mapping[str, Any]) -> Account | None:
    server = await to_thread.run_sync(start)
    try:
        await _ask(server, method, params)
        return await _account(server)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(server.close)


async def _ask(server: AppServerConnection, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return await server.request(method, params, seconds=START_TIMEOUT)
    except (RpcError, ConnectionClosedError) as error:
        secret = str(params.get("apiKey") or "")
        raise LoginError(f"The login did not succeed: {mask_message(str(error), [secret] if secret else [])}") from None


async def _account(server: AppServerConnection) -> Account | None:
    try:
        return Account.of(await server.request("account/read", {}))
    except TransportError:
        return None  # the login is stored nevertheless
