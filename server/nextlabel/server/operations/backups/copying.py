"""Copies of what may be written meanwhile: one snapshot of a database, and a folder of files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nextlabel.server.store.sql.sqlite_errors import translated
from nextlabel.server.values.errors import DataLoss, InvalidArgument


def copy_database(source: Path, target: Path) -> None:
    """Copy one consistent snapshot of a database, which may be written meanwhile, and check it."""
    target.unlink(missing_ok=True)
    with database_errors(), closing(open_read_only(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        # One file, without the log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        problem = damage(copy)
    target.chmod(0o600)
    if problem:
        raise DataLoss(
            f"the database {source} is damaged ({problem}); restore it from a backup", reason="DATABASE_DAMAGED"
        )


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder's files, versions of a data set before its data: what they name is then there, or was replaced.

    Files that vanish meanwhile are left out; whether one of them mattered is found when the copy is read.
    """
    target.mkdir(mode=0o700, exist_ok=True)
    if not source.is_dir():
        return
    for entry in sorted(_entries(source), key=lambda entry: entry.name != "_versions"):
        copy = target / entry.name
        _check_kind(entry)
        if entry.is_dir(follow_symlinks=False):
            copy_tree(Path(entry.path), copy)
        else:
            try:
                shutil.copyfile(entry.path, copy)
            except FileNotFoundError:
                copy.unlink(missing_ok=True)


def _check_kind(entry: os.DirEntry[str]) -> None:
    """Raise for what is neither a file nor a folder: a link in a copy from elsewhere may lead to any file here."""
    if entry.is_symlink() or not (entry.is_dir() or entry.is_file() or not os.path.lexists(entry.path)):
        raise InvalidArgument.field(
            "source", f"{entry.path} is a link or no ordinary file, which is not copied; put the file itself there"
        )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def open_read_only(database: Path) -> sqlite3.Connection:
    """Open a database file, which another process may be writing, such that nothing can be changed."""
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)


def damage(db: sqlite3.Connection) -> str:
    """Return what is wrong with a database's pages, indexes or references; '' when nothing is."""
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
    dangling = db.execute("PRAGMA foreign_key_check").fetchmany(3)
    found += [f"a row of {table} refers to a row of {parent} that is not there" for table, _, parent, _ in dangling]
    return "; ".join(found)


@contextmanager
def database_errors() -> Iterator[None]:
    """Faults of a database as the errors that people are told."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error) from error
