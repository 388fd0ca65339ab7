"""Rows in Arrow's column types: Parquet, Arrow files, and folders of Hugging Face `datasets`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nextlabel.client.readers.errors import FileError
from nextlabel.client.writers.cells import text_of
from nextlabel.client.writers.replacing import check_folder, replacing_folder

Row = Mapping[str, Any]

_MARK = "dataset_info.json"


def write_parquet(path: Path, names: Sequence[str], rows: Iterable[Row]) -> int:
    """Write a Parquet file. Raises FileError without pyarrow."""
    table = _table("Parquet", names, rows)
    from pyarrow import parquet

    parquet.write_table(table, path)
    return int(table.num_rows)


def write_arrow(path: Path, names: Sequence[str], rows: Iterable[Row]) -> int:
    """Write an Arrow IPC file, which pandas and polars know as Feather. Raises FileError without pyarrow."""
    table = _table("Arrow", names, rows)
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return int(table.num_rows)


def check_dataset_folder(path: Path) -> None:
    """Check that a folder of `datasets` can be written there.

    Raises FileError where something else is in the way, or the package is missing.
    """
    check_folder(path, _MARK)
    try:
        import datasets  # noqa: F401
    except ImportError:
        raise FileError(
            f"{path}: a name without an ending is a folder of Hugging Face datasets, which needs them: "
            "pip install 'nextlabel[hf]'"
        ) from None


def write_dataset_folder(path: Path, names: Sequence[str], rows: Iterable[Row]) -> int:
    """Write what `datasets.load_from_disk` reads; a data set that is there is replaced once this one is whole.

    Raises FileError as `check_dataset_folder` does.
    """
    check_dataset_folder(path)
    import datasets

    dataset = datasets.Dataset(_table("datasets", names, rows))
    with replacing_folder(path, _MARK) as beside:
        was_shown = datasets.is_progress_bar_enabled()
        datasets.disable_progress_bars()
        try:
            dataset.save_to_disk(str(beside))
        finally:
            if was_shown:
                datasets.enable_progress_bars()
    return len(dataset)


def _table(form: str, names: Sequence[str], rows: Iterable[Row]) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise FileError(f"writing {form} needs pyarrow: pip install 'nextlabel[parquet]'") from None
    kept = list(rows)
    return pa.table({name: _column(pa, [row.get(name) for row in kept]) for name in names})


def _column(pa: Any, values: list[Any]) -> Any:
    """A column of the type of its values; of text where they are of several, or where there is none."""
    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else text_of(value) for value in values])
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
