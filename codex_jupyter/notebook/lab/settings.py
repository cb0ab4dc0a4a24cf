"""The settings page of JupyterLab has the settings of the notebook, under the same names."""

from typing import Any

from IPython.core.error import UsageError
from traitlets import HasTraits, TraitError

from codex_jupyter.notebook.render import plain


class PageSettings:
    """Applies the settings that the user changed in JupyterLab. `%config` and the IPython configuration override them.

    Args:
        magics: The object that has the settings.
    """

    def __init__(self, magics: HasTraits) -> None:
        self._magics = magics
        self._applied = dict[str, Any]()
        """The values that JupyterLab set."""

    def start(self, settings: Any) -> None:
        """Apply the settings of a page that connects. Those that cannot be used are left out: the settings page shows its own errors."""
        for name, value in _items(settings):
            if name in self._applied or self._is_default(name):
                try:
                    self._apply(name, value)
                except UsageError:
                    continue

    def change(self, settings: Any) -> None:
        """Apply settings that the user has just changed. None is the default.

        Raises:
            UsageError: If a value cannot be used.
        """
        for name, value in _items(settings):
            self._apply(name, value)

    def _is_default(self, name: str) -> bool:
        trait = self._magics.traits().get(name)
        return trait is not None and getattr(self._magics, name) == trait.default(self._magics)

    def _apply(self, name: str, value: Any) -> None:
        trait = self._magics.traits(config=True).get(name)
        if trait is None:  # the settings of the page itself, or of another version
            return
        try:
            setattr(self._magics, name, trait.default(self._magics) if value is None else value)
        except TraitError as error:
            raise UsageError(f"The setting {name} of JupyterLab cannot be used: {plain(str(error))}") from None
        self._applied[name] = value


def _items(settings: Any) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in settings.items()] if isinstance(settings, dict) else []
