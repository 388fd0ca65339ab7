"""ProjectService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nextlabel.server.api.boundary.calls import current_call
from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.api.messages.labeling.annotations import cost_message, cost_of
from nextlabel.server.api.messages.projects import (
    changes,
    guidelines_message,
    new_project,
    project_message,
    re_embedding_message,
)
from nextlabel.server.api.messages.values import fitting, key_of, page, page_size, page_token
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.guidelines.proposals import GuidelineProposals, Proposal, ProposalRequest
from nextlabel.server.domain.housekeeping.removal import Removal
from nextlabel.server.domain.learning.re_embedding import ReEmbeddings
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import project_service_pb2 as pb
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceServicer


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectServicer(ProjectServiceServicer):
    """Translates calls about projects and guidelines."""

    store: StateStore
    projects: Projects
    reports: Reports
    embedding: Embedding
    proposals: GuidelineProposals
    replies: Replies
    finder: ProjectFinder
    removal: Removal
    re_embeddings: ReEmbeddings

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Any) -> pb.CreateProjectResponse:
        """Create a project, empty and without a model."""
        asked = new_project(request.project, request.guidelines)
        model, dimension = await self._embedding(
            request.project.embedding, pairs=task_type(asked.annotation_type).pairs
        )
        new = replace(asked, embedding_model=model, embedding_dimension=dimension)

        def work(tx: Transaction) -> pb.CreateProjectResponse:
            return pb.CreateProjectResponse(project=project_message(self.projects.create(tx, new), None, 0))

        return await self.replies.once(request, pb.CreateProjectResponse, work)

    async def _embedding(self, wanted: pb.EmbeddingSettings, *, pairs: bool) -> tuple[str, int]:
        """Return the embedding model, empty for given embeddings, and the dimension of what it makes of an item."""
        if wanted.source == pb.EMBEDDING_SOURCE_GIVEN:
            return "", wanted.dimension
        encoders = self.embedding.encoders
        embedder = encoders.named(wanted.model) if wanted.model else encoders.default
        if embedder is None:
            raise InvalidArgument.field(
                "project.embedding.model",
                f"this server embeds with {encoders.said}; leave it empty for {encoders.default.name!r}, or have its "
                "operator add another one to embedding.models",
            )
        dimension = await self.embedding.dimension(embedder) * (2 if pairs else 1)
        if wanted.dimension not in (0, dimension):
            has = f"{embedder.name!r} has {dimension}{' for two texts' if pairs else ''}"
            raise InvalidArgument.field("project.embedding.dimension", f"{has}; leave it 0")
        return embedder.name, dimension

    async def GetProject(self, request: pb.GetProjectRequest, context: Any) -> pb.GetProjectResponse:
        """Return a project with its counts."""
        return pb.GetProjectResponse(project=await self._message(await self.finder.project(request.project)))

    async def _message(self, project: Project) -> pb.Project:
        counts = await self.reports.pool_counts(project)
        latest, taking_over, rows = await self.store.read(
            lambda tx: (
                tx.models.latest(project.embeddings),
                tx.projects.re_embedding(project.id),
                tx.pool.committed_rows(project.id),
            )
        )
        message = project_message(project, counts, latest.version if latest else 0)
        if taking_over is not None and taking_over.underway:
            message.re_embedding.CopyFrom(re_embedding_message(taking_over, rows))
        return message

    async def ListProjects(self, request: pb.ListProjectsRequest, context: Any) -> pb.ListProjectsResponse:
        """List the projects within the caller's scope."""
        size, after = page_size(request.page_size), key_of(request.page_token)
        scope = current_call().principal.project
        if scope:
            only = await self.store.read(lambda tx: tx.projects.by_name(scope))
            found = [only] if only and only.name > after else []
        else:
            found = list(await self.store.read(lambda tx: tx.projects.list(after, size + 1)))
        projects: list[pb.Project] = []
        for project in found[:size]:
            message = await self._message(project)
            if len(fitting([*projects, message])) == len(projects):
                break
            projects.append(message)
        more = len(found) > len(projects)
        return pb.ListProjectsResponse(projects=projects, next_page_token=page_token(projects[-1].name) if more else "")

    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Any) -> pb.UpdateProjectResponse:
        """Change the fields that the mask names."""
        wanted = changes(request.project, request.update_mask.paths)

        def work(tx: Transaction) -> pb.UpdateProjectResponse:
            project = self.projects.update(tx, request.project.name, wanted)
            latest = tx.models.latest(project.embeddings)
            message = project_message(project, None, latest.version if latest else 0)
            return pb.UpdateProjectResponse(project=message)

        return await self.replies.once(request, pb.UpdateProjectResponse, work)

    async def ReEmbedProject(self, request: pb.ReEmbedProjectRequest, context: Any) -> pb.ReEmbedProjectResponse:
        """Have another embedding model take over, or give that up."""
        project = await self.finder.project(request.project)
        if request.cancel and request.model:
            raise InvalidArgument.field("model", "leave it empty to give up what is under way")

        async def ask(slot: ReplySlot[pb.ReEmbedProjectResponse]) -> pb.ReEmbedProjectResponse:
            if request.cancel:
                found, rows = await self.re_embeddings.cancel(project)
            else:
                found, rows = await self.re_embeddings.ask(project, request.model)
            reply = pb.ReEmbedProjectResponse(re_embedding=re_embedding_message(found, rows))
            await self.store.write(lambda tx: slot.save(tx, reply))
            return reply

        return await self.replies.around(request, pb.ReEmbedProjectResponse, ask)

    async def DeleteProject(self, request: pb.DeleteProjectRequest, context: Any) -> pb.DeleteProjectResponse:
        """Delete a project and what other parts keep of it."""
        deleted: set[ProjectId] = set()

        def work(tx: Transaction) -> pb.DeleteProjectResponse:
            deleted.add(self.projects.delete(tx, request.project).id)
            return pb.DeleteProjectResponse()

        response = await self.replies.once(request, pb.DeleteProjectResponse, work)
        for project in deleted:
            await self.removal.drop(project)
        return response

    async def CreateGuidelines(self, request: pb.CreateGuidelinesRequest, context: Any) -> pb.CreateGuidelinesResponse:
        """Store a version of the guidelines, in force or proposed."""
        if request.base_version < 0:
            raise InvalidArgument.field("base_version", f"must not be negative, got {request.base_version}")
        author = current_call().principal.name

        def work(tx: Transaction) -> pb.CreateGuidelinesResponse:
            added = self.projects.add_guidelines(
                tx,
                request.project,
                request.text,
                author=author,
                accept=request.accept,
                base_version=request.base_version,
            )
            project = self.projects.get(tx, request.project)
            return pb.CreateGuidelinesResponse(guidelines=guidelines_message(added, project))

        return await self.replies.once(request, pb.CreateGuidelinesResponse, work)

    async def GetGuidelines(self, request: pb.GetGuidelinesRequest, context: Any) -> pb.GetGuidelinesResponse:
        """Return a version of the guidelines, by default the one in force."""

        def work(tx: Transaction) -> pb.Guidelines:
            project = self.projects.get(tx, request.project)
            return guidelines_message(self.projects.guidelines(tx, project, request.version), project)

        return pb.GetGuidelinesResponse(guidelines=await self.store.read(work))

    async def ListGuidelines(self, request: pb.ListGuidelinesRequest, context: Any) -> pb.ListGuidelinesResponse:
        """List the versions of the guidelines, newest first."""

        def work(tx: Transaction) -> tuple[list[pb.Guidelines], str]:
            project = self.projects.get(tx, request.project)
            newest_first = [*reversed(tx.projects.guidelines(project.id))]
            return page(newest_first, request.page_token, request.page_size, lambda g: guidelines_message(g, project))

        versions, token = await self.store.read(work)
        return pb.ListGuidelinesResponse(guidelines=versions, next_page_token=token)

    async def AcceptGuidelines(self, request: pb.AcceptGuidelinesRequest, context: Any) -> pb.AcceptGuidelinesResponse:
        """Put a version in force."""

        def work(tx: Transaction) -> pb.AcceptGuidelinesResponse:
            return pb.AcceptGuidelinesResponse(guidelines=self._decided(tx, request, accept=True))

        return await self.replies.once(request, pb.AcceptGuidelinesResponse, work)

    async def RejectGuidelines(self, request: pb.RejectGuidelinesRequest, context: Any) -> pb.RejectGuidelinesResponse:
        """Turn a version down."""

        def work(tx: Transaction) -> pb.RejectGuidelinesResponse:
            return pb.RejectGuidelinesResponse(guidelines=self._decided(tx, request, accept=False))

        return await self.replies.once(request, pb.RejectGuidelinesResponse, work)

    def _decided(
        self, tx: Transaction, request: pb.AcceptGuidelinesRequest | pb.RejectGuidelinesRequest, *, accept: bool
    ) -> pb.Guidelines:
        decided = self.projects.decide_guidelines(tx, request.project, request.version, accept=accept)
        return guidelines_message(decided, self.projects.get(tx, request.project))

    async def ProposeGuidelines(
        self, request: pb.ProposeGuidelinesRequest, context: Any
    ) -> pb.ProposeGuidelinesResponse:
        """Have an LLM amend the guidelines; its proposal is stored, not in force."""
        project = await self.finder.project(request.project)
        wanted = ProposalRequest(
            request.model, request.max_disagreements, request.measure_on_gold, cost_of(request.limit)
        )

        async def propose(slot: ReplySlot[pb.ProposeGuidelinesResponse]) -> pb.ProposeGuidelinesResponse:
            proposal = await self.proposals.propose(project, wanted)

            def work(tx: Transaction) -> pb.ProposeGuidelinesResponse:
                reply = self._stored(tx, project, proposal)
                slot.save(tx, reply)
                return reply

            return await self.store.write(work)

        return await self.replies.around(request, pb.ProposeGuidelinesResponse, propose)

    def _stored(self, tx: Transaction, project: Project, proposal: Proposal) -> pb.ProposeGuidelinesResponse:
        stored = self.projects.add_guidelines(
            tx,
            project.name,
            proposal.critique.guidelines,
            author=proposal.author,
            comment=proposal.critique.critique,
            accept=False,
            base_version=proposal.base_version,
            effect=proposal.effect,
        )
        return pb.ProposeGuidelinesResponse(
            guidelines=guidelines_message(stored, self.projects.get(tx, project.name)),
            cost=cost_message(proposal.cost),
            disagreements=proposal.disagreements,
            not_measured=proposal.not_measured,
        )
