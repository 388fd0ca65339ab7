"""The page and plots of `strategies.py`: tables of what each strategy bought, and where the default falls short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from nextlabel.server.plots.learning_curves import Measure
from nextlabel.server.plots.rendering import PlotFormat
from nextlabel.server.simulation.bootstrap import Interval, mean_interval
from nextlabel.server.simulation.cell import Cell, Point
from nextlabel.server.simulation.comparison import MIN_SEEDS, Standing, Summary, compare
from nextlabel.server.simulation.curves import Curves, normalised_aulc
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.influence import moved_by_other_tests
from nextlabel.server.simulation.record import CellKey
from nextlabel.server.simulation.reporting.files import draw
from nextlabel.server.simulation.reporting.report import format_interval
from nextlabel.server.simulation.settings import BASELINE, Protocol

DEFAULT = "default"
CHECKPOINTS = (50, 100, 200, 500)
MARKS = {
    Standing.BASELINE: "",
    Standing.BETTER: " ▲",
    Standing.WORSE: " ▼",
    Standing.NOT_BETTER: " ○",
    Standing.UNKNOWN: " ?",
}


@dataclass(frozen=True)
class Study:
    """All finished cells of one set and learner."""

    name: str
    learner: str
    dataset: Dataset
    protocol: Protocol
    full_data: Point
    cells: Mapping[CellKey, Cell]

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """Random first, then by name."""
        others = sorted({strategy for strategy, _ in self.cells} - {BASELINE})
        return (BASELINE, *others)

    @cached_property
    def summaries(self) -> Mapping[str, Summary]:
        """Every strategy against random over the seeds both have."""
        return {name: self._summary(name) for name in self.strategies}

    def _summary(self, name: str) -> Summary:
        seeds = self.shared_seeds(name, BASELINE)
        pair = {BASELINE: self.curves(BASELINE, seeds), name: self.curves(name, seeds)}
        return compare(pair, self.full_data.accuracy)[-1]

    def shared_seeds(self, one: str, other: str) -> list[int]:
        return sorted(seed for strategy, seed in self.cells if strategy == one and (other, seed) in self.cells)

    def curves(self, strategy: str, seeds: Sequence[int]) -> Curves:
        return Curves.of([self.cells[strategy, seed] for seed in seeds], self.dataset.test_labels_M)

    def is_fixed(self, name: str) -> bool:
        """Whether several seeds gave the same curve, as where nothing a strategy does is random."""
        found = [cell.points for (strategy, _), cell in self.cells.items() if strategy == name]
        return len(found) > 1 and len(set(found)) == 1

    def difference(self, one: str, other: str) -> Interval:
        """Normalised area under the accuracy curve of one less that of the other, paired by seed."""
        return self._paired(one, other, normalised_aulc)

    def difference_at(self, one: str, other: str, labels: int) -> Interval:
        """Accuracy of one less that of the other after so many labels, linear between points."""
        return self._paired(one, other, partial(accuracy_at, labels))

    def _paired(self, one: str, other: str, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Interval:
        seeds = self.shared_seeds(one, other)
        own, others = self.curves(one, seeds), self.curves(other, seeds)
        moved_BP = moved_by_other_tests(own.accuracy_MP - others.accuracy_MP)
        return mean_interval(
            measure(own.labels_P, own.accuracy_SP - others.accuracy_SP), measure(own.labels_P, moved_BP)
        )


def accuracy_at(labels: int, labels_P: np.ndarray, curves_SP: np.ndarray) -> np.ndarray:
    """Values of curves after so many labels, linear between points."""
    return np.array([np.interp(labels, labels_P, curve_P) for curve_P in curves_SP])


def excludes_zero(difference: Interval, seeds: int) -> bool:
    """Whether the interval of a difference lies on one side of 0 and rests on enough seeds to say so."""
    low, high = difference.low, difference.high
    return seeds >= MIN_SEEDS and low is not None and high is not None and (low > 0 or high < 0)


def write_page(folder: Path, studies: Sequence[Study]) -> None:
    """Write ``strategies.md`` and a plot of every study beside it."""
    plots = folder / "strategies"
    plots.mkdir(parents=True, exist_ok=True)
    for study in studies:
        title = f"{study.name}, learner {study.learner}"
        svg = draw(tuple(study.summaries.values()), Measure.ACCURACY, PlotFormat.SVG, title)
        (plots / f"{study.name}.{study.learner}.svg").write_bytes(svg)
    (folder / "strategies.md").write_text("\n".join(_page(studies)) + "\n", encoding="utf-8")


def _page(studies: Sequence[Study]) -> Iterator[str]:
    protocol = studies[0].protocol
    yield "# Strategies against random"
    yield ""
    yield "Made by `python -m benchmarks.strategies.compared DATA_DIR --out docs/evidence`;"
    yield "every figure comes from that run."
    yield ""
    yield (
        f"Per set and learner: batches of {protocol.batch_size} up to {protocol.budget_labels} labels from a cold "
        "start (strategies that need a model draw their first batch at random), true labels, all-MiniLM-L6-v2 "
        "embeddings, training texts that are test texts left out. Accuracy on the test part. In brackets 95 % "
        "intervals over seeds and test items, paired by seed where differences are shown (`docs/simulate.md`)."
    )
    yield ""
    yield "▲ better than random, ▼ worse, ○ no difference shown, ? too few seeds to say."
    for learner in dict.fromkeys(study.learner for study in studies):
        chosen = [study for study in studies if study.learner == learner]
        yield from ("", f"## Learner `{learner}`")
        yield from _areas(chosen)
        with_default = [study for study in chosen if DEFAULT in study.strategies]
        if with_default:
            yield from _default_against_random(with_default)
            yield from _default_against_others(with_default)
        yield from _labels(chosen)
        yield from ("", "### Curves", "")
        yield from (f"![{study.name}](strategies/{study.name}.{learner}.svg)" for study in chosen)


def _areas(studies: Sequence[Study]) -> Iterator[str]:
    names = _names(studies)
    yield from ("", "### Mean accuracy over the curve (normalised area under it)", "")
    yield from _head("set", "all labels", *names)
    for study in studies:
        best = max(summary.aulc_accuracy.mean for summary in study.summaries.values())
        row = [_area(study.summaries.get(name), best) for name in names]
        yield _row(study.name, f"{study.full_data.accuracy:.3f}", *row)
    everywhere = [name for name in names if all(name in study.summaries for study in studies)]
    areas = np.array([[study.summaries[name].aulc_accuracy.mean for name in everywhere] for study in studies])
    ranks = (-areas).argsort(axis=1).argsort(axis=1) + 1
    means = dict(zip(everywhere, areas.mean(axis=0), strict=True))
    mean_ranks = dict(zip(everywhere, ranks.mean(axis=0), strict=True))
    yield _row("**mean**", "", *(f"{means[name]:.3f}" if name in means else "" for name in names))
    yield _row("**mean rank**", "", *(f"{mean_ranks[name]:.1f}" if name in means else "" for name in names))
    yield _row("seeds", "", *(_seeds(studies, name) for name in names))
    fixed = [f"{name} on {study.name}" for study in studies for name in study.strategies if study.is_fixed(name)]
    if fixed:
        yield from (
            "",
            f"The same with every seed, so that intervals speak about random's seeds only: {', '.join(fixed)}.",
        )


def _area(summary: Summary | None, best: float) -> str:
    if summary is None:
        return ""
    area = f"{summary.aulc_accuracy.mean:.3f}"
    return (f"**{area}**" if summary.aulc_accuracy.mean == best else area) + MARKS[summary.verdict]


def _seeds(studies: Sequence[Study], name: str) -> str:
    counts = sorted({study.summaries[name].seeds for study in studies if name in study.summaries})
    return "–".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))


def _default_against_random(studies: Sequence[Study]) -> Iterator[str]:
    yield from ("", "### `default` less random: accuracy after so many labels", "")
    yield from _head("set", *(str(labels) for labels in CHECKPOINTS), "labels saved", "seeds")
    for study in studies:
        seeds = study.summaries[DEFAULT].seeds
        differences = [study.difference_at(DEFAULT, BASELINE, labels) for labels in CHECKPOINTS]
        saved = _signed(study.summaries[DEFAULT].labels_saved_vs_random, seeds, digits=0)
        yield _row(study.name, *(_signed(found, seeds) for found in differences), saved, str(seeds))


def _default_against_others(studies: Sequence[Study]) -> Iterator[str]:
    names = [name for name in _names(studies) if name not in (DEFAULT, BASELINE)]
    yield from ("", "### `default` less each other strategy: mean accuracy over the curve", "")
    yield "Bold where the interval excludes 0 and rests on ten seeds or more."
    yield ""
    yield from _head("set", *names)
    lower, below = [], []
    for study in studies:
        row = {name: _gap(study, name) for name in names if name in study.strategies}
        yield _row(study.name, *(_signed(*row[name]) if name in row else "" for name in names))
        lower += [f"{name} on {study.name}" for name, (gap, _) in row.items() if gap.mean < 0]
        below += [
            f"{name} on {study.name}" for name, found in row.items() if excludes_zero(*found) and found[0].mean < 0
        ]
    yield ""
    yield f"`default` has a lower mean than: {', '.join(lower) or 'none'}."
    yield f"Significantly lower than: {', '.join(below) or 'none'}."


def _gap(study: Study, other: str) -> tuple[Interval, int]:
    return study.difference(DEFAULT, other), len(study.shared_seeds(DEFAULT, other))


def _labels(studies: Sequence[Study]) -> Iterator[str]:
    names = _names(studies)
    yield from ("", "### Labels until 95 % of the full-data accuracy (— not within the budget)", "")
    yield from _head("set", *names)
    for study in studies:
        reached = [study.summaries[name].labels_to_95pct if name in study.summaries else None for name in names]
        yield _row(study.name, *("—" if labels is None else f"{labels:.0f}" for labels in reached))


def _names(studies: Sequence[Study]) -> list[str]:
    """All strategies in the order of their mean area, random first and the default last."""
    areas: dict[str, list[float]] = {}
    for study in studies:
        for name, summary in study.summaries.items():
            areas.setdefault(name, []).append(summary.aulc_accuracy_vs_random.mean)
    ranked = sorted(areas, key=lambda name: (name == DEFAULT, float(np.mean(areas[name]))))
    return [BASELINE, *(name for name in ranked if name != BASELINE)]


def _signed(value: Interval, seeds: int, digits: int = 3) -> str:
    text = format_interval(value, digits=digits, signed=True)
    return f"**{text}**" if excludes_zero(value, seeds) else text


def _head(*columns: str) -> tuple[str, str]:
    return _row(*columns), _row("---", *("---:" for _ in columns[1:]))


def _row(*values: str) -> str:
    return f"| {' | '.join(values)} |"
