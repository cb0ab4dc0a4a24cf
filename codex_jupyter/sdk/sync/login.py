"""A login of a synchronous client."""

from codex_jupyter.sdk.login import Login as AsyncLogin
from codex_jupyter.sdk.models.account import Account
from codex_jupyter.sdk.sync.caller import Caller


class Login:
    """A login that waits for the user. `Codex.login_chatgpt` and `Codex.login_chatgpt_device_code` return one.

    Attributes:
        url: The page to open.
        user_code: The code to enter there; None if the page needs no code.
    """

    def __init__(self, login: AsyncLogin) -> None:
        self.url: str = login.url
        self.user_code: str | None = login.user_code
        self._async = login

    def __repr__(self) -> str:
        return repr(self._async)

    def wait(self) -> Account:
        """Wait until the user has logged in, at most `LOGIN_TIMEOUT` seconds. Cancelling the wait cancels the login.

        Returns:
            The account.

        Raises:
            LoginError: If the login fails, is cancelled, or takes too long.
        """
        return Caller().wait(self._async.wait())

    def cancel(self) -> None:
        """Cancel the login, and free everything. Safe to call twice, and after the login."""
        Caller().wait(self._async.cancel())
