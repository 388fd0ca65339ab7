"""The files of the encoder: made once, in a process of their own, and kept on disk."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import structlog

from nextlabel.server.learners.embedding.embedder import hub_revision, resolve_model
from nextlabel.server.learners.portable import encoder
from nextlabel.server.values.errors import FailedPrecondition, Unavailable

NEEDED = ("onnx", "onnxruntime", "onnxscript")
LONGEST_S = 480.0
"""Loading a model and writing it takes half a minute; a client waits for 10."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PortableEncoder:
    """The files of an encoder, and the text that goes before each text that it embeds."""

    graph: Path
    tokenizer: Path
    prefix: str


def check_installed() -> None:
    """Check that what writes ONNX files is installed.

    Raises:
        FailedPrecondition: with the command that installs it.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise FailedPrecondition(
            f"exporting models needs {' and '.join(missing)} where the server runs; install it there with: "
            "pip install 'nextlabel[onnx]'",
            reason="ONNX_MISSING",
        )


@dataclass(slots=True)
class EncoderFiles:
    """Makes the files of a model when they are first asked for, and again when the model has changed.

    Args:
        models: names of the models, as their embedders have them.
        folder: where the files are kept, and nothing else.
        command: the program that writes them, to which model and folder are given.
    """

    models: Sequence[str]
    folder: Path
    command: Sequence[str] = (sys.executable, "-m", encoder.__name__)
    _turn: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def made(self, model: str) -> PortableEncoder:
        """Return the files of one of the models.

        Raises:
            FailedPrecondition: the model has no form in ONNX, or its packages are not installed; the message says why.
            Unavailable: it took too long, or failed for a reason that is in the log.
        """
        async with self._turn:
            kept = self.folder / await asyncio.to_thread(_version, model)
            if not kept.exists():
                check_installed()
                await self._make(model, kept)
        notes = json.loads((kept / encoder.NOTES).read_text(encoding="utf-8"))
        return PortableEncoder(kept / encoder.ENCODER, kept / encoder.TOKENIZER, str(notes["prefix"]))

    async def _make(self, model: str, kept: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=self.folder) as name:
            new = Path(name) / "new"
            new.mkdir()
            await self._write(model, new)
            # Another server on the same folder may have been faster.
            with contextlib.suppress(OSError):
                new.replace(kept)
        await asyncio.to_thread(self._drop_others)

    def _drop_others(self) -> None:
        """Remove what is of no model as it is now."""
        present = {_version(model) for model in self.models}
        for other in self.folder.iterdir():
            if other.name not in present and not other.name.startswith("."):
                shutil.rmtree(other, ignore_errors=True)

    async def _write(self, model: str, folder: Path) -> None:
        writer = _started([*self.command, model, str(folder)])
        try:
            said, wrong = await asyncio.to_thread(writer.communicate, timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"writing the embedding model took more than {LONGEST_S:.0f} seconds; try again when the server has "
                "less to do, or export without the encoder"
            ) from None
        finally:
            # Nobody waits any more: the caller left, or it took too long.
            if writer.poll() is None:
                writer.kill()
                await asyncio.to_thread(writer.wait)
        if writer.returncode == encoder.REFUSED:
            raise FailedPrecondition(said, reason="NOT_PORTABLE")
        if writer.returncode:
            _log.error("encoder_not_written", model=model, problem=wrong[-2_000:])
            raise Unavailable(
                "the embedding model could not be written; see the server's log, or export without the encoder",
                reason="ENCODER_NOT_WRITTEN",
            )


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    # Not by the event loop: its way of starting a process runs the hooks that forks have, of gRPC and Lance too.
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(  # noqa: S603
        command, stdin=nothing, stdout=pipe, stderr=pipe, text=True, encoding="utf-8", errors="replace"
    )


def _version(model: str) -> str:
    """Return a name for the model as it is now: its files where it is a folder, else its commit on the hub."""
    found = hashlib.sha256(f"{model} {version('nextlabel')} {version('torch')} {hub_revision(model)}".encode())
    place = Path(resolve_model(model))
    for path in sorted(place.rglob("*")) if place.is_dir() else ():
        about = path.stat()
        found.update(f"{path} {about.st_size} {about.st_mtime_ns}".encode())
    return found.hexdigest()[:16]
