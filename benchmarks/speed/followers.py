"""Followers of a database that many write to: each has seen exactly what was acknowledged, and soon.

    python -m benchmarks.speed.followers --annotations 100000 --writers 64

Three server processes on one PostgreSQL of their own take annotations from writers, and each has a follower that reads
on from its last page. The exit code is 1 when a follower missed one, saw one twice or one that nobody was told of, when
a server's own memory lacks one at the end, or when a follower saw one later than `--within` seconds after it was
acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.crash.workloads.followers import Load, follow_writers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--within", type=float, default=1.0)
    options = parser.parse_args()
    load = Load(options.annotations, options.writers, servers=options.servers)
    with tempfile.TemporaryDirectory(prefix="nextlabel-followers-") as folder:
        outcome = asyncio.run(follow_writers(load, Path(folder)))
    rate = len(outcome.acknowledged) / outcome.seconds
    print(f"{len(outcome.acknowledged)} annotations acknowledged in {outcome.seconds:.0f} s, {rate:.0f} a second")
    late = 0
    for follower in outcome.followers:
        p50, p99, most = np.quantile(follower.lags_s, [0.5, 0.99, 1.0])
        late += sum(lag > options.within for lag in follower.lags_s)
        print(
            f"server {follower.server}: {len(follower.seen)} seen, after {p50 * 1e3:.0f} ms in the median, "
            f"{p99 * 1e3:.0f} at p99, {most * 1e3:.0f} at most"
        )
    for breach in outcome.breaches:
        print(f"BREACH {breach}")
    print(f"{len(outcome.breaches)} breaches, {late} seen later than {options.within:g} s")
    sys.exit(1 if outcome.breaches or late else 0)


if __name__ == "__main__":
    main()
