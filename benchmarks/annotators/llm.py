"""Measures the LLM annotator against the fake of the Messages API; every bar prints one JSON document.

    python -m benchmarks.annotators.llm --bar throughput
    python -m benchmarks.annotators.llm --bar cost --data DIR
    python -m benchmarks.annotators.llm --bar calibration
    python -m benchmarks.annotators.llm --bar injection
    python -m benchmarks.annotators.llm --bar memory
    python -m benchmarks.annotators.llm --bar crashes --runs 200
    python -m benchmarks.annotators.llm --bar local --data DIR --items 120

The fake runs as a process of its own where speed is measured, so that client and server do not share an event loop.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.annotators.llm_bars import calibration, cost, injection, local
from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.retry import Manners, RetryPolicy
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from tests.annotators.crashes import audit_runs
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import PRICE
from tests.fake_anthropic import FakeAnthropic, Faults
from tests.fake_anthropic.faults import overloaded, rate_limited

T = TypeVar("T")


@contextmanager
def fake_process(*options: str) -> Iterator[str]:
    """The URL of a fake in a process of its own."""
    command = [sys.executable, "-m", "tests.fake_anthropic", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait()


def make_task() -> Task:
    labels = tuple(LabelClass(name) for name in ("billing", "shipping", "other"))
    return Task(AnnotationType.SINGLE_LABEL, labels, Guidelines("Sort mails to a shop by what they are about."))


def make_items(count: int) -> list[ItemToAnnotate]:
    return [ItemToAnnotate(f"mail-{row:06d}", row, f"mail number {row}") for row in range(count)]


def make_annotator(url: str, ledger: MemoryLedger, concurrency: int, **changes: Any) -> LlmAnnotator:
    values: dict[str, Any] = {
        "name": "bench",
        "endpoint": AnthropicEndpoint(AnthropicConnection(api_key="key", base_url=url)),
        "settings": ModelSettings(model="claude-haiku-4-5"),
        "price": PRICE,
        "ledger": ledger,
        "conduct": Conduct(concurrency=concurrency),
        "manners": Manners(RetryPolicy(max_attempts=30, max_delay_s=2.0), rng=random.Random(0)),
    }
    return LlmAnnotator(**{**values, **changes})


def unlimited() -> MemoryLedger:
    return MemoryLedger(Cost(10**12, 10**15, 10**15))


async def run_items(annotator: LlmAnnotator, items: list[ItemToAnnotate]) -> tuple[float, int]:
    """Seconds and number of labels."""
    await annotator.check()
    started, labels = time.perf_counter(), 0
    async for _, answer in annotator.annotate(make_task(), items):
        labels += answer.outcome.reaches_learner
    seconds = time.perf_counter() - started
    await annotator.close()
    return seconds, labels


def run_fast(work: Coroutine[Any, Any, T]) -> T:
    """Run on the event loop that the server uses."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def label(url: str, count: int, concurrency: int) -> tuple[float, int]:
    return await run_items(make_annotator(url, unlimited(), concurrency), make_items(count))


async def bare_sdk(url: str, count: int, concurrency: int) -> float:
    """Seconds that the SDK alone needs for as many trivial calls: the floor on this machine."""
    from anthropic import AsyncAnthropic, DefaultAioHttpClient

    client = AsyncAnthropic(api_key="key", base_url=url, max_retries=0, http_client=DefaultAioHttpClient())
    waiting = iter(range(count))

    async def work() -> None:
        for number in waiting:
            await client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=50,
                messages=[{"role": "user", "content": f"{number}"}],
                output_config={"format": {"type": "json_schema", "schema": {"properties": {"label": {"enum": ["a"]}}}}},
            )

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    seconds = time.perf_counter() - started
    await client.close()
    return seconds


def throughput(_: argparse.Namespace) -> dict[str, Any]:
    """64 concurrent calls at 300 ms, against the ideal and against the SDK alone; then with faults."""
    count, concurrency, latency_s = 2_048, 64, 0.3
    ideal = count / concurrency * latency_s
    runs = []
    for _run in range(3):
        with fake_process("--latency-ms", "300") as url:
            began = time.process_time()
            bare = run_fast(bare_sdk(url, count, concurrency))
            bare_cpu = time.process_time() - began
        with fake_process("--latency-ms", "300") as url:
            began = time.process_time()
            seconds, labels = run_fast(label(url, count, concurrency))
            cpu = time.process_time() - began
        runs.append(
            {
                "seconds": round(seconds, 2),
                "labels": labels,
                "of_ideal": round(ideal / seconds, 3),
                "bare_sdk_of_ideal": round(ideal / bare, 3),
                "cpu_ms_per_call": round(1_000 * cpu / count, 2),
                "bare_sdk_cpu_ms_per_call": round(1_000 * bare_cpu / count, 2),
            }
        )
    return {
        "bar": "throughput",
        "calls": count,
        "concurrency": concurrency,
        "ideal_s": ideal,
        "load_average": os.getloadavg()[0],
        "runs": runs,
        "with_faults": _with_faults(),
    }


def _with_faults() -> dict[str, Any]:
    """20 % 429 and 5 % 529: nothing early, lost, doubled or misbooked."""

    async def run() -> dict[str, Any]:
        faults = Faults(rates=[(0.2, rate_limited(0.2)), (0.05, overloaded())])
        async with FakeAnthropic(faults=faults, latency_s=0.05) as fake:
            ledger = unlimited()
            annotator = make_annotator(fake.url, ledger, 64)
            ids = [item.item_id async for item, _ in annotator.annotate(make_task(), make_items(1_000))]
            await annotator.close()
        return {
            "items": 1_000,
            "answered_once": len(ids) == len(set(ids)) == 1_000,
            "statuses": dict(fake.statuses),
            "early_retries": fake.early_retries,
            "charged_micro_usd": fake.books.micro_usd,
            "booked_micro_usd": ledger.spent.micro_usd,
        }

    return run_fast(run())


def memory(_: argparse.Namespace) -> dict[str, Any]:
    """Resident memory while 10,000 items are labeled."""
    items = make_items(10_000)

    async def run(url: str) -> list[float]:
        annotator = make_annotator(url, DiscardingLedger(Cost(10**12, 10**15, 10**15)), 64)
        samples, done = [], 0
        async for _item, _answer in annotator.annotate(make_task(), items):
            done += 1
            if done % 1_000 == 0:
                samples.append(resident_mib())
        await annotator.close()
        return samples

    with fake_process() as url:
        samples = asyncio.run(run(url))
    return {
        "bar": "memory",
        "items": len(items),
        "resident_mib_every_1000_items": samples,
        "growth_mib_after_the_first_2000": round(samples[-1] - samples[1], 1),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024, 1),
    }


class DiscardingLedger(MemoryLedger):
    """Keeps the sums but no answers, as a ledger on disk does."""

    async def settle(self, reservation: Any, actual: Cost, answer: Any) -> None:
        await super().settle(reservation, actual, None)


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def crashes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Kills at random moments, single calls and batches by turns."""
    with tempfile.TemporaryDirectory() as folder:
        audit = asyncio.run(audit_runs(arguments.runs, arguments.seed, Path(folder)))
    return {"bar": "crashes", **asdict(audit)}


BARS = {
    "calibration": calibration,
    "cost": cost,
    "crashes": crashes,
    "injection": injection,
    "local": local,
    "memory": memory,
    "throughput": throughput,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bar", choices=sorted(BARS), required=True)
    parser.add_argument("--data", type=Path, help="folder with the data sets (bars cost and local)")
    parser.add_argument("--items", type=int, default=300, help="items of each set (bars cost and local)")
    parser.add_argument("--runs", type=int, default=200, help="number of runs (bar crashes)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(json.dumps(BARS[arguments.bar](arguments), indent=2))


if __name__ == "__main__":
    main()
