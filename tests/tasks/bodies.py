"""Two answers of every annotation type."""

from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import (
    Body,
    Label,
    MultiLabel,
    Preference,
    PreferredAlternative,
    Score,
    Text,
)

BODIES: dict[AnnotationType, list[Body]] = {
    AnnotationType.SINGLE_LABEL: [Label("cat"), Label("dog")],
    AnnotationType.MULTI_LABEL: [MultiLabel(("cat", "dog")), MultiLabel(())],
    AnnotationType.SCORE: [Score(0.0), Score(1.0)],
    AnnotationType.PREFERENCE: [Preference(PreferredAlternative.A), Preference(PreferredAlternative.TIE)],
    AnnotationType.TEXT: [Text("one"), Text("two")],
}
