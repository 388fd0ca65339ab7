"""What is read of a project through its client: the task, its answers, and what evaluates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nextlabel.client import Client
from nextlabel.server.api.messages.labeling.answers import body_of
from nextlabel.server.api.messages.projects import new_project
from nextlabel.server.tuning.examples import Form
from nextlabel.server.tuning.measuring import GoldItem
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.guidelines import Guidelines


@dataclass(frozen=True, slots=True)
class ProjectAnswers:
    """A project of a server."""

    client: Client
    project: str

    def task(self) -> Task:
        """Return what is asked about each item, under the guidelines in force."""
        found = self.client.guidelines.get(self.project)
        asked = new_project(self.client.projects.get(self.project), found.text)
        return Task(
            asked.annotation_type,
            tuple(asked.classes),
            Guidelines(found.text, found.version),
            score_range=asked.score_range,
        )

    def embedding_model(self) -> str:
        """Return the name of the model that embeds the texts, '' where embeddings are given."""
        return str(self.client.projects.get(self.project).embedding.model)

    def records(self, form: Form, judged_by: str = "") -> Iterator[dict[str, Any]]:
        """Yield the lines of an export."""
        for part in self.client.labeling.export(self.project, form=form.value, judged_by=judged_by):
            for line in part.splitlines():
                yield json.loads(line)

    def gold(self) -> list[GoldItem]:
        """Return the gold items with their answers."""
        return [
            GoldItem(detail.item.text, body_of(detail.item.reference, "item.reference"))
            for detail in self.client.pool.list(self.project, split="gold")
        ]

    def unlabeled(self) -> Iterator[str]:
        """Yield the texts of pool items without a label, in the order in which they were added."""
        for detail in self.client.pool.list(self.project, split="pool", state="unlabeled"):
            yield detail.item.text

    def holdout(self) -> list[str]:
        """Return the texts of the holdout items."""
        return [detail.item.text for detail in self.client.pool.list(self.project, split="holdout")]
