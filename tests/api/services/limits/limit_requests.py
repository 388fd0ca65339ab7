"""Requests of every RPC with one field filled to its limit or beyond, made from the descriptors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool, field_mask_pb2, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from nextlabel.server.api.boundary.services import SERVICES
from nextlabel.server.api.boundary.sizes import BY_ENTRY, Bound, bound
from nextlabel.server.values.limits import Limits
from nextlabel.v1 import access_service_pb2, annotation_pb2, labeling_service_pb2, pool_service_pb2
from nextlabel.v1 import project_service_pb2 as project_pb
from nextlabel.v1 import run_service_pb2 as run_pb
from tests.api.services.conftest import CLASSES, GIVEN, header, items, label, label_space, matrix, request_id

LIMITS = Limits()
METHODS = [m for name in SERVICES for m in descriptor_pool.Default().FindServiceByName(name).methods]
_numbers = itertools.count()


@dataclass(frozen=True)
class Place:
    """A field of a request that has a limit, by the way to it."""

    method: Any
    path: tuple[FieldDescriptor, ...]
    allowed: Bound
    of_list: bool

    def __str__(self) -> str:
        fields = ".".join(field.name for field in self.path)
        return f"{self.method.name}.{fields}{' (entries)' if self.of_list else ''}"

    @property
    def limit(self) -> int:
        limit = self.allowed.entries if self.of_list else self.allowed.bytes
        assert limit is not None
        return limit

    @property
    def by_entry(self) -> bool:
        """Whether what is too long is refused for itself, not the call."""
        holders = [f for f in self.path[:-1] if f.message_type is not None and f.message_type.full_name in BY_ENTRY]
        return bool(holders) and (holders[0].is_repeated or not self.of_list)

    @property
    def named(self) -> list[str]:
        """The path as an error names it, without positions."""
        return [field.name for field in self.path]


def places() -> list[Place]:
    """Every text and list of every request."""
    return [place for method in METHODS for place in _places(method, method.input_type, ())]


def _places(method: Any, message: Descriptor, path: tuple[FieldDescriptor, ...]) -> Iterator[Place]:
    for field in message.fields:
        way, allowed = (*path, field), bound(field, LIMITS)
        if allowed.entries is not None:
            yield Place(method, way, allowed, of_list=True)
        if field.type == FieldDescriptor.TYPE_STRING:
            yield Place(method, way, allowed, of_list=False)
        elif field.message_type is not None and not field.message_type.full_name.startswith("google."):
            yield from _places(method, field.message_type, way)


def requests(place: Place, size: int, project: str) -> list[Any]:
    """The messages of a call with `size` bytes or entries at a place, all else as the RPC wants it."""
    sent = _opening(place, project)
    request = sent[-1] if place.path[0].name != "header" else sent[0]
    _fill(request, place, size)
    if place.method.name == "AddItems" and sent[-1].HasField("batch"):
        content = sent[-1].batch
        content.embeddings.CopyFrom(matrix(len(content.items) or len(content.columns.ids)))
    return sent


def _fill(request: Any, place: Place, size: int) -> None:
    holder = request
    for field in place.path[:-1]:
        inner = getattr(holder, field.name)
        holder = (inner[0] if inner else inner.add()) if field.is_repeated else inner
    name = place.path[-1].name
    if not place.of_list:
        text = filler(size)
        if place.path[-1].is_repeated:
            getattr(holder, name)[:1] = [text]
        else:
            setattr(holder, name, text)
    elif place.path[-1].message_type is None:
        if holder.DESCRIPTOR.name == "ItemColumns":
            fitting = min(size, LIMITS.batch_items)
            holder.ids[:] = [f"{next(_numbers)}-{n}" for n in range(fitting)]
            holder.texts[:] = [f"text {n}" for n in range(fitting)]
        getattr(holder, name)[:] = [f"name-{n}-{next(_numbers)}" for n in range(size)]
    else:
        _repeat(getattr(holder, name), size)


def _repeat(entries: Any, size: int) -> None:
    first = type(entries.add())()
    if len(entries) > 1:
        first.CopyFrom(entries[0])
    texts = [f.name for f in first.DESCRIPTOR.fields if f.type == FieldDescriptor.TYPE_STRING]
    del entries[:]
    run = next(_numbers)
    for n in range(size):
        entry = entries.add()
        entry.CopyFrom(first)
        for text in texts[:1]:
            setattr(entry, text, f"{run}-{n}")


def filler(size: int) -> str:
    """A text of so many bytes that no other place is filled with; it begins with a letter and is lower-case."""
    return f"f{next(_numbers)}x".ljust(size, "z")[:size]


def _opening(place: Place, project: str) -> list[Any]:
    """The messages of a plain call that an RPC takes."""
    make = _PLAIN.get(place.method.name)
    if make is not None:
        return list(make(project, place))
    request: Any = message_factory.GetMessageClass(place.method.input_type)()
    if "project" in request.DESCRIPTOR.fields_by_name:
        request.project = project
    return [request]


def _create_project(project: str, place: Place) -> Sequence[Any]:
    content = project_pb.Project(
        name=f"made-{next(_numbers)}",
        annotation_type=annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
        label_space=label_space(*CLASSES),
        embedding=GIVEN,
    )
    return [project_pb.CreateProjectRequest(project=content)]


def _update_project(project: str, place: Place) -> Sequence[Any]:
    content = project_pb.Project(name=project, label_space=label_space(*CLASSES))
    # Classes are changed for their own places only, so that later calls leave them as they are.
    mask = field_mask_pb2.FieldMask(paths=["label_space" if "label_space" in place.named else "audit_share"])
    return [project_pb.UpdateProjectRequest(project=content, update_mask=mask)]


def _add_items(project: str, place: Place) -> Sequence[Any]:
    content = pool_service_pb2.ItemBatch(sequence=1)
    if any(field.name == "columns" for field in place.path):
        content.columns.ids.append(f"item-{next(_numbers)}-c")
        content.columns.texts.append("a text")
    else:
        (item,) = items(1)
        item.id = f"item-{next(_numbers)}-a"
        content.items.append(item)
    return [header(project, request_id()), pool_service_pb2.AddItemsRequest(batch=content)]


def _submit(project: str, place: Place) -> Sequence[Any]:
    answer = labeling_service_pb2.SubmittedAnnotation(item_id=f"item-{next(_numbers) % 40}", answer=label("cold"))
    annotator = f"annotator {next(_numbers)}"
    request = labeling_service_pb2.SubmitAnnotationsRequest(project=project, annotator=annotator, annotations=[answer])
    return [request]


def _replay_labels(project: str, place: Place) -> Sequence[Any]:
    known = labeling_service_pb2.ReplayLabel(item_id="item-1", answer=label("cold"))
    opening = labeling_service_pb2.ReplayLabelsHeader(project=project, label_set=f"set {next(_numbers)}")
    return [
        labeling_service_pb2.UploadReplayLabelsRequest(header=opening),
        labeling_service_pb2.UploadReplayLabelsRequest(batch=labeling_service_pb2.ReplayLabelBatch(labels=[known])),
    ]


def _start_run(project: str, place: Place) -> Sequence[Any]:
    replay = run_pb.AnnotatorSpec(replay=run_pb.ReplayAnnotator(label_set="truth"))
    spec = run_pb.RunSpec(annotator=replay, batch_size=1, max_rounds=1)
    return [run_pb.StartRunRequest(project=project, spec=spec)]


def _lease(project: str, place: Place) -> Sequence[Any]:
    return [labeling_service_pb2.LeaseItemsRequest(project=project, annotator="ann", count=1)]


def _select(project: str, place: Place) -> Sequence[Any]:
    return [labeling_service_pb2.SelectBatchRequest(project=project, count=1)]


def _guidelines(project: str, place: Place) -> Sequence[Any]:
    return [project_pb.CreateGuidelinesRequest(project=project, text="be kind")]


def _token(project: str, place: Place) -> Sequence[Any]:
    return [access_service_pb2.CreateTokenRequest(name="a name", role=access_service_pb2.ROLE_READER)]


_PLAIN = {
    "AddItems": _add_items,
    "CreateGuidelines": _guidelines,
    "CreateProject": _create_project,
    "CreateToken": _token,
    "LeaseItems": _lease,
    "SelectBatch": _select,
    "StartRun": _start_run,
    "SubmitAnnotations": _submit,
    "UpdateProject": _update_project,
    "UploadReplayLabels": _replay_labels,
}
