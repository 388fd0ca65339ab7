"""Between messages and rankings of texts."""

from __future__ import annotations

from nextlabel.server.api.messages.assessment.quality import estimate
from nextlabel.server.api.messages.values import beginning
from nextlabel.server.assessment.ranking.rewards import RankingModel
from nextlabel.server.domain.reports.ranking import RankedText, RankingAnnotator
from nextlabel.v1 import report_service_pb2 as pb

RANKING_MODELS = {
    RankingModel.DAVIDSON: pb.RANKING_MODEL_DAVIDSON,
    RankingModel.THURSTONE: pb.RANKING_MODEL_THURSTONE,
    RankingModel.GAUSSIAN_PROCESS: pb.RANKING_MODEL_GAUSSIAN_PROCESS,
}
MOST_ANNOTATORS = 100
TEXT_BYTES = 1_024


def ranked_text(found: RankedText) -> pb.RankedText:
    """Return a text with its reward."""
    return pb.RankedText(text=beginning(found.text, TEXT_BYTES), reward=estimate(found.reward))


def ranking_annotator(found: RankingAnnotator) -> pb.RankingAnnotator:
    """Return what an annotator's answers are worth."""
    return pb.RankingAnnotator(annotator=found.name, skill=found.skill, position=estimate(found.position))
