"""A delivery that may be cut off: its pages wait in a file beside the one that is written, and it goes on there."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from google.protobuf import json_format

from nextlabel.client.clients import Client
from nextlabel.client.errors import NextlabelError
from nextlabel.client.export.delivery import delivered_rows
from nextlabel.client.export.tables import write_rows
from nextlabel.v1 import quality_service_pb2 as pb

PAGE_ITEMS = 1_000


class PartialDelivery:
    """The pages of one delivery that have come so far, in ``FILE.partial`` beside the file that is to be written.

    A line each: what is delivered, every row, and after each page the token of the next one, ``""`` after the last.
    What a broken line or page leaves behind is dropped. `found` is what was said of all labels when the delivery began.
    """

    def __init__(self, to: Path, delivered: Mapping[str, str], found: pb.GetDeliveryResponse) -> None:
        self.path = to.with_name(f"{to.name}.partial")
        self._delivered = dict(delivered)
        self.found = found
        self.items = 0
        self.token: str | None = None
        if not self._read():
            self.begin_again(found)

    @property
    def goes_on(self) -> bool:
        """True where pages of the same delivery were kept before."""
        return self.token is not None

    @property
    def whole(self) -> bool:
        """True when there are no further pages."""
        return self.token == ""

    def begin_again(self, found: pb.GetDeliveryResponse) -> None:
        """Drop the pages: the listing that they are of cannot be gone on with."""
        self.found, self.items, self.token = found, 0, None
        with self.path.open("w", encoding="utf-8") as file:
            _write_line(file, {"of": self._delivered, "found": json_format.MessageToDict(found)})

    def add(self, page: pb.ListDeliveredLabelsResponse) -> None:
        """Keep a page."""
        with self.path.open("a", encoding="utf-8") as file:
            for row in delivered_rows(self.found, page.labels):
                _write_line(file, {"row": row})
            _write_line(file, {"next": page.next_page_token})
        self.items += len(page.labels)
        self.token = page.next_page_token

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Return the rows that were kept."""
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                kept = json.loads(line)
                if "row" in kept:
                    yield kept["row"]

    def _read(self) -> bool:
        """Take up what a file from before has; return False where it has nothing of this delivery."""
        if not self.path.is_file():
            return False
        end, items = 0, 0
        with self.path.open("rb") as file:
            header = _line(file.readline())
            if header is None or header.get("of") != self._delivered:
                return False
            self.found = json_format.ParseDict(header["found"], pb.GetDeliveryResponse(), ignore_unknown_fields=True)
            end = file.tell()
            while (kept := _line(file.readline())) is not None:
                items += "row" in kept
                if "next" in kept:
                    end, self.items, self.token = file.tell(), items, kept["next"]
        with self.path.open("rb+") as file:
            file.truncate(end)
        return True


def write_delivery(client: Client, project: str, accuracy: float, to: Path, partial: PartialDelivery) -> int:
    """Fetch the pages that are missing and write all rows; returns how many there are.

    Raises NextlabelError with what was fetched kept for the next time; DELIVERY_CHANGED where the listing has been
    forgotten and nothing of it is of use.
    """
    while not partial.whole:
        page = client.quality.delivered_page(
            project, accuracy=accuracy, page_token=partial.token or "", page_size=PAGE_ITEMS
        )
        partial.add(page)
    written = write_rows(to, partial.rows())
    partial.path.unlink()
    return written


def is_forgotten(error: NextlabelError) -> bool:
    """Return whether a listing cannot be gone on with, since labels have changed and the server has forgotten it."""
    return error.reason == "DELIVERY_CHANGED"


def _write_line(file: IO[str], record: Mapping[str, Any]) -> None:
    file.write(json.dumps(record) + "\n")


def _line(line: bytes) -> dict[str, Any] | None:
    """Return a record, None for the end and for a line that was cut off."""
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
