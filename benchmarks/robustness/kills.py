"""Kills servers at random moments under a workload, and holds what is left against what clients were told.

    python -m benchmarks.robustness.kills --kills 500 --store sqlite
    python -m benchmarks.robustness.kills --kills 500 --store postgres
    python -m benchmarks.robustness.kills --kills 500 --store workers
    python -m benchmarks.robustness.kills --kills 500 --store postgres --servers 3
    python -m benchmarks.robustness.kills --kills 200 --bucket
    python -m benchmarks.robustness.kills --kills 200 --pool-url s3://BUCKET/PREFIX
    python -m benchmarks.robustness.kills --fail-points --store postgres

On SQLite there is one server; on PostgreSQL there are two or more on one database and one pool directory, one of which
is killed while the others go on; with ``workers`` they are on one SQLite file. A bucket is found as AWS's tools find
it; ``--bucket`` makes one, whose S3 server is killed like the others (see tests/crash/killable/bucket.py). Every kill
is SIGKILL, which a process cannot notice. After each one the database and the pool are audited from outside, live; the
exit code is 1 when anything acknowledged was lost or doubled, anything was spent beyond a limit, a balance is not the
sum of its ledger, or a client was told of an internal error.

With ``--fail-points`` a script takes the place of the workload, and the servers kill themselves, once right before and
once right after every kind of commit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

from tests.crash.kills import Plan, run_kills
from tests.crash.walk import walk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--store", choices=("sqlite", "workers", "postgres"), default="sqlite")
    parser.add_argument("--servers", type=int, default=2, help="how many there are, on PostgreSQL or as workers")
    parser.add_argument("--bucket", action="store_true", help="keep the pool in a bucket, and kill its S3 server too")
    parser.add_argument("--pool-url", default="", help="where the pool is, by default a folder of its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fail-points", action="store_true", help="kill at every commit of a script instead")
    parser.add_argument("--keep", type=Path, help="folder to work in and keep, instead of a temporary one")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nextlabel-kills-")))
        folder.mkdir(parents=True, exist_ok=True)
        breaches = _walk(options.store, folder) if options.fail_points else _kill(options, folder)
    for breach in breaches:
        print(f"BREACH {breach}")
    print(f"{len(breaches)} breaches")
    sys.exit(1 if breaches else 0)


def _kill(options: argparse.Namespace, folder: Path) -> list[str]:
    plan = Plan(options.kills, options.store, options.seed, options.pool_url, options.servers, options.bucket)
    outcome = asyncio.run(run_kills(plan, folder))
    where = " ".join([plan.store, *([plan.pool_url] if plan.pool_url else [])])
    of_the_store = f", {outcome.bucket_kills} of them of the S3 server," if plan.bucket else ""
    print(f"{outcome.kills} kills{of_the_store} in {outcome.seconds:.0f} s on {where}, seed {plan.seed}")
    print(", ".join(f"{name} {n}" for name, n in sorted(outcome.counts.items())))
    return outcome.breaches


def _walk(store: str, folder: Path) -> list[str]:
    walked = asyncio.run(walk(store, folder))
    print(f"{len(walked.points)} kills on {store}:")
    for point in walked.points:
        print(f"  {point}")
    return walked.breaches


if __name__ == "__main__":
    main()
