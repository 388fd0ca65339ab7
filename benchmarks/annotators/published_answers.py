"""How often GPT-4o's own published answers are right, by people's labels, and what its confidence says of that.

    python -m benchmarks.annotators.published_answers --data DIR

DIR holds politeness_gpt4o: requests with a human label, the LLM's label and its confidence (Gligorić et al., NAACL
2025, github.com/kristinagligoric/cdi-tutorial).
"""

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nextlabel.server.assessment.intervals import wilson_interval

SURE = 0.9


def share(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    found = wilson_interval(sum(row["label"] == row["llm_label"] for row in rows), len(rows))
    return {
        "items": len(rows),
        "right": round(found.value, 3),
        "low": round(found.low, 3),
        "high": round(found.high, 3),
    }


def answers(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    folder = parser.parse_args().data / "politeness_gpt4o"
    rows = answers(folder / "train.jsonl.gz") + answers(folder / "test.jsonl.gz")
    found = {"all": share(rows), "sure": share([row for row in rows if row["llm_confidence"] >= SURE])}
    found |= {name: share([row for row in rows if row["label"] == name]) for name in ("polite", "impolite")}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
