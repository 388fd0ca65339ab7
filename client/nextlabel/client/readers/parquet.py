"""Parquet files, through pyarrow."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from nextlabel.client.readers.errors import FileError
from nextlabel.client.readers.source import ByteSource
from nextlabel.client.sources import BLOCK_ROWS, arrow_table

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


def read_parquet(source: ByteSource, columns: Sequence[str]) -> Iterator[Mapping[str, Sequence[Any]]]:
    """The rows as tables of at most BLOCK_ROWS rows, with those of `columns` that the file has.

    Raises FileError without pyarrow and for a file that is damaged, incomplete or no Parquet.
    """
    file = _open(source)
    available = file.schema_arrow.names
    chosen = [column for column in columns if column in available]
    # A table without the missing column names it in its error, so that it has to list the others.
    names = chosen if len(chosen) == len(set(columns)) else available
    try:
        for batch in file.iter_batches(batch_size=BLOCK_ROWS, columns=names):
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
        return ParquetFile(_spooled(source) if source.is_stdin else str(source.path))
    except (ArrowInvalid, OSError):
        raise FileError(
            f"{source.name} is no complete Parquet file: its end, which describes the rest, is missing, "
            "and nothing of it can be read; copy or download it again"
        ) from None


def _spooled(source: ByteSource) -> IO[bytes]:
    """The content in a temporary file: Parquet is read from its end."""
    spooled = tempfile.TemporaryFile()  # noqa: SIM115  (pyarrow keeps it as long as it reads)
    shutil.copyfileobj(source.open(), spooled)
    spooled.seek(0)
    return spooled
