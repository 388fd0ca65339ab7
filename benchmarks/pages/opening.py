"""How long the server takes for each page of a large project, and how soon an open page learns of an answer.

    python -m benchmarks.pages.opening --rows 1000000

Makes a project with items that bring their embeddings, runs with a replay annotator and answers of people, about gold
items too, and opens its pages on a real server. ``pages`` has milliseconds from request to whole reply, on one
connection, and the processor time of the server for one; ``first`` is the first look after the server has started, what
is computed once included, ``changed`` the first one after an answer. A part that is not there yet is asked for again,
as browsers do. ``live`` has, with several pages open, milliseconds from the reply to an answer until every one was
told, and until every one had its new figures too; ``beside_ms`` is another client that calls GetProject a hundred times
a second meanwhile. With ``--data-dir`` a project that is there already is looked at again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pyarrow as pa

from benchmarks.speed.responsiveness import latencies, quantiles
from nextlabel.client import Client, connect
from nextlabel.client.specs import replay, run_spec
from nextlabel.server.operations.own_server import own_server

PROJECT = "bench"
CHUNK = 50_000
FEW = 5_000
CLASSES = [f"class {i}" for i in range(20)]
GOLD, HOLDOUT = 300, 1_000
LABELS_A_RUN = 20
_LATE = itertools.count(int(time.time()) % 100_000)
SHARES = {"ann": 0.8, "bob": 0.1, "eve": 0.1}
"""What each person answers of all; bob and eve look at what ann has answered."""
WRONG = 0.1
PAGES = {
    "projects": "/",
    "overview": "",
    "figures": "/figures",
    "review count": "/doubtful",
    "items": "/items",
    "labeled items": "/items?state=labeled",
    "map": "/map",
    "map points": "/map/points",
    "map drawn": "/map.svg",
    "curve drawn": "/curve.svg",
    "guidelines": "/guidelines",
    "ledger": "/ledger",
    "annotators": "/annotators",
    "filters": "/filters",
    "left out": "/filters/left-out",
    "start a run": "/start",
    "add texts": "/add",
    "label": "/label",
    "progress": "/progress",
    "review": "/review",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--annotations", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--looks", type=int, default=20, help="looks at each page")
    parser.add_argument("--answers", type=int, default=10, help="answers that open pages learn of")
    parser.add_argument("--open", type=int, default=3, help="pages that are open meanwhile")
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = arguments.data_dir or Path(folder)
        if not (data_dir / "filled").exists():
            with own_server(data_dir) as server, connect(server.address, timeout_s=600) as client:
                fill(client, arguments)
            (data_dir / "filled").touch()
        with own_server(data_dir, pages=True) as server, connect(server.address, timeout_s=600) as client:
            process = max(psutil.Process().children(recursive=True), key=lambda p: p.memory_info().rss)
            with httpx2.Client(base_url=server.pages, timeout=120, headers={"origin": server.pages}) as browser:
                browser.post("/login", data={"token": "", "name": "ann"})
                told("first", {name: round(looked(browser, path)) for name, path in PAGES.items()})
                told("pages", {name: spread(browser, path, process, arguments.looks) for name, path in PAGES.items()})
                told("changed", {name: changed(client, browser, path, process) for name, path in PAGES.items()})
                told("live", live(client, server.pages, server.address, arguments))
                told("rss_mb", round(process.memory_info().rss / 2**20))


def told(name: str, figures: Any) -> None:
    print(json.dumps({name: figures}), flush=True)


def fill(client: Client, arguments: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((len(CLASSES), arguments.dimension))
    client.projects.create(PROJECT, labels=CLASSES, embeddings_given=True, dimension=arguments.dimension)

    def add(prefix: str, numbers: Any, split: Any = "pool") -> None:
        matrix = centers[numbers % len(CLASSES)] + 1.5 * rng.standard_normal((len(numbers), arguments.dimension))
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        columns = {"id": [f"{prefix}{i}" for i in numbers], "text": [f"{prefix} text {i}" for i in numbers]}
        if split != "pool":
            columns["label"] = [right(i) for i in numbers]
        client.pool.add(PROJECT, pa.table(columns), embeddings=matrix.astype(np.float16), split=split)

    add("gold", np.arange(GOLD), "gold")
    add("holdout", np.arange(HOLDOUT), "holdout")
    # Runs come before most of the pool: their models cost less, and what pages show of them is the same.
    add("i", np.arange(min(FEW, arguments.rows)))
    client.labeling.upload_replay_labels(PROJECT, "known", {f"i{i}": right(i) for i in range(FEW)})
    for seed in range(arguments.runs):
        spec = run_spec(replay("known"), strategy="random", batch_size=LABELS_A_RUN, max_rounds=1, seed=seed)
        client.runs.start(PROJECT, spec).wait()
    for first in range(FEW, arguments.rows, CHUNK):
        add("i", np.arange(first, min(first + CHUNK, arguments.rows)))
    left = max(0, arguments.annotations - arguments.runs * LABELS_A_RUN)
    drawn = rng.permutation(arguments.rows)
    for annotator, share in SHARES.items():
        answers = {f"i{i}": said(int(i), rng) for i in drawn[: max(0, round(left * share) - GOLD)]}
        client.labeling.submit(PROJECT, {f"gold{i}": said(i, rng) for i in range(GOLD)} | answers, annotator=annotator)
    client.learner.train(PROJECT)
    client.quality.set_filter(PROJECT, "few", 'label == "class 3" and vote_share < 1')


def right(number: int) -> str:
    return CLASSES[number % len(CLASSES)]


def said(number: int, rng: np.random.Generator) -> str:
    return right(number + int(rng.random() < WRONG))


def looked(browser: httpx2.Client, path: str) -> float:
    """Return the milliseconds that a page took."""
    prefix = "/api/projects" if path == "/progress" else "/projects"
    began = time.perf_counter()
    while True:
        answer = browser.get(path if path == "/" else f"{prefix}/{PROJECT}{path}").raise_for_status()
        # What is not there yet asks again.
        if "load delay:" not in answer.text:
            return 1e3 * (time.perf_counter() - began)
        time.sleep(1)


def spread(browser: httpx2.Client, path: str, process: psutil.Process, looks: int) -> dict[str, float]:
    before = cpu_ms(process)
    found = of([looked(browser, path) for _ in range(looks)])
    return found | {"cpu": round((cpu_ms(process) - before) / looks)}


def of(milliseconds: list[float]) -> dict[str, float]:
    return {"median": round(float(np.median(milliseconds))), "p95": round(float(np.quantile(milliseconds, 0.95)))}


def cpu_ms(process: psutil.Process) -> float:
    return 1e3 * float(sum(process.cpu_times()[:2]))


def changed(client: Client, browser: httpx2.Client, path: str, process: psutil.Process) -> dict[str, float]:
    """Return what the first look costs right after the project has changed."""
    answer(client)
    before = cpu_ms(process)
    return {"ms": round(looked(browser, path)), "cpu": round(cpu_ms(process) - before)}


def answer(client: Client) -> None:
    number = next(_LATE)
    client.labeling.submit(PROJECT, {f"i{number}": right(number)}, annotator="late")


class OpenPage:
    """A page that is open: it waits for events, and fetches its figures at each as a browser does."""

    def __init__(self, browser: httpx2.Client, lines: Iterator[str]) -> None:
        self._browser = browser
        self._lines = lines
        self.watching, self.shown = threading.Event(), threading.Event()
        self.when = (0.0, 0.0)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        # The last read fails, as the page is closed then.
        with suppress(httpx2.HTTPError):
            self._follow()

    def _follow(self) -> None:
        for line in self._lines:
            if line.startswith(": watching"):
                self.watching.set()
            elif line == "event: changed":
                told = time.perf_counter()
                self._browser.get(f"/projects/{PROJECT}/figures")
                self.when = (told, time.perf_counter())
                self.shown.set()


@contextmanager
def open_page(url: str) -> Iterator[OpenPage]:
    with (
        httpx2.Client(base_url=url, timeout=120) as browser,
        browser.stream("GET", f"/projects/{PROJECT}/live") as events,
    ):
        page = OpenPage(browser, events.iter_lines())
        page.watching.wait()
        yield page


def live(client: Client, url: str, address: str, arguments: argparse.Namespace) -> dict[str, Any]:
    at: list[float] = []
    shown: list[float] = []
    waits: list[float] = []
    with ExitStack() as stack:
        pages = [stack.enter_context(open_page(url)) for _ in range(arguments.open)]
        beside = threading.Thread(target=lambda: waits.extend(latencies(address, 3.0 * arguments.answers)))
        beside.start()
        for _ in range(arguments.answers):
            for page in pages:
                page.shown.clear()
            answer(client)
            began = time.perf_counter()
            for page in pages:
                page.shown.wait()
            at.append(1e3 * (max(page.when[0] for page in pages) - began))
            shown.append(1e3 * (max(page.when[1] for page in pages) - began))
            time.sleep(2.0 + np.random.default_rng(len(at)).random())
        beside.join()
    return {"pages": arguments.open, "told": of(at), "shown": of(shown), "beside_ms": quantiles(waits)}


if __name__ == "__main__":
    main()
