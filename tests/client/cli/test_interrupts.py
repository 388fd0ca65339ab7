"""What happens to a process that is interrupted, or whose reader leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.client.fake_state import State
from tests.client.fakes import FakeServer

# Shells start work in the background with interrupts ignored, which the command would inherit.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("nextlabel.client.cli", run_name="__main__")
"""


def start(server: FakeServer, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "NEXTLABEL_SERVER": server.address},
    )


def test_an_upload_from_a_pipe_that_never_ends_can_be_interrupted(server: FakeServer, news: str, state: State) -> None:
    command = start(server, "pool", "add", news, "-")
    assert command.stdin is not None
    command.stdin.write(b"".join(b'{"text": "%d"}\n' % i for i in range(1_500)))
    command.stdin.flush()
    state.added.wait(30)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=30)
    assert (out, command.returncode) == (b"", 130)
    # Which acknowledgements were read before the interrupt is a matter of luck.
    said = [f"{count} items are in the pool; add the file again for the rest\n" for count in ("1,000", "1,500")]
    assert err.decode() in ("", *said)


def test_a_reader_that_leaves_ends_the_command_quietly(server: FakeServer, news: str, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_bytes(b"".join(b'{"text": "%d"}\n' % i for i in range(20_000)))
    command = start(server, "predict", news, str(texts), "--output", "jsonl")
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.readline()
    command.stdout.close()
    command.wait(30)
    assert command.stderr.read() == b""
