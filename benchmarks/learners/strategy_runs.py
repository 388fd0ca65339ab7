"""What the benchmarks of a learner and of its strategies share: the options of both tables, and the order of runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import TypeVar

Set = TypeVar("Set")
Area = TypeVar("Area")


def add_options(parser: argparse.ArgumentParser, strategies: Sequence[str], seeds: int) -> None:
    """Add which seeds and strategies to run, which table to make, and where it goes."""
    parser.add_argument("--cache", type=Path, default=Path("build/embeddings"))
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow it")
    parser.add_argument("--strategies", nargs="*", default=list(strategies), help="random is among them always")
    parser.add_argument("--only", choices=("learner", "strategies"), help="make one of the two tables")
    parser.add_argument("--document", type=Path)


def seeds_of(options: argparse.Namespace) -> range:
    """Return the seeds that the options name."""
    return range(options.first_seed, options.first_seed + options.seeds)


def run_strategies(
    options: argparse.Namespace, sets: Sequence[Set], area: Callable[[Set, str, int], Area]
) -> list[Area]:
    """Return the area of every strategy, random first, on each set and seed; each is printed when it is there."""
    areas = []
    for data, seed, strategy in product(sets, seeds_of(options), dict.fromkeys(("random", *options.strategies))):
        areas.append(area(data, strategy, seed))
        print(areas[-1], flush=True)
    return areas
