"""A short run of benchmarks/speed/followers.py."""

from pathlib import Path

from tests.crash.workloads.followers import Load, follow_writers


async def test_followers_of_several_servers_see_exactly_what_was_acknowledged(tmp_path: Path):
    load = Load(annotations=1_280, writers=16)
    outcome = await follow_writers(load, tmp_path)
    assert outcome.breaches == []
    assert len(outcome.acknowledged) == 1_280
    assert [len(follower.seen) for follower in outcome.followers] == [1_280] * 3
