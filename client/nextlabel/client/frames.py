"""What calls return as a pandas DataFrame."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from nextlabel.client.export.tables import flat
from nextlabel.client.labeled_items import LabeledItem
from nextlabel.client.messages.plain import plain

if TYPE_CHECKING:
    import pandas as pd


def frame(elements: Iterable[Message | LabeledItem]) -> "pd.DataFrame":
    """The elements of a list call, a row each: `frame(news.labels())`, `frame(curve.points)`.

    What is nested in a message gets the names of where it stands, with points between. Raises ModuleNotFoundError
    without pandas.
    """
    import pandas as pd

    return pd.DataFrame([_row(element) for element in elements])


def _row(element: Message | LabeledItem) -> dict[str, Any]:
    return element.columns() if isinstance(element, LabeledItem) else dict(flat(plain(element)))
