"""Run the fake as a server of its own."""

import argparse
import asyncio
import json

from tests.fake_anthropic.faults import Faults, overloaded, rate_limited
from tests.fake_anthropic.server import FakeAnthropic


async def serve(arguments: argparse.Namespace) -> None:
    rates = [(arguments.rate_limited, rate_limited(arguments.retry_after)), (arguments.overloaded, overloaded())]
    fake = FakeAnthropic(
        faults=Faults(rates=rates),
        latency_s=arguments.latency_ms / 1_000,
        port=arguments.port,
        keep_bodies=False,
    )
    async with fake:
        print(json.dumps({"url": fake.url}), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_anthropic", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port, printed as JSON")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--rate-limited", type=float, default=0.0, help="share of requests answered with 429")
    parser.add_argument("--retry-after", type=float, default=0.2, help="seconds that a 429 asks to wait")
    parser.add_argument("--overloaded", type=float, default=0.0, help="share of requests answered with 529")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
