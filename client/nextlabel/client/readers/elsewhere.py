"""Items that are in no file of lines: Arrow files, Hugging Face datasets by folder or name, and SQL queries."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nextlabel.client.readers.errors import FileError
from nextlabel.client.sources import BLOCK_ROWS, arrow_table, dataset_tables
from nextlabel.client.tables import Table

Tables = Callable[[], Iterator[Table]]

BY_NAME = "hf:"
"""Before the name of a dataset on the Hugging Face hub."""

_READING = ("select", "with", "values", "table")
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}

_NEEDS_DATASETS = "Hugging Face datasets need their package: pip install 'nextlabel[hf]'"


def tables_elsewhere(path: str | Path, database: str | None) -> Tables | None:
    """What reads `path` where it is no file of lines; None for such a file.

    With a `database`, a URL, the path is a query. Raises FileError for a folder that is no dataset.
    """
    if database is not None:
        return lambda: _query_tables(str(path), database)
    if str(path).startswith(BY_NAME):
        return lambda: _hub_tables(str(path).removeprefix(BY_NAME))
    folder = Path(path)
    if folder.is_dir():
        _check_dataset(folder)
        return lambda: _folder_tables(folder)
    if folder.suffix.lower() in (".arrow", ".feather"):
        return lambda: _arrow_file_tables(folder)
    return None


def _check_dataset(folder: Path) -> None:
    if (folder / "state.json").is_file():
        return
    parts = sorted(part.name for part in folder.iterdir() if (part / "state.json").is_file())
    if parts:
        raise FileError(
            f"{folder} holds the datasets {', '.join(parts)}; give one of them, such as {folder / parts[0]}"
        )
    raise FileError(f"{folder} is a folder; give a file in it, or a folder that save_to_disk of datasets wrote")


def _folder_tables(folder: Path) -> Iterator[Table]:
    datasets = _datasets()
    try:
        dataset = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FileError(f"{folder} is no whole dataset ({error}); save or copy it again") from None
    yield from dataset_tables(dataset)


def _hub_tables(named: str) -> Iterator[Table]:
    name, _, split = named.partition("@")
    datasets = _datasets()
    try:
        dataset = datasets.load_dataset(name, split=split or None, streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise FileError(f"{BY_NAME}{named}: it cannot be loaded ({_first_line(error)})") from None
    if isinstance(dataset, dict):
        parts = list(dataset)
        raise FileError(
            f"{BY_NAME}{name} has the splits {', '.join(parts)}; give one, as in {BY_NAME}{name}@{parts[0]}"
        )
    yield from dataset_tables(dataset)


def _datasets() -> Any:
    try:
        import datasets
    except ImportError:
        raise FileError(_NEEDS_DATASETS) from None
    return datasets


def _arrow_file_tables(path: Path) -> Iterator[Table]:
    try:
        import pyarrow as pa
        from pyarrow import feather
    except ImportError:
        raise FileError("reading Arrow files needs pyarrow: pip install 'nextlabel[parquet]'") from None
    try:
        table = feather.read_table(path, memory_map=True)
    except pa.ArrowInvalid as error:
        raise FileError(f"{path} is no whole Arrow file ({_first_line(error)}); copy or save it again") from None
    for batch in table.to_batches(max_chunksize=BLOCK_ROWS):
        yield arrow_table(batch)


def _query_tables(query: str, database: str) -> Iterator[Table]:
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, SQLAlchemyError
    except ImportError:
        raise FileError("reading databases needs SQLAlchemy: pip install 'nextlabel[sql]'") from None
    if not query.lower().lstrip(" \t\r\n(").startswith(_READING):
        raise FileError(f"the query has to read: it begins with {', '.join(_READING)}")
    try:
        engine = sqlalchemy.create_engine(database)
    except (ArgumentError, ImportError, SQLAlchemyError) as error:
        # It may hold a password.
        reason = "" if isinstance(error, ArgumentError) else f" ({_first_line(error)})"
        raise FileError(f"the database cannot be used{reason}; give a URL such as sqlite:///file.db") from None
    where = engine.url.render_as_string(hide_password=True)
    try:
        # A query that begins as one that reads can still write; nothing is committed, where the driver asks at all.
        with engine.connect().execution_options(yield_per=BLOCK_ROWS) as connection:
            if engine.dialect.name in _READ_ONLY:
                connection.execute(sqlalchemy.text(_READ_ONLY[engine.dialect.name]))
            result = connection.execute(sqlalchemy.text(query))
            if not result.returns_rows:
                raise FileError("the query gives no rows; it has to be a SELECT")
            names = list(result.keys())
            for rows in result.partitions():
                yield _rows_table(names, [tuple(row) for row in rows])
    except SQLAlchemyError as error:
        raise FileError(f"{where}: {_first_line(getattr(error, 'orig', None) or error)}") from None
    finally:
        engine.dispose()


def _rows_table(names: list[str], rows: list[tuple[Any, ...]]) -> Table:
    return Table(names, len(rows), lambda index: [row[index] for row in rows])


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]
