"""The methods of a client about its account: login, models and limits."""

import os
from collections.abc import Callable
from typing import Literal

from pydantic import SecretStr

from codex_jupyter.sdk.client_base import ClientBase
from codex_jupyter.sdk.errors import AuthenticationError, TransportError
from codex_jupyter.sdk.executable.environment import API_KEY_VARIABLE
from codex_jupyter.sdk.login import Login, login_with_key, logout, start_login
from codex_jupyter.sdk.models.account import Account, AccountStatus, Model
from codex_jupyter.sdk.models.options import CodexOptions
from codex_jupyter.sdk.models.rate_limits import RateLimits
from codex_jupyter.sdk.transports.app_server.connection import AppServerConnection


class AccountMethods(ClientBase):
    """Log in and out, and read the account, its models and its limits."""

    _logins: list[Login]

    async def models(self, *, hidden: bool = False) -> tuple[Model, ...]:
        """Return the models of the account, in the environment of the client.

        Args:
            hidden: Return also models that the CLI does not offer in its lists.

        Raises:
            UnsupportedOperationError: If a custom transport does not support it.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        return tuple(map(Model.from_wire, await self._ask_pages("model/list", {"includeHidden": hidden})))

    async def account(self, *, refresh: bool = False) -> AccountStatus:
        """Return the account that is logged in, in the environment of the client. Raises as `models` does.

        Args:
            refresh: Renew the token of a ChatGPT login first.
        """
        return AccountStatus.from_wire(await self._ask("account/read", {"refreshToken": refresh}))

    async def rate_limits(self) -> tuple[RateLimits, ...]:
        """Return the limits of the account: how much of them is used, and when they end. The first one is the main limit.

        Raises:
            AuthenticationError: If no one is logged in with ChatGPT: other accounts have no such limits.
            UnsupportedOperationError: If a custom transport does not support it.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        try:
            answer = await self._ask("account/rateLimits/read")
        except TransportError as error:
            if "authentication required" in str(error):
                remedy = "Log in with `%codex login device` in a notebook, or with `codex.login_chatgpt_device_code()` in Python."
                raise AuthenticationError(f"Only a ChatGPT account has limits. {remedy}") from None
            raise
        snapshots = [answer.get("rateLimits"), *(answer.get("rateLimitsByLimitId") or {}).values()]
        limits = [RateLimits.from_wire(snapshot) for snapshot in snapshots if isinstance(snapshot, dict)]
        return tuple(limit for index, limit in enumerate(limits) if limit not in limits[:index])

    async def login_chatgpt(self) -> Login:
        """Start a login with a ChatGPT account, in a browser on this machine: open `Login.url`, then await `Login.wait()`.

        If the browser runs on another machine, as on a hub, use `login_chatgpt_device_code`.

        Raises:
            LoginError: If the provider does not start it.
            UnsupportedOperationError: If a custom transport runs no executable.
            TransportError: If the CLI failed.
            CodexNotFoundError: If there is no CLI.
        """
        return await self._start_login("chatgpt")

    async def login_chatgpt_device_code(self) -> Login:
        """Start a login with a ChatGPT account, in a browser on any machine. Raises as `login_chatgpt` does.

        Open `Login.url`, enter `Login.user_code` there, then await `Login.wait()`.
        """
        return await self._start_login("chatgptDeviceCode")

    async def login_api_key(self, api_key: str | SecretStr) -> Account:
        """Store an API key as the login, as `codex login --with-api-key` does. The key is not checked. Raises as `login_chatgpt` does.

        Args:
            api_key: The key. The CLI receives it over its standard input.
        """
        account = await login_with_key(
            await self._login_server(), api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        )
        self._logged_in()
        return account

    async def logout(self) -> None:
        """Remove the stored login. An `api_key` and CODEX_API_KEY stay in use. Raises as `login_chatgpt` does."""
        await logout(await self._login_server())
        self._logged_in()

    async def _start_login(self, kind: Literal["chatgpt", "chatgptDeviceCode"]) -> Login:
        login = await start_login(await self._login_server(), kind, self._logged_in)
        self._logins.append(login)
        return login

    async def _login_server(self) -> Callable[[], AppServerConnection]:
        """Return a function that starts a server for a login, without an API key: with one, it would not store the login."""
        cli = await self._transport.locate()
        options = self._options
        env = {name: value for name, value in (os.environ if options.env is None else options.env).items() if name != API_KEY_VARIABLE}
        without_key = CodexOptions.of(options, {"api_key": None, "env": env})

        def start() -> AppServerConnection:
            from codex_jupyter.sdk.transports.app_server.startup import start_server

            return start_server(cli, without_key).server

        return start

    def _logged_in(self) -> None:
        """Use the changed login for the next turn."""
        self._transport.renew()
