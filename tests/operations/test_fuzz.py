"""A short run of benchmarks/robustness/fuzz.py."""

from pathlib import Path

from tests.hostile.fuzz import fuzz


async def test_hostile_messages_meet_no_internal_error_and_no_hang(tmp_path: Path):
    report = await fuzz(messages=800, seed=1, folder=tmp_path)
    assert report.defects == {}
    assert report.alive
    assert report.codes["OK"] > 0
