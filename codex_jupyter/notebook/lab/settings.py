"""The settings page of JupyterLab has the settings of the notebook, under the same names."""

from typing import Any

from IPython.core.error import UsageError
from traitlets import HasTraits, TraitError

from codex_jupyter.notebook.consent.presets import AXES
from codex_jupyter.notebook.render import plain


class PageSettings:
    """Applies the settings that the user changed in JupyterLab. `%config` and the IPython configuration override them.

    A preset sets all rights. So one that the user sets elsewhere also overrides the single rights of JupyterLab.

    Args:
        magics: The object that has the settings.
    """

    def __init__(self, magics: HasTraits) -> None:
        self._magics = magics
        self._applied = dict[str, Any]()
        """The values that JupyterLab set."""
        self._is_applying = False
        magics.observe(self._on_preset, "preset")

    def start(self, settings: dict[str, Any]) -> str:
        """Apply the settings of a page that connects, and return a line for each that cannot be used."""
        return self._apply({name: value for name, value in settings.items() if not self._is_overridden(name)})

    def change(self, settings: dict[str, Any]) -> None:
        """Apply settings that the user has just changed. None is the default.

        Raises:
            UsageError: If a value cannot be used. The others are applied.
        """
        if errors := self._apply(settings):
            raise UsageError(errors)

    def _is_overridden(self, name: str) -> bool:
        return self._is_changed(name) or (name in AXES and self._is_changed("preset"))

    def _is_changed(self, name: str) -> bool:
        """Return True if a setting has not the value that JupyterLab set."""
        trait = self._magics.traits().get(name)
        return trait is not None and getattr(self._magics, name) != self._applied.get(name, trait.default(self._magics))

    def _on_preset(self, change: Any) -> None:
        """Let a preset of the user replace the single rights that JupyterLab set."""
        if change["new"] and not self._is_applying:
            self._apply(dict.fromkeys(name for name in AXES if name in self._applied and not self._is_changed(name)))

    def _apply(self, settings: dict[str, Any]) -> str:
        """Apply settings, and return a line for each that cannot be used."""
        errors = list[str]()
        for name, value in settings.items():
            trait = self._magics.traits(config=True).get(name)
            if trait is None:  # a setting of another version
                continue
            try:
                self._is_applying = True
                setattr(self._magics, name, trait.default(self._magics) if value is None else value)
                self._applied[name] = getattr(self._magics, name)
            except TraitError as error:
                errors.append(f"Correct {name} in the Settings Editor, under Codex: {plain(str(error))}")
            finally:
                self._is_applying = False
        return "\n".join(errors)
