"""Asks the small model on this machine about a set, so that `benchmarks.learners.advisors` can hear it as an advisor.

    python -m benchmarks.learners.asked_sets DATA_DIR OUT_DIR --sets uci_sentences snips --items 300
    python -m benchmarks.learners.advisors OUT_DIR --sets uci_sentences snips --cache OUT_DIR

OUT_DIR/SET gets that many random rows of each part of the set, with the model's label, its probability of that and of
each class. Stopped and started again, it goes on. Needs the extra `local` and a GGUF file; an answer takes about .6
CPU seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
from pathlib import Path

import numpy as np

from benchmarks.annotators.llm_bars import LOCAL_SETS, local_annotator
from benchmarks.learners.labeled_sets import load_fresh_rows, load_rows
from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass

AT_ONCE = 20
Row = dict[str, object]


async def ask(model: LocalLlm, task: Task, rows: list[dict[str, str]]) -> list[Row]:
    """The rows with what the model says of them; those that it does not answer are left out."""
    annotator = local_annotator(model)
    items = [ItemToAnnotate(str(place), place, row["text"]) for place, row in enumerate(rows)]
    answered: list[Row] = []
    async for item, answer in annotator.annotate(task, items):
        if isinstance(answer.body, Label):
            said = {
                "llm_label": answer.body.name,
                "llm_confidence": answer.confidence,
                "llm_shares": {one.label: round(one.probability, 6) for one in answer.candidates},
            }
            answered.append({**rows[item.row], **said})
    await annotator.close()
    return answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(LOCAL_SETS), choices=list(LOCAL_SETS))
    parser.add_argument("--items", type=int, default=300, help="rows of each part")
    options = parser.parse_args()
    model = LocalLlm(LocalLlmSettings(context_tokens=1_024))
    try:
        for name in options.sets:
            parts = {
                "train": load_fresh_rows(options.data / name),
                "test": load_rows(options.data / name / "test.jsonl.gz"),
            }
            labels = tuple(LabelClass(label) for label in sorted({row["label"] for row in parts["train"]}))
            task = Task(AnnotationType.SINGLE_LABEL, labels, Guidelines(LOCAL_SETS[name]))
            (options.out / name).mkdir(parents=True, exist_ok=True)
            for part, rows in parts.items():
                order = np.random.default_rng(0).permutation(len(rows))[: options.items]
                file = options.out / name / f"{part}.jsonl.gz"
                known = {row["id"] for row in load_rows(file)} if file.exists() else set()
                left = [rows[row] for row in order if rows[row]["id"] not in known]
                for first in range(0, len(left), AT_ONCE):
                    answered = asyncio.run(ask(model, task, left[first : first + AT_ONCE]))
                    with gzip.open(file, "at", encoding="utf-8") as lines:
                        lines.writelines(json.dumps(row) + "\n" for row in answered)
    finally:
        model.close()


if __name__ == "__main__":
    main()
