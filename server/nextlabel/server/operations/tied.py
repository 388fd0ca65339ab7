"""The nextlabel command, ended when whoever started it is gone: a kill takes no time to end others.

    python -m nextlabel.server.operations.tied serve …

Its standard input is a pipe that the starter holds open and never writes to; the kernel closes it however that one
ends.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Run the command until it ends or standard input does; it is then ended in order, by SIGTERM."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    runpy.run_module("nextlabel.client.cli", run_name="__main__", alter_sys=True)


def _end_with_input() -> None:
    # Not by its buffer, whose lock the interpreter could not take when it ends.
    while os.read(sys.stdin.fileno(), 1_024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
