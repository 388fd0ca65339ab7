"""What GPT-4o is worth as a judge of labels: its own published answers beside people's labels, some of them made wrong.

    python -m benchmarks.annotators.judged_labels --data DIR

DIR holds politeness_gpt4o (see `benchmarks.annotators.published_answers`). A label is called wrong where GPT-4o answers
otherwise.
"""

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path

from benchmarks.annotators.published_answers import answers
from nextlabel.server.assessment.filters.judges import judge_on_gold

CLASSES = ("polite", "impolite")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    folder = parser.parse_args().data / "politeness_gpt4o"
    rows = answers(folder / "train.jsonl.gz") + answers(folder / "test.jsonl.gz")
    for noise in (0.1, 0.2, 0.3):
        draw = random.Random(0)
        verdicts = []
        for row in rows:
            right = draw.random() >= noise
            given = row["label"] if right else CLASSES[row["label"] == CLASSES[0]]
            verdicts.append((right, given != row["llm_label"]))
        found = judge_on_gold(verdicts)
        assert found is not None
        told = {name: value for name, value in asdict(found).items() if name != "answers"}
        shares = {name: round(value["value"], 3) for name, value in told.items()}
        print(json.dumps({"wrong labels": noise, "items": found.answers, **shares}))


if __name__ == "__main__":
    main()
