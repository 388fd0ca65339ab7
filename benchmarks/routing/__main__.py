"""What routing is worth: right labels for money, and promises about labels that nobody looks at.

    python -m benchmarks.routing DATA_DIR CACHE --seeds 10 --sims 500

DATA_DIR has sets with known truth, on which LLMs are simulated with errors that go together, and ``politeness_gpt4o``,
whose LLM answers are real. Embeddings that are missing are made once and kept in CACHE. Tables go to stdout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.routing import money, promises, reviews, voices


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sims", type=int, default=500)
    parser.add_argument("--only", choices=("money", "reviews", "voices", "promises"))
    args = parser.parse_args()
    if args.only in (None, "reviews"):
        sys.stdout.write(reviews.table(args.data, args.cache, args.seeds) + "\n\n")
        sys.stdout.flush()
    if args.only in (None, "voices"):
        sys.stdout.write(voices.table(args.data, args.cache, args.seeds) + "\n\n")
        sys.stdout.flush()
    if args.only in (None, "money"):
        sys.stdout.write(money.table(args.data, args.cache, args.seeds) + "\n\n")
        sys.stdout.flush()
    if args.only in (None, "promises"):
        sys.stdout.write(promises.table(args.data, args.cache, args.sims) + "\n")


if __name__ == "__main__":
    main()
