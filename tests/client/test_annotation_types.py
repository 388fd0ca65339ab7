"""Asking for what is not annotated says what to take instead."""

from __future__ import annotations

import pytest

from nextlabel.client.messages.annotation_types import annotation_type_value
from nextlabel.v1.annotation_pb2 import ANNOTATION_TYPE_MULTI_LABEL


@pytest.mark.parametrize("name", ["spans", "NER", "named-entities", "structured_extraction", "fields"])
def test_spans_and_fields_are_refused_with_what_to_take_instead(name: str) -> None:
    with pytest.raises(ValueError, match=r"not one of single_label.*take multi_label.*or text with guidelines"):
        annotation_type_value(name)


def test_other_names_are_refused_by_those_that_there_are() -> None:
    assert annotation_type_value("multi-label") == ANNOTATION_TYPE_MULTI_LABEL
    with pytest.raises(ValueError, match=r"pairwise_preference, text$"):
        annotation_type_value("labels")
