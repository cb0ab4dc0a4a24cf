"""The code that a review is about."""

from dataclasses import dataclass

from codex_jupyter.sdk.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTarget:
    """The code to review: exactly one of these.

    Raises:
        ConfigError: If none or several are given.
    """

    uncommitted: bool = False
    """Staged, unstaged and untracked changes."""
    base: str | None = None
    """The changes compared with this branch."""
    commit: str | None = None
    """The changes of this commit."""
    prompt: str | None = None
    """A description of the code."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.uncommitted, self.base, self.commit, self.prompt))) != 1:
            raise ConfigError("A review needs exactly one of uncommitted=True, base='branch', commit='sha' and prompt='...'.")
