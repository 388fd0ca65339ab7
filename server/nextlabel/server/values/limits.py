"""Upper bounds on what one call or one item may carry; operators change them in the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes of UTF-8, counts in items.

    ``asks_per_run`` is how often a run asks about an item whose answer does not come; ``useless_answers`` how many
    answers without use an item may have before no run asks about it any more.
    """

    item_text_bytes: int = 32_768
    item_id_bytes: int = 256
    item_metadata_bytes: int = 16_384
    metadata_depth: int = 8
    batch_items: int = 1_000
    classes: int = 1_000
    class_name_bytes: int = 200
    class_description_bytes: int = 4_096
    class_examples: int = 20
    class_example_bytes: int = 4_096
    label_space_bytes: int = 2_097_152
    guidelines_bytes: int = 262_144
    embedding_dimension: int = 8_192
    overlap: int = 16
    asks_per_run: int = 2
    useless_answers: int = 5
    query_batch: int = 10_000
    lease_items: int = 1_000
    predict_items: int = 4_096
    name_bytes: int = 256
    rationale_bytes: int = 16_384
    feedback_bytes: int = 16_384
    template_bytes: int = 65_536
    parameters_bytes: int = 65_536
    address_bytes: int = 2_048
    listed_names: int = 4_096
