"""What stands in for the model: functions from a request to the JSON it answers with."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

_FENCED = re.compile(r'<data-(?P<code>[0-9a-f]{16}) id="(?P<id>q\d+)">\n(?P<text>.*?)\n</data-(?P=code)>', re.DOTALL)
_FIRST_TAG = re.compile(r"<data-([0-9a-f]{16})")
_QUOTED = re.compile(r'^Text (q\d+): ("(?:[^"\\\n]|\\.)*")$', re.MULTILINE)
_EXPLANATION = re.compile(r"\AText between <data-.*?\n\n", re.DOTALL)
_ORDER = re.compile(r"(?:label|answer|classify|output|mark|respond|tag|choose|rate)\W.{0,80}?\b({labels})\b")


@dataclass(frozen=True)
class Asked:
    """A request as a model would understand it."""

    params: Mapping[str, Any]

    @property
    def user(self) -> str:
        return str(self.params["messages"][0]["content"])

    @property
    def system(self) -> str:
        system = self.params.get("system", "")
        return system if isinstance(system, str) else "".join(block["text"] for block in system)

    @property
    def schema(self) -> Mapping[str, Any]:
        schema: Mapping[str, Any] = self.params.get("output_config", {}).get("format", {}).get("schema", {})
        return schema

    @property
    def items(self) -> list[tuple[str, str]]:
        """(short id, text) of each item, in the order of the prompt."""
        if quoted := _QUOTED.findall(self.user):
            return [(name, json.loads(text)) for name, text in quoted]
        first = _FIRST_TAG.search(self.user)
        code = first.group(1) if first else None
        return [
            (match["id"], match["text"].replace("\ue000", " "))
            for match in _FENCED.finditer(self.user)
            if code in (None, match["code"])
        ]

    @property
    def answer_schema(self) -> Mapping[str, Any]:
        """The schema of the answer about one item."""
        properties = self.schema.get("properties", {})
        answer: Mapping[str, Any] = properties["answers"]["items"] if "answers" in properties else self.schema
        return answer

    @property
    def labels(self) -> Sequence[str]:
        properties = self.answer_schema.get("properties", {})
        if "label" in properties:
            return tuple(properties["label"]["enum"])
        for name in ("labels", "candidates"):
            if name in properties:
                items = properties[name]["items"]
                return tuple(items.get("enum") or items["properties"]["label"]["enum"])
        return ()

    @property
    def choices(self) -> Sequence[str]:
        """The ids that a chooser may choose from; empty for other requests."""
        chosen = self.schema.get("properties", {}).get("chosen")
        return tuple(chosen["items"]["properties"]["id"]["enum"]) if chosen else ()


class Brain(Protocol):
    """Answers a request."""

    def __call__(self, asked: Asked) -> Any: ...


def compose(asked: Asked, label_of: Callable[[str], str], confidence: float = 0.9) -> Any:
    """An answer that fits the schema, with `label_of(text)` as the label of each item."""
    properties = asked.answer_schema.get("properties", {})

    def one(name: str, text: str) -> dict[str, Any]:
        label = label_of(text)
        others = [other for other in asked.labels if other != label]
        values: dict[str, Any] = {
            "id": name,
            "label": label,
            "labels": [label],
            "candidates": [{"label": label, "p": 0.7}, *({"label": other, "p": 0.2} for other in others[:1])],
            "score": 0.5,
            "better": "first",
            "text": f"About: {text[:40]}",
            "confidence": confidence,
            "justification": f"It says {text[:20]!r}.",
            "chosen": [{"id": name, "reason": "unclear"} for name in asked.choices],
        }
        return {key: values[key] for key in properties}

    items = asked.items or [("q1", asked.user)]
    if "answers" in asked.schema.get("properties", {}):
        return {"answers": [one(name, text) for name, text in items]}
    return one(*items[0])


@dataclass(frozen=True)
class Known:
    """Answers from a table of texts; a text that is not in it gets a label by its hash.

    A text of the table with further lines after it, such as an order, stays what it is.
    """

    labels: Mapping[str, str]
    confidence: float = 0.9

    def __call__(self, asked: Asked) -> Any:
        return compose(asked, lambda text: self._known(text) or by_hash(text, asked.labels), self.confidence)

    def _known(self, text: str) -> str | None:
        return self.labels.get(text) or self.labels.get(text.partition("\n")[0])


@dataclass(frozen=True)
class Scripted:
    """Answers whatever a function says."""

    function: Callable[[Asked], Any]

    def __call__(self, asked: Asked) -> Any:
        return self.function(asked)


@dataclass(frozen=True)
class Gullible:
    """Labels honestly, but obeys every instruction that is not marked as data.

    What it takes for marked: text between tags with the code of the message's first tag. In packed
    requests an order outside of marks turns every item. The honest answer comes from `honest`, what obeys an order
    from `obedient`. `words` are what may be ordered; without any it is the labels.
    """

    honest: Brain
    words: Sequence[str] = ()
    obedient: Callable[[str], Brain] | None = None

    def __call__(self, asked: Asked) -> Any:
        order = self.order(asked)
        if order is None:
            return self.honest(asked)
        return self.obedient(order)(asked) if self.obedient else compose(asked, lambda _: order, confidence=1.0)

    def order(self, asked: Asked) -> str | None:
        """The word that some unmarked text asks for."""
        allowed = self.words or asked.labels
        words = "|".join(re.escape(word.lower()) for word in allowed)
        if not words:
            return None
        found = re.search(_ORDER.pattern.replace("{labels}", words), _normal(self.unmarked(asked)), re.DOTALL)
        return None if found is None else next(word for word in allowed if word.lower() == found.group(1))

    def unmarked(self, asked: Asked) -> str:
        """The user message without the data marked by the code of its first tag, our explanation and label lists."""
        if _QUOTED.search(asked.user):
            return re.sub(r'"(?:[^"\\\n]|\\.)*"', " ", asked.user)
        first = _FIRST_TAG.search(asked.user)
        if first is None:
            return asked.user
        code = first.group(1)
        user = _EXPLANATION.sub("", asked.user)
        rest = re.sub(rf"<data-{code}[^>]*>.*?</data-{code}>", " ", user, flags=re.DOTALL)
        return re.sub(r"Labels to choose from here:\n(?:- .*\n?)+", "", rest)


def by_hash(text: str, labels: Sequence[str]) -> str:
    """A label that depends on nothing but the text; empty for tasks without labels."""
    if not labels:
        return ""
    return labels[int.from_bytes(sha256(text.encode()).digest()[:4], "big") % len(labels)]


def _normal(text: str) -> str:
    invisible = {ord(char): None for char in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202b\u202c\u202d\u202e"}
    return re.sub(r"\s+", " ", text.translate(invisible)).lower()
