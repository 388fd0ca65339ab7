"""Items through the API: in, resumed, out."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from google.protobuf import struct_pb2

from nextlabel.v1 import labeling_service_pb2, learner_service_pb2, pool_pb2
from nextlabel.v1 import pool_service_pb2 as pb
from tests.api.services.conftest import (
    DIMENSION,
    Api,
    batch,
    header,
    items,
    label,
    matrix,
    refusal,
    request_id,
    true_class,
)


def add(api: Api, *requests: pb.AddItemsRequest) -> list[pb.AddItemsResponse]:
    return list(api.pool.AddItems(iter(requests)))


def columns(
    ids: list[str], texts: list[str], embeddings: pool_pb2.EmbeddingMatrix, single: list[pool_pb2.Item] | None = None
) -> pb.AddItemsRequest:
    given = pb.ItemColumns(ids=ids, texts=texts)
    return pb.AddItemsRequest(batch=pb.ItemBatch(sequence=1, columns=given, items=single, embeddings=embeddings))


def test_each_batch_is_acknowledged_in_order_and_counted(api: Api) -> None:
    project = api.project()
    batches = [batch(n, items(10, first=10 * n), matrix(10, first=10 * n)) for n in range(1, 31)]
    responses = add(api, header(project, request_id()), *batches)
    assert [response.sequence for response in responses] == list(range(31))
    assert [response.accepted for response in responses] == [0] + [10] * 30
    counts = api.pool.GetPoolStatus(pb.GetPoolStatusRequest(project=project)).status.counts
    assert (counts.pool, counts.unlabeled, counts.embedded) == (300, 300, 300)


def test_an_upload_that_was_cut_off_goes_on_after_the_last_acknowledgement(api: Api) -> None:
    project, upload = api.project(), request_id()
    add(api, header(project, upload), batch(1, items(5)), batch(2, items(5, first=5)))
    known = api.pool.GetUpload(pb.GetUploadRequest(project=project, upload_id=upload)).upload
    assert known.last_sequence == 2
    responses = add(
        api,
        header(project, upload, resume=True),
        batch(2, items(5, first=5)),
        batch(3, items(5, first=10)),
    )
    assert [(r.sequence, r.accepted) for r in responses] == [(2, 0), (2, 0), (3, 5)]


def test_an_upload_is_not_taken_up_by_accident(api: Api) -> None:
    project, upload = api.project(), request_id()
    add(api, header(project, upload), batch(1, items(1)))
    code, _ = refusal(lambda: add(api, header(project, upload), batch(1, items(1))))
    assert code is grpc.StatusCode.ALREADY_EXISTS


@pytest.mark.parametrize("upload", ["", "x" * 257])
def test_an_upload_needs_an_id_of_bounded_length(api: Api, upload: str) -> None:
    code, fields = refusal(lambda: add(api, header(api.project(), upload)))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["header.upload_id"])


def test_an_upload_nobody_began_is_not_found(api: Api) -> None:
    request = pb.GetUploadRequest(project=api.project(), upload_id=request_id())
    assert refusal(lambda: api.pool.GetUpload(request))[0] is grpc.StatusCode.NOT_FOUND


def test_the_same_items_again_are_duplicates_and_changed_ones_are_errors(api: Api) -> None:
    project = api.filled(3)
    changed = pool_pb2.Item(id="item-1", text="another text")
    (_, response) = add(api, header(project, request_id()), batch(1, [*items(1), changed, *items(1, first=9)]))
    assert (response.accepted, response.duplicates) == (1, 1)
    (error,) = response.errors
    assert (error.index, error.item_id, error.reason) == (1, "item-1", pb.ITEM_ERROR_REASON_CONTENT_CONFLICT)
    stored = api.pool.GetItem(pb.GetItemRequest(project=project, item_id="item-1")).item
    assert stored.item.text == "the text of number 1"


def test_items_in_columns_are_the_same_items(api: Api) -> None:
    project = api.filled(3)
    given = columns(
        ["item-1", "item-2", "new", ""],
        ["the text of number 1", "another text", "a new text", "no id"],
        matrix(4, first=1),
    )
    (_, response) = add(api, header(project, request_id()), given)
    assert (response.accepted, response.duplicates) == (1, 1)
    assert [(e.index, e.reason) for e in response.errors] == [
        (1, pb.ITEM_ERROR_REASON_CONTENT_CONFLICT),
        (3, pb.ITEM_ERROR_REASON_ID_MISSING),
    ]
    stored = api.pool.GetItem(pb.GetItemRequest(project=project, item_id="new")).item
    assert (stored.item.text, stored.item.split) == ("a new text", pool_pb2.SPLIT_POOL)


def nested(depth: int) -> struct_pb2.Struct:
    metadata = struct_pb2.Struct()
    metadata.update({"bottom": 1})
    for _ in range(depth):
        outer = struct_pb2.Struct()
        outer.fields["inner"].struct_value.CopyFrom(metadata)
        metadata = outer
    return metadata


def not_a_number() -> struct_pb2.Struct:
    metadata = struct_pb2.Struct()
    metadata.fields["score"].number_value = float("nan")
    return metadata


WRONG_ITEMS = [
    (pool_pb2.Item(text="no id"), pb.ITEM_ERROR_REASON_ID_MISSING),
    (pool_pb2.Item(id="x" * 257, text="t"), pb.ITEM_ERROR_REASON_ID_INVALID),
    (pool_pb2.Item(id="a\x00b", text="t"), pb.ITEM_ERROR_REASON_ID_INVALID),
    (pool_pb2.Item(id="x"), pb.ITEM_ERROR_REASON_TEXT_MISSING),
    (pool_pb2.Item(id="x", text="t" * 40_000), pb.ITEM_ERROR_REASON_TEXT_TOO_LONG),
    (pool_pb2.Item(id="x", text="t", metadata=nested(30)), pb.ITEM_ERROR_REASON_METADATA_INVALID),
    (pool_pb2.Item(id="x", text="t", metadata=not_a_number()), pb.ITEM_ERROR_REASON_METADATA_INVALID),
    (pool_pb2.Item(id="x", text="t", pair=pool_pb2.TextPair(a="a", b="b")), pb.ITEM_ERROR_REASON_PAIR_INVALID),
    (pool_pb2.Item(id="x", text="t", reference=label("cold")), pb.ITEM_ERROR_REASON_REFERENCE_INVALID),
    (pool_pb2.Item(id="x", text="t", split=pool_pb2.SPLIT_GOLD), pb.ITEM_ERROR_REASON_REFERENCE_INVALID),
    (
        pool_pb2.Item(id="x", text="t", split=pool_pb2.SPLIT_HOLDOUT, reference=label("tepid")),
        pb.ITEM_ERROR_REASON_REFERENCE_INVALID,
    ),
]


def test_a_wrong_item_costs_no_other_and_is_named_by_its_place(api: Api) -> None:
    project = api.project()
    given = [entry for n, (wrong, _) in enumerate(WRONG_ITEMS) for entry in (*items(1, first=n), wrong)]
    (_, response) = add(api, header(project, request_id()), batch(1, given))
    assert response.accepted == len(WRONG_ITEMS)
    assert [(e.index, e.reason) for e in response.errors] == [
        (2 * n + 1, reason) for n, (_, reason) in enumerate(WRONG_ITEMS)
    ]
    assert all(f"items[{e.index}]" in e.message for e in response.errors)


def test_an_item_keeps_its_own_embedding_when_those_before_it_are_unreadable(api: Api) -> None:
    project = api.project()
    pair = pool_pb2.Item(id="x", text="t", pair=pool_pb2.TextPair(a="a", b="b"))
    add(api, header(project, request_id()), batch(1, [pair, *items(2)], matrix(3, first=1)))
    api.submit(project, "ann", [0, 1])
    api.learner.Train(learner_service_pb2.TrainRequest(project=project))
    kept = learner_service_pb2.PredictionInput(items=learner_service_pb2.ItemIdList(item_ids=["item-0", "item-1"]))
    sent = learner_service_pb2.PredictionInput(embeddings=matrix(2, first=2))
    by_item, by_embedding = [
        api.learner.Predict(learner_service_pb2.PredictRequest(project=project, input=given)).predictions
        for given in (kept, sent)
    ]
    assert list(by_item) == list(by_embedding)


def short(data_type: pool_pb2.DataType.ValueType, data: bytes, dimension: int = DIMENSION) -> pool_pb2.EmbeddingMatrix:
    return pool_pb2.EmbeddingMatrix(dimension=dimension, data_type=data_type, data=data)


F16 = pool_pb2.DATA_TYPE_FLOAT16
CELLS = [1.0, -2.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (batch(2, items(1)), "batch.sequence"),
        (batch(-1, items(1)), "batch.sequence"),
        (batch(1, items(2), matrix(1)), "batch.embeddings"),
        (batch(1, items(1), short(F16, b"1234567")), "batch.embeddings.data"),
        (batch(1, items(1), short(F16, bytes(6), dimension=3)), "batch.embeddings"),
        (batch(1, items(1), short(F16, b"", dimension=0)), "batch.embeddings.dimension"),
        (batch(1, items(1), short(pool_pb2.DATA_TYPE_UNSPECIFIED, bytes(8))), "batch.embeddings.data_type"),
        (batch(1, items(1_001), matrix(1_001)), "batch.items"),
        (pb.AddItemsRequest(batch=pb.ItemBatch(sequence=1, items=items(1))), "batch.embeddings"),
        (columns(["a", "b"], ["one"], matrix(2)), "batch.columns.texts"),
        (columns(["a"], ["one"], matrix(1), items(1)), "batch.columns"),
        (columns([str(i) for i in range(1_001)], ["one"] * 1_001, matrix(1_001)), "batch.columns.ids"),
        (pb.AddItemsRequest(), "message"),
        (header("other", "x"), "message"),
    ],
)
def test_a_wrong_batch_ends_the_stream_and_names_the_field(api: Api, wrong: pb.AddItemsRequest, field: str) -> None:
    project = api.project()
    code, fields = refusal(lambda: add(api, header(project, request_id()), wrong))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    counts = api.pool.GetPoolStatus(pb.GetPoolStatusRequest(project=project)).status.counts
    assert counts.pool == 0


def test_what_came_before_a_wrong_batch_is_stored_and_acknowledged(api: Api) -> None:
    project = api.project()
    upload = request_id()
    responses = api.pool.AddItems(iter([header(project, upload), batch(1, items(3)), batch(7, items(3, first=3))]))
    assert [next(responses).sequence for _ in range(2)] == [0, 1]
    assert refusal(lambda: next(responses))[1] == ["batch.sequence"]
    assert api.pool.GetUpload(pb.GetUploadRequest(project=project, upload_id=upload)).upload.last_sequence == 1


@pytest.mark.parametrize(
    ("data_type", "cells"),
    [
        (pool_pb2.DATA_TYPE_FLOAT16, np.array([1.0, -2.0, 0.5, 0.0], "<f2").tobytes()),
        (pool_pb2.DATA_TYPE_FLOAT32, np.array([1.0, -2.0, 0.5, 0.0], "<f4").tobytes()),
        (
            pool_pb2.DATA_TYPE_BFLOAT16,
            (np.array([1.0, -2.0, 0.5, 0.0], "<f4").view("<u4") >> 16).astype("<u2").tobytes(),
        ),
    ],
)
def test_every_number_format_is_taken(api: Api, data_type: pool_pb2.DataType.ValueType, cells: bytes) -> None:
    project = api.project()
    (_, response) = add(api, header(project, request_id()), batch(1, items(1), short(data_type, cells)))
    assert (response.accepted, list(response.errors)) == (1, [])


def test_an_embedding_that_is_not_finite_is_an_error_of_its_item(api: Api) -> None:
    cells = np.ones((2, DIMENSION), "<f4")
    cells[1, 2] = np.nan
    embeddings = short(pool_pb2.DATA_TYPE_FLOAT32, cells.tobytes())
    (_, response) = add(api, header(api.project(), request_id()), batch(1, items(2), embeddings))
    assert [(e.index, e.reason) for e in response.errors] == [(1, pb.ITEM_ERROR_REASON_EMBEDDING_INVALID)]


def test_metadata_and_references_come_back_as_they_went_in(api: Api) -> None:
    project = api.project()
    metadata = struct_pb2.Struct()
    metadata.update({"source": "mail", "size": 3, "tags": ["a", None, {"deep": True}], "share": 0.25})
    plain = pool_pb2.Item(id="m", text="with <b>metadata</b> {{x}}", metadata=metadata, split=pool_pb2.SPLIT_POOL)
    gold = pool_pb2.Item(id="g", text="gold", split=pool_pb2.SPLIT_GOLD, reference=label("warm"))
    add(api, header(project, request_id()), batch(1, [plain, gold]))
    found = [api.pool.GetItem(pb.GetItemRequest(project=project, item_id=item_id)).item.item for item_id in ("m", "g")]
    assert found == [plain, gold]


def test_items_are_listed_page_by_page_and_filtered_by_split_and_state(api: Api) -> None:
    project = api.filled(10, holdout=4)
    api.submit(project, "ann", [2, 5])

    def listed(**wanted: int) -> list[str]:
        found: list[str] = []
        token = ""
        while True:
            request = pb.ListItemsRequest(project=project, page_size=3, page_token=token, **wanted)  # type: ignore[arg-type]
            page = api.pool.ListItems(request)
            found += [detail.item.id for detail in page.items]
            token = page.next_page_token
            if not token:
                return found

    assert listed() == [f"item-{n}" for n in range(14)]
    assert listed(split=pool_pb2.SPLIT_HOLDOUT) == [f"item-{n}" for n in range(10, 14)]
    assert listed(state=pool_pb2.ITEM_STATE_LABELED) == ["item-2", "item-5"]
    rest = [f"item-{n}" for n in range(10) if n not in (2, 5)]
    assert listed(state=pool_pb2.ITEM_STATE_UNLABELED, split=pool_pb2.SPLIT_POOL) == rest
    assert listed(state=pool_pb2.ITEM_STATE_UNLABELED) == rest, "those that only evaluate wait for nobody"


def test_an_item_shows_its_state_and_consensus(api: Api) -> None:
    project = api.filled(3)
    api.submit(project, "ann", [1])
    detail = api.pool.GetItem(pb.GetItemRequest(project=project, item_id="item-1")).item
    assert (detail.state, detail.embedded) == (pool_pb2.ITEM_STATE_LABELED, True)
    assert detail.consensus.answer == label(true_class(1))
    assert refusal(lambda: api.pool.GetItem(pb.GetItemRequest(project=project, item_id="none")))[0] is (
        grpc.StatusCode.NOT_FOUND
    )


def test_a_watcher_of_the_pool_sees_it_grow(api: Api) -> None:
    project = api.project()
    watched = api.pool.WatchPool(pb.WatchPoolRequest(project=project), timeout=60)
    assert next(watched).status.counts.pool == 0
    add(api, header(project, request_id()), batch(1, items(7)))
    assert next(status for status in watched if status.status.counts.pool).status.counts.pool == 7
    watched.cancel()


def test_a_project_with_given_embeddings_has_no_embedder(api: Api) -> None:
    requests = [pb.EmbedRequest(project=api.project(), texts=["a"])]
    code, _ = refusal(lambda: list(api.pool.Embed(iter(requests))))
    assert code is grpc.StatusCode.FAILED_PRECONDITION


def test_known_labels_are_stored_once_and_wrong_ones_counted(api: Api) -> None:
    project = api.filled(3)
    entries = [("item-0", "cold"), ("item-1", "tepid"), ("", "cold"), ("later", "warm")]
    batch_ = labeling_service_pb2.ReplayLabelBatch(
        labels=[labeling_service_pb2.ReplayLabel(item_id=i, answer=label(name)) for i, name in entries]
    )
    requests = [
        labeling_service_pb2.UploadReplayLabelsRequest(
            header=labeling_service_pb2.ReplayLabelsHeader(project=project, label_set="mine")
        ),
        labeling_service_pb2.UploadReplayLabelsRequest(batch=batch_),
        labeling_service_pb2.UploadReplayLabelsRequest(batch=batch_),
    ]
    response = api.labeling.UploadReplayLabels(iter(requests))
    assert (response.accepted, response.duplicates, response.rejected) == (2, 2, 4)
    assert [error.index for error in response.errors] == [1, 2, 5, 6]
