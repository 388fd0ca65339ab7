"""A foreign stand-in for LLM servers judges how our calls behave: the package llmock, in an environment of its own.

    python -m venv /tmp/llmock && /tmp/llmock/bin/pip install llmock
    python -m benchmarks.robustness.foreign_fake --llmock /tmp/llmock/bin/llmock --calls 500

Both dialects ask for as many labels as `--calls` says, at a fault in a quarter of the attempts (429 with the wait that
it names, 500, 503, 529, and a few 400). The package sees every attempt with its time and says what a client did wrong:
retried too early or without back-off, retried what cannot be cured, stormed, or gave up. Any finding makes the exit
code 1. Its message batches are not those of the API (no `request_counts` that end, relative addresses of results).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.values.money.costs import Cost
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import MODEL, PRICE, make_items, make_task
from tests.crash.killable.servers import free_address

RATES = ("429=0.1", "500=0.05", "503=0.05", "529=0.04", "400=0.01")
ANSWER = {"type": "reply", "text": json.dumps({"label": "billing", "confidence": 0.9}), "times": None}
TRIES = 200


@contextlib.contextmanager
def serving(program: str, port: int) -> Iterator[str]:
    """Run the package's server; the value is its URL."""
    rates = [part for rate in RATES for part in ("--error-rate", rate)]
    command = [program, "serve", "--port", str(port), "--log-level", "error", *rates]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(TRIES):
            with contextlib.suppress(urllib.error.URLError):
                called(f"{url}/_llmock/scenario", {"behaviors": [ANSWER]})
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def called(url: str, body: Any = None) -> Any:
    """What an address of the server's own says, asked with a body or without."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


async def outcomes(endpoint: AnthropicEndpoint | OpenAiEndpoint, calls: int) -> Counter[str]:
    """How each item ended that was asked about."""
    annotator = LlmAnnotator(
        name="judged",
        endpoint=endpoint,
        settings=ModelSettings(MODEL),
        price=PRICE,
        ledger=MemoryLedger(Cost(10**9, 10**12, 10**12)),
    )
    ended: Counter[str] = Counter()
    async for _, answer in annotator.annotate(make_task(), make_items(calls)):
        ended[answer.outcome.value] += 1
    await annotator.close()
    return ended


async def judged(url: str, calls: int) -> dict[str, Any]:
    """Ask in both dialects, and return the verdict."""
    ended = {
        "anthropic": await outcomes(AnthropicEndpoint(AnthropicConnection("key", f"{url}/anthropic")), calls),
        "openai": await outcomes(OpenAiEndpoint(OpenAiConnection(f"{url}/v1", "key")), calls),
    }
    verdict = await asyncio.to_thread(called, f"{url}/_llmock/verdict")
    return {"outcomes": ended, **verdict}


def main() -> int:
    """Print the verdict as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llmock", default="llmock", help="the package's program")
    parser.add_argument("--calls", type=int, default=500, help="calls in each dialect")
    arguments = parser.parse_args()
    with serving(arguments.llmock, int(free_address().rpartition(":")[2])) as url:
        found = asyncio.run(judged(url, arguments.calls))
    print(json.dumps(found, indent=2))
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
