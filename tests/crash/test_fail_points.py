"""A walk over every kind of commit: the server dies right before and right after each; nothing is lost or doubled."""

from pathlib import Path

from tests.crash.walk import walk

CALLS = (
    "CreateProject",
    "UploadReplayLabels",
    "SetBudget",
    "SelectBatch",
    "LeaseItems",
    "ExtendLease",
    "SubmitAnnotations",
    "ReleaseLease",
    "Train",
    "StartRun",
    "DeleteItems",
    "DeleteProject",
    "CreateToken",
    "RevokeToken",
)
WORK = (
    "pool append_items",
    "pool append_embeddings",
    "pool delete",
    "pool drop",
    "Ingest._store_group",
    "Selector.select",
    "RunLog.begin_round",
    "BatchAnnotation.annotate",
    "BatchAnnotation.ask.flush",
    "Learning.train",
    "RunEngine._drive_exclusively",
    "RunLog.end",
    "Maintenance.tidy",
)


async def test_a_kill_before_or_after_any_commit_loses_and_doubles_nothing(tmp_path: Path):
    walked = await walk("sqlite", tmp_path)
    assert walked.breaches == []
    for moment in ("before", "after"):
        for name in (*(f"{call} " for call in CALLS), *WORK):
            assert any(p.startswith(moment) and name in p for p in walked.points), (moment, name, walked.points)
