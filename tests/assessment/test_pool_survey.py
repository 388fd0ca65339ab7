"""Surveys of a pool and its parts against what is true of them."""

from dataclasses import replace

import numpy as np
import pytest

from nextlabel.server.assessment.estimates.cross_fit import Features
from nextlabel.server.assessment.estimates.figures import FigureKind
from nextlabel.server.assessment.estimates.pool_mean import Draws, pool_mean
from nextlabel.server.assessment.estimates.pool_survey import PoolSurvey


def surveyed(rng, *, greedy=True, helpful=True, n=120, pool=600):
    """A pool of two parts of which every other item looked at was drawn, and the others were picked for their label."""
    part = rng.random(pool) < 0.3
    truth = (rng.random(pool) < np.where(part, 0.6, 0.2)).astype(float)
    left: list[int] = rng.permutation(pool).tolist()
    seen: list[int] = []
    positions, remaining = [], []
    while len(seen) < n:
        positions.append(len(seen))
        remaining.append(len(left))
        seen.append(left.pop(rng.integers(len(left))))
        if greedy:
            seen.append(left.pop(int(np.argmax(truth[left]))))
    strong = (truth + 0.3 * rng.normal(size=pool) if helpful else rng.normal(size=pool))[:, None]
    draws = Draws.uniform(positions, remaining)
    of_seen, of_left = (Features(strong[rows], np.zeros((len(rows), 1))) for rows in (seen, left))
    survey = PoolSurvey.predicted(draws, truth[seen][:, None], of_seen, of_left, len(left))
    return part, truth, seen, left, survey


def test_a_part_of_the_pool_is_told_as_a_pool_of_its_own():
    part, truth, seen, left, survey = surveyed(np.random.default_rng(0))
    found = survey.part(part[seen], part[left])
    mine = [row for row in seen if part[row]]
    drawn = [row for m, row in enumerate(seen) if m % 2 == 0 and part[row]]
    positions = np.array([mine.index(row) for row in drawn])
    draws = Draws.uniform(positions, part.sum() - positions)
    assert len(found.draws) == len(drawn)
    assert found.others == part[left].sum()
    assert found.figures(0, share=True, watched=False)[0].estimate == pool_mean(draws, truth[mine], share=True)
    nothing = np.zeros(len(seen), bool)
    assert survey.part(nothing, part[left]) is None


def test_parts_are_right_on_average_although_others_were_picked_by_their_labels():
    rng = np.random.default_rng(1)
    errors, held = [], []
    for _ in range(80):
        part, truth, seen, left, survey = surveyed(rng)
        joined = survey.part(part[seen], part[left]).figures(0, share=True, watched=False)[-1].estimate
        errors.append(joined.value - truth[part].mean())
        held.append(joined.low <= truth[part].mean() <= joined.high)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / len(errors) ** 0.5
    assert np.mean(held) > 0.87


@pytest.mark.parametrize("helpful", [True, False])
def test_predictions_are_told_where_they_say_more_and_are_never_wider(helpful):
    part, _, seen, left, survey = surveyed(np.random.default_rng(2), helpful=helpful)
    for one in (survey, survey.part(part[seen], part[left])):
        figures = one.figures(0, share=True, watched=True)
        width = {(f.kind, f.anytime): f.estimate.high - f.estimate.low for f in figures}
        for anytime in (False, True):
            alone = width[FigureKind.AUDIT, anytime]
            assert width.get((FigureKind.PREDICTION_POWERED, anytime), alone) <= alone
        assert width[FigureKind.AUDIT, False] < width[FigureKind.AUDIT, True]


def test_helpful_predictions_make_intervals_narrower_by_a_third_and_more_on_the_mean():
    def narrower(seed):
        *_, survey = surveyed(np.random.default_rng(seed))
        alone, joined = (one.estimate for one in survey.figures(0, share=True, watched=False))
        return (joined.high - joined.low) / (alone.high - alone.low)

    assert np.mean([narrower(seed) for seed in range(12)]) < 0.63


def test_a_part_of_which_everything_was_looked_at_is_known():
    _, _, _, left, survey = surveyed(np.random.default_rng(3), n=20)
    alone = survey.part(np.arange(20) < 3, np.zeros(len(left), bool))
    assert alone.others == 0
    assert alone.figures(0, share=True, watched=False)[0].estimate.value <= 1


def test_what_nobody_can_tell_of_widens_intervals_by_the_most_that_it_can_change():
    _, _, _, _, survey = surveyed(np.random.default_rng(4))
    apart = replace(survey, unknown=len(survey.values_SK) + survey.others)
    for before, after in zip(
        survey.figures(0, share=True, watched=True), apart.figures(0, share=True, watched=True), strict=True
    ):
        assert (after.kind, after.estimate.value) == (before.kind, before.estimate.value)
        assert after.estimate.low == pytest.approx(before.estimate.low / 2)
        assert after.estimate.high == pytest.approx((before.estimate.high + 1) / 2)
