"""The whole way from a file to a labeled file, by the command, a server of its own and a stand-in for the LLM."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nextlabel.client import Client, connect, human, run_spec
from nextlabel.client.messages.enums import enum_name
from nextlabel.server.auto.asked import Asked
from nextlabel.server.auto.job import PROJECT, Job
from nextlabel.server.auto.rows import SourceRow
from nextlabel.server.operations.own_server import own_server
from nextlabel.server.values.errors import DomainError
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.v1.project_service_pb2 import LabelClass
from tests.fake_anthropic import FakeAnthropic, Known, Scripted

AUTO = "import sys; from nextlabel.client.cli import main; sys.argv = ['nextlabel', 'auto', *sys.argv[1:]]; main()"
ROWS = 60


def truth(n: int) -> str:
    return ("colours", "numbers")[n % 2]


def text(n: int) -> str:
    return f"shade {n} of red, green and blue" if n % 2 == 0 else f"the sum of {n} and seven is odd"


def write_source(path: Path) -> None:
    """A file as spreadsheets write it: semicolons, Windows-1252, a row twice, some labels known."""
    rows = [f'{n};"{text(n)}";groß;{truth(n) if n % 4 in (0, 1) else ""}' for n in [*range(ROWS), 0]]
    path.write_text("\n".join(["Nr;body;Größe;topic", *rows]), encoding="cp1252")


async def auto(folder: Path, fake: FakeAnthropic, *arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    environment = os.environ | {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": fake.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        AUTO,
        *arguments,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def labeled(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


async def test_every_row_comes_back_and_a_second_call_pays_nothing(tmp_path: Path) -> None:
    write_source(tmp_path / "in.csv")
    call = ["in.csv", "--text", "body", "--known", "topic", "--annotator", "anthropic", "--model", "claude-haiku-4-5"]
    call += ["--budget-usd", "1", "--budget-labels", "20", "--out", "out.csv", "--gold", ".5"]
    async with FakeAnthropic(brain=Known({text(n): truth(n) for n in range(ROWS)})) as fake:
        refused, _, said = await auto(tmp_path, fake, *call)
        assert refused == 1
        assert "--yes" in said
        assert not fake.books.charged_requests
        code, out, said = await auto(tmp_path, fake, *call, "--yes")
        assert code == 0, said
        assert "(budget)" in said
        assert re.search(r"(\d+) gold items are checked first", said)
        assert re.search(r"claude-haiku-4-5 was right on 100.0% \(\d+.\d% to 100.0%\) of \d+ known labels", out)
        assert "95.0% cannot be proven of the others" in out
        rows = labeled(tmp_path / "out.csv")
        assert [row["body"] for row in rows] == [text(n) for n in [*range(ROWS), 0]]
        assert {row["Größe"] for row in rows} == {"groß"}
        sources = Counter(row["source"] for row in rows)
        assert set(sources) == {"known", "anthropic:claude-haiku-4-5", "learner"}
        assert sources["anthropic:claude-haiku-4-5"] == 20
        known = [row for row in rows if row["topic"]]
        assert all(row["label"] == row["topic"] and row["source"] == "known" for row in known)
        assert all(row["label"] == truth(int(row["Nr"])) for row in rows)
        assert all(0 <= float(row["confidence"]) <= 1 for row in rows if row["source"] == "learner")
        assert "20 labeled by anthropic" in out
        paid = fake.books.charged_requests
        again, _, said = await auto(tmp_path, fake, *call, "--review")
        assert again == 0, said
        assert "nothing is left to ask" in said
        assert re.search(r"no label is in doubt|worth another look: http://127.0.0.1:\d+/projects/auto/review", said)
        assert fake.books.charged_requests == paid
        assert labeled(tmp_path / "out.csv") == rows


async def test_what_cannot_be_labeled_comes_back_and_says_why(tmp_path: Path) -> None:
    """Rows without a text, with one that is too long, and with values that are missing; from standard input."""
    rows: list[dict[str, object]] = [{"it": {"body": text(n)}, "topic": truth(n)} for n in range(20)]
    rows += [{"it": {"body": text(n)}, "topic": float("nan")} for n in range(20, 30)]
    rows += [{"it": {"body": ""}}, {"it": None}, {"it": {"body": "long " * 20_000}}]
    given = "\n".join(map(json.dumps, rows)) + '\n{"it": 7, "it": 8}\n'
    call = ["-", "--text", "it.body", "--known", "topic", "--annotator", "anthropic", "--model", "claude-haiku-4-5"]
    async with FakeAnthropic(brain=Known({text(n): truth(n) for n in range(30)})) as fake:
        code, _, said = await auto(
            tmp_path, fake, *call, "--budget-usd", "1", "--yes", "--out", "out.jsonl", given=given.encode()
        )
    assert code == 0, said
    assert "malformed lines come back without a label: 1" in said
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in found] == [*(truth(n) for n in range(30)), None, None, None, None]
    assert [row["review"] for row in found[-4:-2]] == ["no text", "no text"]
    assert "bytes" in found[-2]["review"]
    assert found[-1]["review"].startswith("line 34: the key 'it' is there more than once")


async def test_what_cannot_work_is_said_before_anything_is_done(tmp_path: Path) -> None:
    write_source(tmp_path / "in.csv")
    async with FakeAnthropic() as fake:
        for arguments, wanted in (
            (["--text", "body", "--out", "out.csv"], "--labels"),
            (["--text", "body", "--labels", "a,b", "--out", "out.doc"], ".xlsx"),
            (["--text", "nothing", "--labels", "a,b", "--out", "out.csv"], "Größe"),
            (["--text", "body", "--labels", "a,b", "--known", "topic", "--out", "out.csv"], "colours"),
            (["--text", "body", "--labels", "a,b", "--annotator", "anthropic", "--out", "out.csv"], "--model"),
        ):
            code, _, said = await auto(tmp_path, fake, "in.csv", *arguments)
            assert code in (1, 2), said
            assert wanted in said
            assert "Traceback" not in said
        assert os.listdir(tmp_path) == ["in.csv"]  # noqa: PTH208


def scores_and_classes(asked: Any) -> dict[str, Any]:
    """What is true of the one text that is asked about, in whatever form it is asked for; a probe takes any label."""
    colours = "shade" in asked.user
    values: dict[str, Any] = {
        "labels": ["art", "colours"] if colours else [],
        "score": 5.0 if colours else 1.0,
        "confidence": 0.9,
    }
    values["label"] = next(iter(asked.labels), "")
    return {name: values[name] for name in asked.answer_schema["properties"]}


@pytest.mark.parametrize(
    ("options", "known", "written", "wrong"),
    [
        (["--type", "multi_label"], ("art|colours", "numbers"), {"art|colours", "numbers", "|"}, ["--labels", "a,b"]),
        (["--type", "score", "--score-range", "1,5,1"], ("5", "1"), None, ["--labels", "a,b"]),
    ],
)
async def test_rows_get_several_classes_or_a_score(
    tmp_path: Path, options: list[str], known: tuple[str, str], written: set[str] | None, wrong: list[str]
) -> None:
    rows = [f"{text(n)},{known[n % 2] if n % 3 == 0 else ''}" for n in range(ROWS)]
    (tmp_path / "in.csv").write_text("\n".join(["text,known", *[row.replace(", green", " green") for row in rows]]))
    call = ["in.csv", "--known", "known", "--annotator", "anthropic", "--model", "claude-haiku-4-5", *options]
    call += ["--budget-usd", "1", "--budget-labels", "12", "--out", "out.csv", "--yes"]
    async with FakeAnthropic(brain=Scripted(scores_and_classes)) as fake:
        code, _, said = await auto(tmp_path, fake, *call, *wrong)
        assert code == 2
        assert wrong[0] in said
        assert not fake.books.charged_requests
        code, out, said = await auto(tmp_path, fake, *call)
    assert code == 0, said
    assert "known labels" in out
    found = labeled(tmp_path / "out.csv")
    sources = Counter(row["source"] for row in found)
    assert (sources["known"], sources["anthropic:claude-haiku-4-5"]) == (20, 12)
    assert sources["learner"] == ROWS - 32
    learned = [row for row in found if row["source"] == "learner"]
    assert all(0 <= float(row["confidence"]) <= 1 for row in learned)
    if written is not None:
        assert {row["label"] for row in found} <= written
        assert {row["label"] for row in found if row["source"] == "known"} == set(known)
        return
    assert all(1 <= float(row["low"]) <= float(row["label"]) <= float(row["high"]) <= 5 for row in learned)
    shades = [float(row["label"]) for row in found if row["text"].startswith("shade")]
    sums = [float(row["label"]) for row in found if row["text"].startswith("the sum")]
    assert min(shades) > max(sums)


WANTED = Asked("score", {}, ScoreRange(1, 5, 1))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with own_server(tmp_path_factory.mktemp("data")) as server, connect(server.address) as client:
        Job(client).prepare(WANTED, "")
        yield client


def test_a_paused_run_is_taken_up(client: Client) -> None:
    job = Job(client)
    assert job.taken_up() is None
    job.add([SourceRow(f"i{n}", text(n), None, {}) for n in range(10)])
    run = client.runs.start(PROJECT, run_spec(human(), batch_size=2))
    client.runs.pause(PROJECT, run.run_id)
    assert job.taken_up() == run.run_id
    assert enum_name(client.runs.get(PROJECT, run.run_id), "state") in ("pending", "running")
    assert job.taken_up() == run.run_id


@pytest.mark.parametrize(
    ("other", "had"),
    [
        (Asked("score", {}, ScoreRange(0, 1)), "scores from 1 to 5 in steps of 1"),
        (
            Asked("single_label", {name: LabelClass(name=name) for name in "ab"}, None),
            "scores from 1 to 5 in steps of 1",
        ),
    ],
)
def test_a_folder_keeps_what_it_was_asked_for(client: Client, other: Asked, had: str) -> None:
    Job(client).prepare(WANTED, "")
    with pytest.raises(DomainError, match=had):
        Job(client).prepare(other, "")
