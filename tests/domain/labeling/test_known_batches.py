"""A batch is read once."""

from unittest.mock import Mock

from nextlabel.server.domain.labeling.known_batches import KnownBatches
from tests.store import values as v


def test_a_batch_is_read_until_it_is_there_and_then_no_more() -> None:
    batches, tx = KnownBatches(), Mock()
    tx.labeling.batch.side_effect = [None, v.batch()]
    assert [batches.get(tx, "b1") for _ in range(3)] == [None, v.batch(), v.batch()]
