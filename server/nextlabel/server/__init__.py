"""The service: API, domain, stores, annotators, learners; and `Labeler`, all of it within a program of yours."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextlabel.server.embedded.labeler import Labeler as Labeler

__all__ = ["Labeler"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    # Loaded on first access: whoever runs a server or asks for help needs none of it.
    if name != "Labeler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = import_module("nextlabel.server.embedded.labeler").Labeler
    globals()[name] = value
    return value
