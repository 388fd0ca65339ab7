"""Messages as plain values."""

from nextlabel.client.messages.plain import plain
from nextlabel.v1.annotation_pb2 import Answer, MultiLabel
from nextlabel.v1.learner_service_pb2 import Evaluation, Prediction


def test_what_a_message_names_freely_keeps_its_names() -> None:
    assert plain(Evaluation(items=3, measures={"micro_f1": 0.5}))["measures"] == {"micro_f1": 0.5}


def test_a_predicted_answer_is_what_a_file_of_labels_would_hold() -> None:
    prediction = Prediction(label="joy", answer=Answer(multi_label=MultiLabel(labels=["fear", "joy"])))
    assert plain(prediction)["answer"] == ["fear", "joy"]
