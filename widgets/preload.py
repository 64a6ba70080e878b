"""Imports what pages need while the server starts, so that whoever opens the first page does not wait for it."""

import pkgutil
from importlib import import_module

import widgets


def import_widgets() -> None:
    """Import every module of this package, and with them those of the core that pages use."""
    for module in pkgutil.walk_packages(widgets.__path__, f"{widgets.__name__}."):
        import_module(module.name)
