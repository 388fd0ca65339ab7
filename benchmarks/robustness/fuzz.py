"""Sends hostile messages to every RPC of a real server process and counts what it answers.

    python -m benchmarks.robustness.fuzz --messages 100000

A third of the messages are random or mutated bytes, the rest well-formed ones: with hostile values, with texts of just
the size that may be stored, or with nothing but defaults. The exit code is 1 when any call was answered UNKNOWN or
INTERNAL, hung, or ended the process. Memory is read after every tenth of the messages: the first one loads what is
loaded at first use, after that it should be level.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.hostile.fuzz import Report, fuzz


def _progress(report: Report) -> None:
    print(f"{report.codes.total():,} messages, {report.memory[-1]:.0f} MiB, {len(report.defects)} defects", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nextlabel-fuzz-") as folder:
        report = asyncio.run(fuzz(options.messages, options.seed, Path(folder), _progress))
    print(f"{report.codes.total()} messages in {report.seconds:.0f} s, seed {options.seed}")
    print(", ".join(f"{code} {n}" for code, n in report.codes.most_common()))
    for defect, message in report.defects.items():
        print(f"DEFECT {defect}\n    message {message}")
    if not report.alive:
        print("DEFECT the server process is gone")
    sys.exit(1 if report.defects or not report.alive else 0)


if __name__ == "__main__":
    main()
