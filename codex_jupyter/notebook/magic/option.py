"""An option of `%codex`: its argument on a line, and its setting of the notebook."""

import math
from argparse import BooleanOptionalAction
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from IPython.core.magic_arguments import argument
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitType, Unicode

if TYPE_CHECKING:
    from collections.abc import Callable

Kind: TypeAlias = Literal["text", "choice", "list", "table", "flag", "seconds", "count"]
Values: TypeAlias = Literal[
    "model", "effort", "context", "thread", "earlier thread", "image", "variable", "export format", "login way", "demo"
]
"""Names of what Tab completion can offer; see `completion_values`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Option:
    """An option of a prompt, and the setting of the notebook that it overrides.

    Attributes:
        name: Name of the setting, and of the option in the parsed line.
        help: Help of the option. The help of the setting adds `default_help`.
        flags: Flags of the option. Empty for a setting that no line can override.
        kind: Type of the value.
        default: Default of the setting.
        default_help: Explains the default of the setting.
        setting_help: Help of the setting, if it differs from `help`.
        setting: Name of the setting, if it differs from `name`.
        metavar: Name of the value in the help.
        choices: The valid values.
        minimum: The smallest valid number.
        repeatable: The option can be given several times.
        bare_value: Value of the option when it is given without one.
        values: Values that Tab offers.
        is_path: Tab offers files and folders.
    """

    name: str
    help: str
    flags: tuple[str, ...] = ()
    kind: Kind = "text"
    default: Any = ""
    default_help: str = ""
    setting_help: str = ""
    setting: str = ""
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    minimum: float = 0
    repeatable: bool = False
    bare_value: str | None = None
    values: Values | None = None
    is_path: bool = False

    @property
    def setting_name(self) -> str:
        """Name of the setting."""
        return self.setting or self.name

    @property
    def takes_value(self) -> bool:
        """True if a value follows the flag."""
        return self.kind != "flag"

    def trait(self) -> TraitType[Any, Any]:
        """Return a new trait for the setting."""
        text = " ".join(filter(None, (self.setting_help or self.help, self.default_help)))
        if self.kind == "choice" and self.default == "":
            return Enum(("", *self.choices), default_value="", help=text)
        makers: dict[Kind, Callable[[], TraitType[Any, Any]]] = {
            "text": lambda: Unicode(self.default, help=text),
            "choice": lambda: Enum(self.choices, default_value=self.default, help=text),
            "list": lambda: List(Unicode(), help=text),
            "table": lambda: _CodexConfig(help=text),
            "flag": lambda: Bool(self.default, help=text),
            "seconds": lambda: _Seconds(self.default, min=self.minimum, help=text),
            "count": lambda: Int(self.default, min=int(self.minimum), help=text),
        }
        return makers[self.kind]()

    def argument(self) -> argument:
        """Return the argument that adds the option to a parser of a magic."""
        if not self.takes_value:
            return argument(*self.flags, dest=self.name, action=BooleanOptionalAction, help=self.help)
        details: dict[str, Any] = {"metavar": self.metavar} if self.metavar else {}
        if self.choices:
            details["choices"] = self.choices
        if self.repeatable:
            details["action"] = "append"
        if self.bare_value is not None:
            details |= {"nargs": "?", "const": self.bare_value}
        if self.kind == "seconds":
            details["type"] = float
        return argument(*self.flags, dest=self.name, help=self.help, **details)


class _Seconds(Float[float, Any]):
    """A number of seconds. A limit that is not a number would never be reached."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Refuse NaN, and everything that `Float` refuses."""
        number = super().validate(obj, value)
        return self.error(obj, value) if math.isnan(number) else number


class _CodexConfig(Dict):  # its generic form exists for type checkers only
    """Settings of Codex. On a command line, `key=value` means the same as to Codex: the value is TOML, or otherwise a text."""

    def item_from_string(self, s: str) -> dict[str, Any]:
        """Read `key=value`."""
        import tomllib  # only a command line needs it

        [(key, value)] = super().item_from_string(s).items()
        try:
            return {key: tomllib.loads(f"v = {value}")["v"]}
        except tomllib.TOMLDecodeError:
            return {key: value}
