"""The settings of the magics, made from the option table. `%config CodexMagics` lists and sets them."""

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics
from traitlets import TraitError, validate

from codex_jupyter.notebook.magic.option_table import OPTIONS
from codex_jupyter.notebook.session.names import check_name, check_variable

if TYPE_CHECKING:
    from codex_jupyter._choices import TransportName


class CodexSettings(Magics):
    """The settings of the notebook. A cell's own options override them, and they override the configuration of Codex."""

    dry_run: bool
    transport: "TransportName"
    locals().update({option.setting_name: option.trait().tag(config=True) for option in OPTIONS})

    @validate("thread", "out")
    def _is_name(self, proposal: Any) -> str:
        name, trait = str(proposal["value"]), proposal["trait"].name
        check = check_variable if trait == "out" else check_name
        try:
            return check(name, trait) if name else name
        except UsageError as error:
            raise TraitError(str(error)) from None

    @validate("context")
    def _is_context(self, proposal: Any) -> str:
        from codex_jupyter.notebook.context.spec import parse_spec  # not needed to load the extension

        try:
            parse_spec(proposal["value"])
        except UsageError as error:
            raise TraitError(str(error).removeprefix("--")) from None
        return str(proposal["value"])
