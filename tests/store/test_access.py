import asyncio
from dataclasses import replace

import pytest

from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.access import Role
from nextlabel.server.values.errors import Aborted
from tests.store import values as v


async def test_tokens_are_found_by_hash_and_revoked_once(store: StateStore) -> None:
    first, second = v.token("t1"), v.token("t2", Role.ADMIN)
    for each in (first, second):
        await store.write(lambda tx, t=each: tx.access.add_token(t))  # type: ignore[misc]
    assert await store.read(lambda tx: tx.access.token_by_hash("hash of t2")) == second
    assert await store.read(lambda tx: tx.access.token_by_hash("other")) is None
    assert list(await store.read(lambda tx: tx.access.tokens())) == [first, second]
    assert await store.write(lambda tx: tx.access.revoke_token("t1", v.at(1)))
    assert await store.write(lambda tx: tx.access.revoke_token("t1", v.at(2)))
    assert not await store.write(lambda tx: tx.access.revoke_token("none", v.at(1)))
    revoked = await store.read(lambda tx: tx.access.token_by_hash("hash of t1"))
    assert revoked == replace(first, revoked_at=v.at(1))


async def test_the_first_reply_to_a_request_is_kept(store: StateStore) -> None:
    await store.write(lambda tx: tx.access.put_reply(v.reply("q1", "me")))
    await store.write(lambda tx: tx.access.put_reply(v.reply("q1", "you")))
    with pytest.raises(Aborted):
        await store.write(lambda tx: tx.access.put_reply(replace(v.reply("q1", "me"), reply=b"second")))
    assert await store.read(lambda tx: tx.access.reply("q1", "me")) == v.reply("q1", "me")
    assert await store.read(lambda tx: tx.access.reply("q2", "me")) is None


async def test_of_concurrent_replies_to_one_request_one_is_stored(store: StateStore) -> None:
    replies = [replace(v.reply(), reply=bytes([n])) for n in range(10)]
    results = await asyncio.gather(
        *(store.write(lambda tx, r=r: tx.access.put_reply(r)) for r in replies),  # type: ignore[misc]
        return_exceptions=True,
    )
    assert [type(r) for r in results].count(Aborted) == 9
    kept = await store.read(lambda tx: tx.access.reply("q1", "me"))
    assert kept == replies[results.index(None)]


async def test_old_replies_are_forgotten(store: StateStore) -> None:
    for n in range(4):
        await store.write(lambda tx, n=n: tx.access.put_reply(v.reply(f"q{n}", created=n)))  # type: ignore[misc]
    assert await store.write(lambda tx: tx.access.forget_replies(v.at(2))) == 2
    assert await store.read(lambda tx: tx.access.reply("q1", "me")) is None
    assert await store.read(lambda tx: tx.access.reply("q2", "me")) is not None
