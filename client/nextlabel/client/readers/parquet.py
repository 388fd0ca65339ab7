"""Parquet files, through pyarrow."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nextlabel.client.items import WRITTEN, Columns
from nextlabel.client.readers.errors import FileError
from nextlabel.client.readers.source import ByteSource
from nextlabel.client.sources import BLOCK_ROWS, arrow_table
from nextlabel.client.tables import Table

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


def read_parquet(source: ByteSource, columns: Columns, found: Callable[[list[str]], None]) -> Iterator[Table]:
    """The rows as tables of at most BLOCK_ROWS rows, with those of `columns` that the file has; all are `found` first.

    Raises FileError without pyarrow and for a file that is damaged, incomplete or no Parquet, UnknownColumnError.
    """
    file = _open(source)
    available = file.schema_arrow.names
    found(available)
    named = (columns.text, columns.id, columns.label, *columns.metadata, *(columns.pair or ()), WRITTEN)
    chosen = [name for name in available if name in named]
    try:
        for batch in file.iter_batches(batch_size=BLOCK_ROWS, columns=chosen):
            yield arrow_table(batch)
    except OSError as error:
        raise FileError(f"{source.name} is damaged Parquet ({error}); copy or download it again") from None


def _open(source: ByteSource) -> "ParquetFile":
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise FileError("reading Parquet needs pyarrow: pip install 'nextlabel[parquet]'") from None
    try:
        return ParquetFile(source.seekable())
    except (ArrowInvalid, OSError):
        raise FileError(
            f"{source.name} is no complete Parquet file: its end, which describes the rest, is missing, "
            "and nothing of it can be read; copy or download it again"
        ) from None
