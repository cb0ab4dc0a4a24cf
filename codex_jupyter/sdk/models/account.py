"""The account of a client, and the models that it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account that is logged in."""

    type: str
    """Such as `apiKey` or `chatgpt`."""
    email: str | None = None
    """The address of a ChatGPT account."""
    plan: str | None = None
    """The plan of a ChatGPT account, such as `plus`."""

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Account | None":
        """Read the answer to `account/read`; None if no one is logged in."""
        account = answer.get("account")
        if not isinstance(account, Mapping):
            return None
        email, plan = account.get("email"), account.get("planType")
        return cls(type=str(account.get("type")), email=None if email is None else str(email), plan=None if plan is None else str(plan))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """The login of a client."""

    account: Account | None
    """The account that is logged in; None if there is none."""
    login_required: bool
    """True if the provider of the model needs a login."""

    @classmethod
    def from_wire(cls, answer: Mapping[str, Any]) -> "AccountStatus":
        """Read the answer to `account/read`."""
        return cls(account=Account.of(answer), login_required=answer.get("requiresOpenaiAuth") is True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that an account has."""

    name: str
    """The name for `ThreadOptions.model`."""
    display_name: str = ""
    description: str = ""
    is_default: bool = False
    hidden: bool = False
    """True if the CLI does not offer the model in its lists."""
    efforts: tuple[str, ...] = ()
    """The reasoning efforts that the model accepts."""
    default_effort: str | None = None
    input_modalities: tuple[str, ...] = ()
    """The kinds of input, such as `text` and `image`."""
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Everything that the CLI reports, with its own names."""

    @classmethod
    def from_wire(cls, model: Mapping[str, Any]) -> "Model":
        """Read an entry of the answer to `model/list`."""
        efforts = [option.get("reasoningEffort") for option in model.get("supportedReasoningEfforts") or () if isinstance(option, Mapping)]
        default = model.get("defaultReasoningEffort")
        return cls(
            name=str(model.get("model") or model.get("id") or ""),
            display_name=str(model.get("displayName") or ""),
            description=str(model.get("description") or ""),
            is_default=model.get("isDefault") is True,
            hidden=model.get("hidden") is True,
            efforts=tuple(str(effort) for effort in efforts if effort),
            default_effort=None if default is None else str(default),
            input_modalities=tuple(map(str, model.get("inputModalities") or ())),
            details=dict(model),
        )
