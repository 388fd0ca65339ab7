"""What an LLM may consult about a project's items: demonstrations, similar labels, and what the learner says."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.annotators.llm.annotator import Lookups
from nextlabel.server.annotators.llm.evidence import LearnerEvidence
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.demonstrations import LabelEmbeddings
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.neighbours import LabeledNeighbours
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.annotators import ConfidenceModel
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class ProjectLookups:
    """Makes the lookups of a project. Prompts are the same with and without evidence; only confidences differ."""

    pools: Pools
    labels: Labels
    learning: Learning
    embedding: Embedding

    async def for_prompts(self, project: Project) -> Lookups:
        """Return what goes into prompts alone, for who wants the model's own confidence."""
        return await self._lookups(project, LabeledNeighbours(project, self.pools, self.labels, self.learning))

    async def with_evidence(self, project: Project, confidence: ConfidenceModel) -> Lookups:
        """Return what goes into prompts, and the learner's evidence about answers."""
        known = LabeledNeighbours(project, self.pools, self.labels, self.learning)
        prompts = await self._lookups(project, known)
        return Lookups(prompts.demonstrations, prompts.label_similarity, [LearnerEvidence(known)], confidence)

    async def _lookups(self, project: Project, known: LabeledNeighbours) -> Lookups:
        if not project.embedding_model:
            return Lookups(demonstrations=known)
        names = [f"{c.name}: {c.description}" if c.description else c.name for c in project.classes]
        embeddings = await self.embedding.embed_texts(project, names)
        return Lookups(demonstrations=known, label_similarity=LabelEmbeddings(project.class_names, embeddings))
