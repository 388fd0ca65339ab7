"""PostgreSQL's own programs that write and read dumps.

What connects them to a database is in their environment: everybody on a machine can read arguments. The dump goes
through a pipe of this process, so that they end when it does, however it ends.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from psycopg import conninfo, pq

from nextlabel.server.values.errors import FailedPrecondition, Unavailable

_VERSION_S = 30
# A migration under way holds its tables; that takes seconds.
_LOCKED = "--lock-wait-timeout=60s"


class PostgresTool:
    """``pg_dump`` or ``pg_restore``, for a database with these parameters of libpq.

    Raises:
        FailedPrecondition: it is not installed, or older than the server's ``major`` version.
    """

    def __init__(self, name: str, parameters: Mapping[str, str], major: int) -> None:
        self._name = name
        self._path = _found(name, major)
        self._environment, self._arguments = _connecting(parameters)

    def dump(self, snapshot: str, target: Path) -> None:
        """Write what an exported snapshot has to a file.

        Raises:
            Unavailable: it did not succeed; the message has what the program said.
            OSError: the file cannot be written.
        """
        command = ["--format=custom", f"--snapshot={snapshot}", _LOCKED, "--no-publications", "--no-subscriptions"]
        target.unlink(missing_ok=True)
        with target.open("xb") as copy, tempfile.TemporaryFile() as said:
            target.chmod(0o600)
            with self._started(command, said, stdout=subprocess.PIPE) as process:
                assert process.stdout
                shutil.copyfileobj(process.stdout, copy)
            self._check_ended(process.returncode, said)

    def restore(self, source: Path) -> None:
        """Put what a dump has into the database, all or nothing.

        Raises:
            Unavailable: it did not succeed; the message has what the program said.
        """
        command = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
        with source.open("rb") as dump, tempfile.TemporaryFile() as said:
            with self._started(command, said, stdin=subprocess.PIPE) as process:
                assert process.stdin
                try:
                    shutil.copyfileobj(dump, process.stdin)
                    process.stdin.close()
                except BrokenPipeError:
                    pass  # it ended early, and has said why
            self._check_ended(process.returncode, said)

    def _started(
        self,
        command: list[str],
        said: IO[bytes],
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            [self._path, *command, "--no-password", *self._arguments],
            env={**os.environ, **self._environment, "LC_ALL": "C"},
            stdin=stdin,
            stdout=stdout,
            stderr=said,
        )

    def _check_ended(self, code: int, said: IO[bytes]) -> None:
        if code:
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
            why = next((line for line in lines if "error:" in line), lines[0] if lines else f"exit code {code}")
            raise Unavailable(f"{self._path} failed: {why}", reason="DUMP_FAILED")


def _found(name: str, major: int) -> str:
    """Return the path of a program that is as new as the server, at least."""
    what = f"install PostgreSQL's client programs of version {major} or newer (postgresql-client-{major} in Debian)"
    path = shutil.which(name)
    if path is None:
        raise FailedPrecondition(
            f"{name} is not installed, which dumps of PostgreSQL need: {what}", reason="CLIENT_PROGRAM_MISSING"
        )
    said = subprocess.run(  # noqa: S603
        [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_VERSION_S, check=False
    ).stdout
    version = re.search(r"\) (\d+)", said)
    if version is None or int(version[1]) < major:
        raise FailedPrecondition(
            f"{path} is of PostgreSQL {version[1] if version else 'of no known version'}, older than the server's "
            f"{major}: {what}, and see that its {name} comes first in PATH",
            reason="CLIENT_PROGRAM_TOO_OLD",
        )
    return path


def _connecting(parameters: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the environment and the arguments that connect a program; no secret is among the latter."""
    known = {option.keyword.decode(): option for option in pq.Conninfo.get_defaults()}
    environment, rest = {}, {"dbname": parameters["dbname"]}
    for name, value in parameters.items():
        option = known[name]
        if option.envvar:
            environment[option.envvar.decode()] = value
        elif not option.dispchar:
            rest[name] = value
        else:
            raise FailedPrecondition(
                f"store.url has {name}, which PostgreSQL's programs take on their command line only, where others see "
                "it; connect without it",
                reason="SECRET_ON_COMMAND_LINE",
            )
    return environment, ["--dbname", conninfo.make_conninfo("", **rest)]
