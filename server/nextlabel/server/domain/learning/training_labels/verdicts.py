"""What LLMs that judge labels say of those that there are now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.answer_form import shown_answer
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.labeling.verdicts import LabelRuling, LabelVerdict
from nextlabel.server.values.projects.projects import Project


def about(body: Body, guidelines: str) -> str:
    """Return the digest of a label and of the guidelines, given by their own digest, that it is judged by."""
    return hashlib.sha256(f"{guidelines}\n{shown_answer(body)}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def guidelines_digest(tx: Transaction, project: Project) -> str:
    """Return the digest of the guidelines in force."""
    found = [one for one in tx.projects.guidelines(project.id) if one.version == project.guidelines_version]
    return hashlib.sha256(found[0].text.encode()).hexdigest() if found else ""


async def standing_verdicts(
    store: StateStore, project: Project, agreed: Mapping[int, Consensus]
) -> Mapping[int, LabelVerdict]:
    """Return, by row, the newest verdict about the label that an item has now, by the guidelines in force.

    Labels that people gave or confirmed have none, and what judges could not say is none either.
    """
    digest, given = await store.read(lambda tx: (guidelines_digest(tx, project), tx.filters.verdicts(project.id)))
    found = {}
    for verdict in given:
        now = agreed.get(verdict.row)
        if now is None or now.trusted or verdict.ruling is LabelRuling.NONE:
            continue
        if verdict.about == about(now.body, digest):
            found[verdict.row] = verdict
    return found
