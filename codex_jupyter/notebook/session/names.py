"""Names of threads and variables that a user gives. This module imports no SDK."""

from IPython.core.error import UsageError


def check_name(name: str, option: str) -> str:
    """Return the name of a thread or a variable, if it is valid.

    Raises:
        UsageError: If it is not an identifier.
    """
    if not name.isidentifier():
        raise UsageError(f"{option} takes a name of letters, digits and underscores, such as eda_2; not {name!r}.")
    return name
