"""The script beside an exported model that predicts with it, and needs nothing of nextlabel."""

from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1.learner_service_pb2 import ExportedModel

_TOKENS = (
    "onnxruntime tokenizers",
    "texts",
    """import onnxruntime
from tokenizers import Tokenizer
""",
    """ENCODER = onnxruntime.InferenceSession(HERE / "encoder.onnx")
TOKENIZER = Tokenizer.from_file(str(HERE / "tokenizer.json"))


def embed(texts):
    parts = []
    for first in range(0, len(texts), 32):
        tokens = TOKENIZER.encode_batch([MODEL["text_prefix"] + text for text in texts[first : first + 32]])
        columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        given = {i.name: np.array([getattr(t, columns[i.name]) for t in tokens]) for i in ENCODER.get_inputs()}
        parts.append(ENCODER.run(None, given)[0])
    return np.concatenate(parts)
""",
)
_BY_NAME = (
    "onnxruntime sentence-transformers",
    "texts",
    """import onnxruntime
from sentence_transformers import SentenceTransformer
""",
    """ENCODER = SentenceTransformer(MODEL["embedding_model"], revision=MODEL["embedding_revision"] or None)


def embed(texts):
    embeddings = ENCODER.encode(texts, normalize_embeddings=True)
    return embeddings.astype(np.float16).astype(np.float32)
""",
)
_GIVEN = (
    "onnxruntime",
    "embeddings",
    """import onnxruntime
""",
    """

def embed(embeddings):
    return np.asarray(embeddings, np.float32)
""",
)

_SCRIPT = '''"""Predicts without nextlabel: python predict.py {usage}

pip install numpy {packages}
"""

import json
import sys
from pathlib import Path

import numpy as np
{imports}
HERE = Path(__file__).resolve().parent
MODEL = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
HEAD = onnxruntime.InferenceSession(HERE / "head.onnx")
{embed}

{functions}


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    inputs = {read}
{show}
'''

_CLASSES = '''def predict_proba({given}):
    """Probabilities, (n, classes), in the order of MODEL["classes"]."""
    return HEAD.run(None, {{"embeddings": embed({given})}})[0]


def predict({given}):
    """Labels, one for each{several}."""
    probabilities = predict_proba({given})
{choose}'''
_ONE = """    return [MODEL["classes"][best] for best in probabilities.argmax(axis=1)]"""
_CHEAPEST = """    # The answers of least expected cost; a wrong one that MODEL["costs"] does not name costs 1.
    names = MODEL["classes"]
    costs = 1 - np.eye(len(names), dtype=np.float32)
    for true, row in MODEL["costs"].items():
        for answer, cost in row.items():
            costs[names.index(true), names.index(answer)] = cost
    return [names[best] for best in (probabilities @ costs).argmin(axis=1)]"""
_SEVERAL = """    given = probabilities > np.array(MODEL["thresholds"], np.float32)
    for place, parent in enumerate(MODEL["parents"]):
        while parent >= 0:
            given[:, parent] |= given[:, place]
            parent = MODEL["parents"][parent]
    return [[name for name, yes in zip(MODEL["classes"], row) if yes] for row in given]"""
_SHOW_CLASSES = """    for label, row in zip(predict(inputs), predict_proba(inputs)):
        print(json.dumps({"label": label, "probabilities": dict(zip(MODEL["classes"], row.tolist()))}))"""

_SCORES = '''def predict({given}):
    """Scores, (n, 3): the score of each, and the ends of its interval."""
    return HEAD.run(None, {{"embeddings": embed({given})}})[0]'''
_SHOW_SCORES = """    for score, *interval in predict(inputs).tolist():
        print(json.dumps({"score": score, "interval": interval}))"""


def packages(model: ExportedModel, *, encoder: bool) -> str:
    """What to install to use an exported model, as pip takes it."""
    return f"numpy {_way(model, encoder=encoder)[0]}"


def predict_script(model: ExportedModel, annotation_type: int, *, encoder: bool, costs: bool) -> str:
    """The script. `encoder` says that the encoder's files lie beside it, `costs` that wrong answers have a cost."""
    packages_, given, imports, embed = _way(model, encoder=encoder)
    scores = annotation_type == annotation.ANNOTATION_TYPE_SCORE
    several = annotation_type == annotation.ANNOTATION_TYPE_MULTI_LABEL
    functions = (_SCORES if scores else _CLASSES).format(
        given=given,
        several=": a list of those that apply" if several else "",
        choose=_SEVERAL if several else _CHEAPEST if costs else _ONE,
    )
    return _SCRIPT.format(
        usage='"a text" "another"' if given == "texts" else "embeddings.npy",
        packages=packages_,
        imports=imports,
        embed=embed,
        functions=functions,
        read="sys.argv[1:]" if given == "texts" else "np.load(sys.argv[1], allow_pickle=False)",
        show=_SHOW_SCORES if scores else _SHOW_CLASSES,
    )


def _way(model: ExportedModel, *, encoder: bool) -> tuple[str, str, str, str]:
    if not model.embedding_model:
        return _GIVEN
    return _TOKENS if encoder else _BY_NAME
