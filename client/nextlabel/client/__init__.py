"""The nextlabel client: `connect` for blocking code, `connect_async` for asyncio.

Nothing heavy is imported before it is used: the names below are loaded on first access, so that the command
line, which lives in this package too, starts without gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextlabel.client.clients import AsyncClient as AsyncClient
    from nextlabel.client.clients import Client as Client
    from nextlabel.client.clients import connect as connect
    from nextlabel.client.clients import connect_async as connect_async
    from nextlabel.client.errors import ClosedError as ClosedError
    from nextlabel.client.errors import FieldViolation as FieldViolation
    from nextlabel.client.errors import NextlabelError as NextlabelError
    from nextlabel.client.frames import frame as frame
    from nextlabel.client.handles import ProjectHandle as ProjectHandle
    from nextlabel.client.items import Columns as Columns
    from nextlabel.client.items import Item as Item
    from nextlabel.client.items import content_id as content_id
    from nextlabel.client.labeled_items import LabeledItem as LabeledItem
    from nextlabel.client.messages.enums import enum_name as enum_name
    from nextlabel.client.messages.item_batches import RejectedItem as RejectedItem
    from nextlabel.client.messages.plain import plain as plain
    from nextlabel.client.readers.file import ItemFile as ItemFile
    from nextlabel.client.services.runs import RunHandle as RunHandle
    from nextlabel.client.specs import anthropic as anthropic
    from nextlabel.client.specs import human as human
    from nextlabel.client.specs import learner as learner
    from nextlabel.client.specs import local as local
    from nextlabel.client.specs import openai_compatible as openai_compatible
    from nextlabel.client.specs import replay as replay
    from nextlabel.client.specs import run_spec as run_spec
    from nextlabel.client.transport.channel import Tls as Tls
    from nextlabel.client.upload import AddResult as AddResult

_HOME = {
    "plain": "messages.plain",
    "frame": "frames",
    "LabeledItem": "labeled_items",
    "enum_name": "messages.enums",
    "RunHandle": "services.runs",
    "ProjectHandle": "handles",
    "ClosedError": "errors",
    "learner": "specs",
    "local": "specs",
    "openai_compatible": "specs",
    "anthropic": "specs",
    "human": "specs",
    "replay": "specs",
    "run_spec": "specs",
    "Columns": "items",
    "AddResult": "upload",
    "AsyncClient": "clients",
    "Client": "clients",
    "FieldViolation": "errors",
    "Item": "items",
    "ItemFile": "readers.file",
    "NextlabelError": "errors",
    "RejectedItem": "messages.item_batches",
    "Tls": "transport.channel",
    "connect": "clients",
    "connect_async": "clients",
    "content_id": "items",
}

__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
