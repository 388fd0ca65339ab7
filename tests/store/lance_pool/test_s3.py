"""A pool in a bucket: which stores are taken, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nextlabel.client.cli import main
from nextlabel.server.settings.settings import SettingsError, load_settings
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.errors import DataLoss, FailedPrecondition, Unavailable
from tests.store.lance_pool.s3_servers import BUCKET, s3_client, s3_server, without_conditions
from tests.store.lance_pool.test_pool_store import P, add, all_rows, expected, scanned


def keys(endpoint: str, prefix: str) -> list[str]:
    found = s3_client(endpoint).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [each["Key"] for each in found.get("Contents", [])]


def test_a_store_that_keeps_conditions_is_taken_and_nothing_stays_of_the_probe(s3_url: str, s3_endpoint: str) -> None:
    LancePoolStore(s3_url).check_commits()
    assert keys(s3_endpoint, s3_url.removeprefix(f"s3://{BUCKET}/")) == []


def test_a_flipped_bit_in_a_bucket_is_found_and_not_compacted_away(s3_url: str, s3_endpoint: str) -> None:
    pool = LancePoolStore(s3_url)
    add(pool, 0, 10)
    add(pool, 10, 10)
    assert list(pool.damaged_files(P)) == []
    client, prefix = s3_client(s3_endpoint), s3_url.removeprefix(f"s3://{BUCKET}/")
    [key, *_] = keys(s3_endpoint, f"{prefix}/{P}/embeddings.lance/data/")
    content = bytearray(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    content[100] ^= 1
    client.put_object(Bucket=BUCKET, Key=key, Body=bytes(content))
    again = LancePoolStore(s3_url)
    assert list(again.damaged_files(P)) == [key.removeprefix(f"{prefix}/{P}/")]
    with pytest.raises(DataLoss):
        again.compact(P)


def test_nothing_stays_in_the_bucket_of_a_project_that_is_dropped(s3_url: str, s3_endpoint: str) -> None:
    pool, prefix = LancePoolStore(s3_url), s3_url.removeprefix(f"s3://{BUCKET}/")
    for first in (0, 10, 20):
        add(pool, first, 10)
    pool.delete(P, [3])
    pool.compact(P)
    data = keys(s3_endpoint, f"{prefix}/{P}/items.lance/data/")
    assert [key.replace("/data/", "/_sums/") for key in data] == keys(s3_endpoint, f"{prefix}/{P}/items.lance/_sums/")
    assert len(data) == 1
    add(pool, 30, 10)
    pool.drop(P)
    assert keys(s3_endpoint, prefix) == []


def test_commits_whose_answers_are_lost_are_made_once(aws: Callable[[str], None]) -> None:
    losing: set[str] = set()

    def first_of_each(environ: Any) -> bool:
        """Lose the answer to the first try of every commit."""
        path = environ["PATH_INFO"]
        if "HTTP_IF_NONE_MATCH" not in environ or path in losing:
            return False
        losing.add(path)
        return True

    with s3_server(lost=first_of_each) as endpoint:
        aws(endpoint)
        pool = LancePoolStore(f"s3://{BUCKET}/lost")
        add(pool, 0, 10)
        add(pool, 10, 10)
        pool.delete(P, [3])
        kept = [row for row in range(20) if row != 3]
        for each in (pool, LancePoolStore(f"s3://{BUCKET}/lost")):
            assert all_rows(each) == kept
            assert scanned(each) == expected(kept)
    assert len(losing) == 6


def test_a_server_refuses_to_start_on_a_store_that_ignores_conditions(
    aws: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with s3_server(without_conditions) as endpoint:
        aws(endpoint)
        url = f"s3://{BUCKET}/ignored"
        with pytest.raises(FailedPrecondition) as error:
            LancePoolStore(url).check_commits()
        assert error.value.reason == "POOL_WITHOUT_CONDITIONS"
        with pytest.raises(SystemExit) as stopped:
            main(["serve", "--data-dir", str(tmp_path), "--bind", "127.0.0.1:0", "--pool-url", url])
        assert stopped.value.code == 1
        said = capsys.readouterr().err
        assert "ignores conditional writes" in said
        assert "keep the pool in a folder" in said
        assert keys(endpoint, "ignored") == []


def test_what_is_wrong_at_the_start_is_said_without_secrets(
    s3_url: str, aws: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def problem(url: str) -> str:
        with pytest.raises(Unavailable) as error:
            LancePoolStore(url).check_commits()
        assert error.value.reason == "POOL_UNREACHABLE"
        assert "the-" not in error.value.message
        return error.value.message

    assert "bucket nowhere" in (said := problem("s3://nowhere/pools"))
    assert "create it" in said
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    assert "AWS_ACCESS_KEY_ID" in problem(s3_url)
    aws("http://127.0.0.1:1")
    assert "127.0.0.1:1, cannot be reached" in problem(s3_url)
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    assert "AWS_PROFILE" in problem(s3_url)


@pytest.mark.parametrize("url", ["s3://key:hidden@bucket/p", "s3://bucket/p?secret=hidden", "s3://bucket#hidden"])
def test_credentials_in_the_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match=r"store\.pool_url: .*s3://BUCKET/PREFIX") as error:
        load_settings({"store": {"pool_url": url}})
    assert "hidden" not in str(error.value)
