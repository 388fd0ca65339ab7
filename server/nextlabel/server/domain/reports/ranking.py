"""How the texts of a project of preferences rank by the answers about pairs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.votes import newest_answers
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.ranking.comparisons import Comparisons
from nextlabel.server.assessment.ranking.rewards import RankingModel, rank
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.learners.preferences.model import PreferenceModel
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import PREFERENCES, Preference
from nextlabel.server.values.projects.projects import Project

MOST_TEXTS = 2_000
"""More would take minutes, and memory by their square, as every text's interval depends on all others."""

_Z = 1.96


@dataclass(frozen=True, slots=True)
class RankedText:
    """A text with its reward, which rests on ``reward.items`` answers."""

    text: str
    reward: Estimate


@dataclass(frozen=True, slots=True)
class RankingAnnotator:
    """What an annotator's answers are worth, and the log-odds that it adds to the text shown first."""

    name: str
    skill: float
    position: Estimate


@dataclass(frozen=True, slots=True)
class TextRanking:
    """Texts, the best first, and annotators, those with most answers first.

    ``tie`` are the odds of a tie between equal texts against one of them being preferred; ``model`` is what foresaw
    answers best.
    """

    texts: Sequence[RankedText]
    annotators: Sequence[RankingAnnotator]
    tie: float
    model: RankingModel


class Rankings:
    """Ranks texts; the model is fitted in the executor."""

    def __init__(self, pools: Pools, labels: Labels, learning: Learning) -> None:
        self._pools = pools
        self._labels = labels
        self._learning = learning

    async def of(self, project: Project, *, by_learner: bool) -> TextRanking:
        """Rank the texts of pairs that were answered; those of equal wording are one text.

        Args:
            by_learner: expect of texts that are alike by their embeddings that they are about as good, or of each what
                the newest model says, from which answers then move it.

        Raises:
            FailedPrecondition: items are no pairs, nothing was answered, texts are too many, or there is no model.
        """
        if not task_type(project.annotation_type).pairs:
            raise FailedPrecondition(
                f"project {project.name} asks for {project.annotation_type.shown} annotations; texts rank by "
                "preferences between two of them",
                reason="NO_PAIRS",
            )
        answers, items = await self._answered(project)
        places = _places(items)
        if not places:
            raise FailedPrecondition(
                f"nobody has compared texts of project {project.name} yet; have pairs answered", reason="NO_COMPARISONS"
            )
        if len(places) > MOST_TEXTS:
            raise FailedPrecondition(
                f"{len(places):,} texts of project {project.name} were compared; at most {MOST_TEXTS:,} are ranked: "
                "export the answers and rank parts of them",
                reason="TOO_MANY_TEXTS",
            )
        known = await self._known(project, items, places) if by_learner else _Known()
        return await self._learning.executor.run(lambda: _ranked(answers, items, places, known))

    async def _answered(self, project: Project) -> tuple[Mapping[int, Sequence[Annotation]], Sequence[StoredItem]]:
        """Return the newest preferences about each pair of the pool, and the pairs; never of holdout or gold ones."""
        unusable = set((await self._pools.open(project.id)).unusable_rows().tolist())
        given = {
            row: found
            for row, annotations in (await self._labels.rows(project)).items()
            if row not in unusable and (found := newest_answers(annotations, Preference))
        }
        items = await self._pools.items(project.id, sorted(given))
        return given, [item for item in items if item.pair is not None]

    async def _known(self, project: Project, items: Sequence[StoredItem], places: Mapping[str, int]) -> _Known:
        _, model = await self._learning.model(project)
        rows = [item.row for item in items]
        embedded = await self._learning.samples.embedded(project.id, np.array(rows, np.int64))
        if not isinstance(model, PreferenceModel) or not embedded.any():
            return _Known()
        ready = [item for item, there in zip(items, embedded.tolist(), strict=True) if there and item.pair is not None]
        embeddings_nD = (await self._pools.embeddings(project, [item.row for item in ready])).astype(np.float64)
        embeddings_TD = np.zeros((len(places), len(model.coef_D)))
        pairs = [item.pair for item in ready if item.pair is not None]
        for side, texts in enumerate(([p.a for p in pairs], [p.b for p in pairs])):
            embeddings_TD[[places[text] for text in texts]] = np.split(embeddings_nD, 2, axis=1)[side]
        return _Known(embeddings_TD @ model.coef_D, embeddings_TD)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is known of T texts beside answers: rewards of the learner, and embeddings, 0 where there is none."""

    expected_T: npt.NDArray[np.float64] | None = None
    embeddings_TD: npt.NDArray[np.float64] | None = None


def _places(items: Sequence[StoredItem]) -> dict[str, int]:
    texts = (text for item in items if (pair := item.pair) for text in (pair.a, pair.b))
    return {text: place for place, text in enumerate(dict.fromkeys(texts))}


def _ranked(
    answers: Mapping[int, Sequence[Annotation]],
    items: Sequence[StoredItem],
    places: Mapping[str, int],
    known: _Known,
) -> TextRanking:
    annotators: dict[str, int] = {}
    rows = []
    for item in items:
        for given in answers[item.row]:
            pair, body = item.pair, given.answer.body
            if pair is not None and isinstance(body, Preference):
                annotator = annotators.setdefault(given.annotator, len(annotators))
                rows.append((places[pair.a], places[pair.b], PREFERENCES.index(body.choice), annotator))
    columns = np.array(rows, np.int64).T
    first_M, second_M, answer_M, annotator_M = columns
    given_M = Comparisons(first_M, second_M, answer_M, annotator_M, len(places), len(annotators))
    found = rank(given_M, known.expected_T, known.embeddings_TD)
    of_texts = np.bincount(columns[:2].ravel(), minlength=len(places))
    of_annotators = np.bincount(columns[3], minlength=len(annotators))
    texts, names = list(places), list(annotators)

    def text(t: int) -> RankedText:
        return RankedText(texts[t], _estimate(found.reward_T[t], found.error_T[t], of_texts[t]))

    def annotator_of(w: int) -> RankingAnnotator:
        position = _estimate(found.position_W[w], found.position_error_W[w], of_annotators[w])
        return RankingAnnotator(names[w], float(found.skill_W[w]), position)

    by_answers = _descending(of_annotators.astype(np.float64))
    ranked = list(map(text, _descending(found.reward_T)))
    return TextRanking(ranked, list(map(annotator_of, by_answers)), found.tie_odds, found.model)


def _descending(values_n: npt.NDArray[np.float64]) -> list[int]:
    order: list[int] = np.argsort(-values_n, kind="stable").tolist()
    return order


def _estimate(value: float, error: float, items: int) -> Estimate:
    return Estimate(float(value), float(value - _Z * error), float(value + _Z * error), int(items))
