"""What a small local model is worth where it is asked for several classes or a score, with room for the whole answer.

    python -m benchmarks.annotators.local_types --data DIR --items 40

Needs the extra `local` and a GGUF file. Emotions (goemotions7) are asked for as any number of classes, of which one is
right; sentiment (uci_sentences), half of it positive, as a score from 1 to 5.
"""

import argparse
import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from sklearn.metrics import f1_score

from benchmarks.annotators.llm_bars import read_set
from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.pricing import load_prices
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import AnnotatorStopped
from nextlabel.server.values.labeling.answers import Answer, MultiLabel, Score
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.server.values.runs.annotator_options import Marking
from tests.annotators.ledger import MemoryLedger

Rows = Sequence[tuple[str, str]]


async def answered(model: LocalLlm, task: Task, rows: Rows) -> tuple[list[Answer], Rows]:
    """The answers, and the rows that they are about: fewer where the annotator is stopped as unreliable."""
    annotator = LlmAnnotator(
        name="local",
        endpoint=OpenAiEndpoint(OpenAiConnection(model.base_url, api_key=model.api_key)),
        settings=ModelSettings(model=model.model, answer_tokens=64 + 12 * len(task.labels)),
        price=load_prices().price_of(model.model),
        ledger=MemoryLedger(Cost(10**9, 10**12, 0)),
        technique=Technique(verbalised=False, marking=Marking.QUOTED),
        conduct=replace(Conduct(), concurrency=2),
    )
    items = [ItemToAnnotate(str(row), row, text) for row, (text, _) in enumerate(rows)]
    found: dict[int, Answer] = {}
    with contextlib.suppress(AnnotatorStopped):
        async for item, answer in annotator.annotate(task, items):
            found[item.row] = answer
    await annotator.close()
    return list(found.values()), [rows[row] for row in found]


def several_classes(answers: Sequence[Answer], rows: Rows, classes: Sequence[str]) -> dict[str, Any]:
    given = [set(answer.body.names) if isinstance(answer.body, MultiLabel) else set() for answer in answers]
    right = [[name == label for name in classes] for _, label in rows]
    said = [[name in names for name in classes] for names in given]
    everything = f1_score(right, [[True] * len(classes)] * len(rows), average="macro", zero_division=0.0)
    return {
        "outcomes": dict(Counter(answer.outcome.value for answer in answers)),
        "different_answers": len(set(map(frozenset, given))),
        "classes_an_item": round(fmean(map(len, given)), 2),
        "exactly_right": round(fmean(names == {label} for names, (_, label) in zip(given, rows, strict=True)), 3),
        "macro_f1": round(float(f1_score(right, said, average="macro", zero_division=0.0)), 3),
        "macro_f1_of_every_class_always": round(float(everything), 3),
    }


def scores(answers: Sequence[Answer]) -> dict[str, Any]:
    return {
        "outcomes": dict(Counter(answer.outcome.value for answer in answers)),
        "scores": dict(Counter(answer.body.value for answer in answers if isinstance(answer.body, Score))),
    }


def drawn(folder: Path, name: str, count: int) -> Rows:
    rows = read_set(folder, name, "train")
    return random.Random(0).sample(rows, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--items", type=int, default=40)
    arguments = parser.parse_args()
    emotions = drawn(arguments.data, "goemotions7", arguments.items)
    classes = sorted({label for _, label in read_set(arguments.data, "goemotions7", "train")})
    labels = tuple(map(LabelClass, classes))
    several = Task(AnnotationType.MULTI_LABEL, labels, Guidelines("Which emotions does the text express?"))
    sentences = drawn(arguments.data, "uci_sentences", arguments.items)
    guide = Guidelines("How positive is the sentence about what it describes? 1 is very negative, 5 very positive.")
    scored = Task(AnnotationType.SCORE, (), guide, score_range=ScoreRange(1, 5, 1))
    model = LocalLlm(LocalLlmSettings(context_tokens=2_048))
    try:
        found = {
            "model": model.model,
            "several classes": several_classes(*asyncio.run(answered(model, several, emotions)), classes),
            "scores": scores(asyncio.run(answered(model, scored, sentences))[0]),
        }
    finally:
        model.close()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
