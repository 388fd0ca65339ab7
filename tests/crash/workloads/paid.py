"""Servers and runs that pay a local stand-in for the Messages API, at prices that make a budget run out soon."""

from __future__ import annotations

from pathlib import Path

from nextlabel.client import AsyncClient, RunHandle, anthropic, run_spec
from nextlabel.client.transport.modes import Awaiting
from nextlabel.v1.run_service_pb2 import PromptOptions
from tests.crash.killable.servers import Server, free_address

MODEL = "claude-race"
USD_A_MILLION_TOKENS = 300
_PRICES = f"""
as_of = 2026-01-01
currency = "USD"
[defaults]
cache_write_5m = 1.25
cache_write_1h = 2.0
cache_read = 0.1
batch = 0.5
cache_minimum = 4096
thinking_tokens = 0
[models."{MODEL}"]
input = {USD_A_MILLION_TOKENS}
output = {USD_A_MILLION_TOKENS}
"""


def paying_server(name: str, folder: Path, url: str, endpoint: str) -> Server:
    """Return a server, not yet started, on the database at `url` that asks the model at `endpoint`."""
    prices = folder / "prices.toml"
    prices.write_text(_PRICES)
    settings = {
        "data_dir": str(folder / "data"),
        "bind": free_address(),
        "store": {"url": url},
        "annotators": {"anthropic": {"api_key": "not-a-key", "base_url": endpoint}, "prices": str(prices)},
        "log": {"level": "error", "format": "json"},
    }
    return Server(name, settings, folder / f"server-{name}.log")


async def start_paid_run(
    client: AsyncClient, project: str, tasks: int, seed: int = 0, max_rounds: int = 0
) -> RunHandle[Awaiting]:
    """Start a run of rounds of `tasks` items, which are asked all at a time."""
    annotator = anthropic(MODEL, prompt=PromptOptions(max_concurrency=tasks))
    spec = run_spec(annotator, strategy="random", batch_size=tasks, seed=seed, max_rounds=max_rounds)
    return await client.runs.start(project, spec)
