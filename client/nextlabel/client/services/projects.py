"""Projects and their guidelines."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from nextlabel.client.literals import AnnotationTypeName
from nextlabel.client.messages.annotation_types import annotation_type_value
from nextlabel.client.messages.names import class_name, several, several_texts, text_of
from nextlabel.client.messages.settings import duration, learner_settings, strategy_spec
from nextlabel.client.transport.calls import Mode, OfServer, Scope, Service, call, project_call, stream
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.v1 import project_service_pb2 as pb
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.project_service_pb2_grpc import ProjectServiceAsyncStub

LabelNames = Iterable[str | pb.LabelClass] | Mapping[str, str]
"""Class names, class names with their descriptions, or whole classes."""


class OneProject(Service[Mode, Scope]):
    """Shows, changes and deletes a project."""

    @cached_property
    def _stub(self) -> "ProjectServiceAsyncStub":
        return ProjectServiceStub(self._connection.channel)

    @project_call
    async def get(self, name: str) -> pb.Project:
        """The project with its current counts. Raises NextlabelError NOT_FOUND."""
        return (await self._connection.unary(self._stub.GetProject, pb.GetProjectRequest(project=name))).project

    @project_call
    async def update(
        self,
        name: str,
        *,
        labels: LabelNames | None = None,
        estimator: str | None = None,
        estimator_params: Mapping[str, Any] | None = None,
        strategy: str | None = None,
        strategy_params: Mapping[str, Any] | None = None,
        overlap: int | None = None,
        lease_ttl_s: float | None = None,
        audit_share: float | None = None,
        show_suggestions: bool | None = None,
        prompt_metadata: Sequence[str] | None = None,
        gold_share: float | None = None,
        consensus: str | None = None,
    ) -> pb.Project:
        """Change what is given and leave the rest.

        `labels` are all the classes: those that were there before, in their order, and new ones after them.
        """
        changes: dict[str, Any] = {
            "label_space": None if labels is None else label_space(labels),
            "learner": learner_settings(estimator or "", estimator_params),
            "default_strategy": strategy_spec(strategy or "", strategy_params),
            "overlap": overlap,
            "lease_ttl": duration(lease_ttl_s),
            "audit_share": audit_share,
            "show_suggestions": show_suggestions,
            "prompt_metadata": None if prompt_metadata is None else several_texts(prompt_metadata, "prompt_metadata"),
            "gold_share": gold_share,
            "consensus": consensus,
        }
        changes = {field: value for field, value in changes.items() if value is not None}
        request = pb.UpdateProjectRequest(
            project=pb.Project(name=name, **changes), update_mask=FieldMask(paths=list(changes))
        )
        return (await self._connection.unary(self._stub.UpdateProject, request)).project

    @project_call
    async def re_embed(self, name: str, model: str) -> pb.ReEmbedding:
        """Have another embedding model of the server take over, in the background; returns how far it is.

        The present model serves until the other one has embedded all items. `get` says how far that is meanwhile, in
        `re_embedding`. Raises NextlabelError: INVALID_ARGUMENT with the models that there are, FAILED_PRECONDITION when
        embeddings are given, the model embeds the project already, or a third one is taking over.
        """
        request = pb.ReEmbedProjectRequest(project=name, model=text_of(model, "model"))
        return (await self._connection.unary(self._stub.ReEmbedProject, request, timeout_s=LONG_CALL_S)).re_embedding

    @project_call
    async def cancel_re_embedding(self, name: str) -> pb.ReEmbedding:
        """Give up that another model takes over; the project stays with the one that it has."""
        request = pb.ReEmbedProjectRequest(project=name, cancel=True)
        return (await self._connection.unary(self._stub.ReEmbedProject, request)).re_embedding

    @project_call
    async def delete(self, name: str) -> None:
        """Delete a project with its items, annotations and models; its ledger entries stay."""
        await self._connection.unary(self._stub.DeleteProject, pb.DeleteProjectRequest(project=name))
        self._connection.forget_project(name)


class Projects(OneProject[Mode, OfServer]):
    """Creates and lists projects."""

    @call
    async def create(
        self,
        name: str,
        *,
        labels: LabelNames = (),
        paths: bool = False,
        annotation_type: AnnotationTypeName = "single_label",
        score_range: tuple[float, float] | tuple[float, float, float] | None = None,
        guidelines: str = "",
        embedding_model: str = "",
        embeddings_given: bool = False,
        dimension: int = 0,
        estimator: str = "",
        estimator_params: Mapping[str, Any] | None = None,
        strategy: str = "",
        strategy_params: Mapping[str, Any] | None = None,
        overlap: int = 1,
        lease_ttl_s: float | None = None,
        audit_share: float = 0.0,
        show_suggestions: bool = False,
        prompt_metadata: Sequence[str] = (),
        gold_share: float = 0.0,
        consensus: str = "",
        timeout_s: float = LONG_CALL_S,
    ) -> pb.Project:
        """Create a project; the first one of a server takes long, because the embedding model is loaded for it.

        `labels` are the classes, in an order that stays; `annotation_type` is single_label, multi_label, score,
        pairwise_preference or text. With `paths`, names of classes such as "animal/cat" are paths: an answer that names
        one names all above it too (multi_label). `score_range` is the smallest and the greatest score, by default 0 and
        1, and the step between scores where not every number is one. The server embeds the texts with
        `embedding_model`, one of those that its operator allows (by default its first), unless `embeddings_given`:
        then every item comes with an embedding of `dimension` numbers.
        `gold_share` (up to 0.5) of the places on people's leases go to gold items that they cannot tell from others.
        `consensus` is how answers are joined: majority (the default), auto, crowdlab, one_coin, mace, glad,
        dawid_skene or gold_weighted.

        Raises NextlabelError: ALREADY_EXISTS when the name is taken, INVALID_ARGUMENT with the wrong fields.
        """
        source = pb.EMBEDDING_SOURCE_GIVEN if embeddings_given else pb.EMBEDDING_SOURCE_SERVER
        project = pb.Project(
            name=name,
            annotation_type=annotation_type_value(annotation_type),
            label_space=label_space(labels, paths=paths),
            embedding=pb.EmbeddingSettings(source=source, model=embedding_model, dimension=dimension),
            learner=learner_settings(estimator, estimator_params),
            default_strategy=strategy_spec(strategy, strategy_params),
            overlap=overlap,
            lease_ttl=duration(lease_ttl_s),
            audit_share=audit_share,
            show_suggestions=show_suggestions,
            prompt_metadata=several_texts(prompt_metadata, "prompt_metadata"),
            gold_share=gold_share,
            consensus=consensus,
        )
        if score_range is not None:
            allowed = project.score_range
            allowed.minimum, allowed.maximum, *step = score_range
            allowed.step = step[0] if step else 0.0
        request = pb.CreateProjectRequest(project=project, guidelines=guidelines)
        return (await self._connection.unary(self._stub.CreateProject, request, timeout_s=timeout_s)).project

    @stream
    async def list(self) -> AsyncIterator[Sequence[pb.Project]]:
        """The projects that the caller may see, by name."""
        pages = self._connection.pages(self._stub.ListProjects, pb.ListProjectsRequest(), lambda page: page.projects)
        async for page in pages:
            yield page


def label_space(labels: LabelNames, *, paths: bool = False) -> pb.LabelSpace:
    """The label space with these classes, in this order. Raises TypeError for a text instead of names."""
    given = (
        (pb.LabelClass(name=name, description=said) for name, said in labels.items())
        if isinstance(labels, Mapping)
        else several(labels, "labels")
    )
    return pb.LabelSpace(classes=map(_label_class, given), paths=paths)


def _label_class(given: str | pb.LabelClass) -> pb.LabelClass:
    if not isinstance(given, pb.LabelClass):
        return pb.LabelClass(name=class_name(text_of(given, "labels")))
    return pb.LabelClass(name=class_name(given.name), description=given.description, examples=given.examples)
