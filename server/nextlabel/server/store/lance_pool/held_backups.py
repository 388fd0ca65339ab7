"""Which backups hold versions of a pool in an object store: one small object each, under ``_backups``.

The object comes before the first version is held and goes after the last was let go, so that whatever a crash leaves is
listed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import uuid4

from nextlabel.server.store.lance_pool.table_files import ObjectFiles

_FOLDER = "_backups"
_TIME = "%Y%m%dT%H%M%SZ"
# Longer than a backup takes to begin. One that died so long ago no longer keeps old versions from being removed.
_UNDER_WAY = timedelta(hours=6)


class BackupState(StrEnum):
    """How far a backup is; the ending of its object."""

    BEGUN = "begun"
    HELD = "held"
    LET_GO = "let-go"


@dataclass(frozen=True, slots=True)
class HeldBackup:
    """The version of each table that a backup holds, by ``PROJECT/NAME.lance``, 0 where it is not known.

    The name begins with the time of the backup.
    """

    name: str
    state: BackupState
    versions: Mapping[str, int]

    @property
    def begun_at(self) -> datetime:
        """When the backup was begun."""
        return datetime.strptime(self.name.partition("-")[0], _TIME).replace(tzinfo=UTC)


class HeldBackups:
    """The records of a pool's backups, oldest first."""

    def __init__(self, files: ObjectFiles) -> None:
        self._files = files

    def begin(self) -> HeldBackup:
        """Record a new backup, which holds nothing yet; until it is done no old version of any table is removed."""
        name = f"{datetime.now(UTC).strftime(_TIME)}-{uuid4().hex[:6]}"
        return self.record(HeldBackup(name, BackupState.BEGUN, {}))

    def record(self, backup: HeldBackup) -> HeldBackup:
        """Write down how far a backup is, in the place of what was said of it before."""
        content = json.dumps(dict(backup.versions))
        self._files.write(f"{_FOLDER}/{backup.name}.{backup.state}", content)
        for state in BackupState:
            if state is not backup.state:
                self._files.remove(f"{_FOLDER}/{backup.name}.{state}")
        return backup

    def forget(self, name: str) -> None:
        """Remove the record of a backup that holds nothing any more."""
        for state in BackupState:
            self._files.remove(f"{_FOLDER}/{name}.{state}")

    def under_way(self) -> bool:
        """Whether a backup is choosing versions now."""
        begun = [HeldBackup(name, state, {}) for name, state in self._found() if state is BackupState.BEGUN]
        return any(datetime.now(UTC) - backup.begun_at < _UNDER_WAY for backup in begun)

    def all(self) -> Sequence[HeldBackup]:
        """Return what is recorded; a backup that was cut off while its record was replaced has the later state."""
        states = dict(sorted(self._found(), key=lambda found: list(BackupState).index(found[1])))
        return [HeldBackup(name, state, self._read(name, state)) for name, state in sorted(states.items())]

    def _found(self) -> list[tuple[str, BackupState]]:
        parts = (name.rpartition(".") for name in self._files.names(_FOLDER))
        return [(name, BackupState(state)) for name, _, state in parts if state in set(BackupState)]

    def _read(self, name: str, state: BackupState) -> dict[str, int]:
        content = b"".join(self._files.chunks(f"{_FOLDER}/{name}.{state}"))
        return {str(table): int(version) for table, version in json.loads(content).items()}
