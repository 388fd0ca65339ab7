"""Rules that users write to name labels, such as ``len(text) < 20 and label == "spam"``.

A rule is read by Python's parser and never run as code: what is not listed here is refused. Its length bounds its time:
each part of it is looked at once for each label, and texts are only compared or searched for a text.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

Value = str | float | bool | None
"""What a name stands for; None where it is not known."""
Facts = Mapping[str, Value]
"""What is known of a label and its item by name, fields of its metadata as ``metadata.FIELD``."""
_Read = Callable[[Facts], Value]
_Holds = Callable[[Facts], bool]

RULE_BYTES: Final = 1_000
_DEEPEST = 50
_SHOWN, _REASON_SHOWN = 60, 500
METADATA: Final = "metadata."
JUDGED_WRONG, JUDGE_REASON = "judged_wrong", "judge_reason"
TEXT, NUMBER, TRUTH = "a text", "a number", "true or false"
NAMES: Final = {
    "text": TEXT,
    "label": TEXT,
    "other_label": TEXT,
    "confidence": NUMBER,
    "vote_share": NUMBER,
    "wrong_probability": NUMBER,
    "annotations": NUMBER,
    "trusted": TRUTH,
    "llm_share": NUMBER,
    JUDGED_WRONG: TRUTH,
    JUDGE_REASON: TEXT,
    "duplicate_of": TEXT,
    "duplicate_label": TEXT,
    "score": NUMBER,
    "other_score": NUMBER,
    "duplicate_score": NUMBER,
}
OWN_FUNCTIONS: Final = ("len", "lower")
ARGUMENTS: Final = ("text", "id")
_MOST_SHOWN: Final = 20
_CAPPED: Final = ("llm_share",)
_LABELS: Final = ("label", "other_label", "duplicate_label")
_NAMED: Final = frozenset({*NAMES, "none", "true", "false"})
_ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class RuleError(ValueError):
    """A rule cannot be read; the message says where and what may stand there."""


@dataclass(frozen=True, slots=True)
class Called:
    """A function that a rule calls with the item's ``text`` or ``id``, and the name of the fact that it says."""

    function: str
    argument: str

    @property
    def fact(self) -> str:
        """As it stands in the rule.

        >>> Called("known", "id").fact
        'known(id)'
        """
        return f"{self.function}({self.argument})"


@dataclass(frozen=True, slots=True)
class LabelRule:
    """A rule that was understood.

    ``names`` are those that it asks about, and ``labels`` the texts that it wants a label to be or not to be, both in
    their order. ``functions`` are those that it calls.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    holds: _Holds
    functions: tuple[Called, ...] = ()

    def why(self, facts: Facts) -> str:
        """Return what the rule went by, such as ``label "spam", confidence 0.41``; of a judge also its reason."""
        told = [name for name in self.names if name != JUDGE_REASON]
        said = [f"{name} {_shown(facts.get(name))}" for name in told]
        if JUDGED_WRONG in self.names or JUDGE_REASON in self.names:
            said.append(f"{JUDGE_REASON} {_shown(facts.get(JUDGE_REASON), _REASON_SHOWN)}")
        return ", ".join(said)


def parse(rule: str, functions: Mapping[str, str] = MappingProxyType({})) -> LabelRule:
    """Return a rule that was written by a user, whom nobody has to trust.

    It may call ``functions``: by name which of `ARGUMENTS` each knows, empty where it knows both.

    Raises:
        RuleError: it is empty, too long, or no rule.
    """
    rule = rule.strip()
    if not rule:
        raise RuleError('must not be empty; an example: len(text) < 20 and label == "spam"')
    if (size := len(rule.encode())) > RULE_BYTES:
        raise RuleError(f"at most {RULE_BYTES} bytes of UTF-8, got {size}")
    if len(rule.splitlines()) > 1:
        raise RuleError("must be one line")
    try:
        tree = ast.parse(rule, mode="eval")
    except SyntaxError as error:
        where = f"at character {error.offset}: {error.msg}" if error.offset else "at its end: something is missing"
        raise RuleError(f"cannot be read {where}") from None
    except (ValueError, RecursionError, MemoryError):
        raise RuleError("cannot be read: it holds a character or a nesting that no rule may have") from None
    reader = _Reader(rule, functions)
    holds = reader.truth(tree.body, 0)
    return LabelRule(tuple(reader.names), tuple(reader.labels), holds, tuple(reader.called))


class _Reader:
    """Turns the parts of a rule into functions of facts, and keeps the names that it meets."""

    def __init__(self, rule: str, functions: Mapping[str, str]) -> None:
        self._rule = rule.encode()
        self._functions = functions
        self.called: dict[Called, None] = {}
        self.names: dict[str, None] = {}
        self.labels: dict[str, None] = {}

    def truth(self, node: ast.expr, depth: int) -> _Holds:
        if depth > _DEEPEST:
            raise self._error(node, f"nests deeper than {_DEEPEST} levels")
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(part, depth + 1) for part in node.values]
            if isinstance(node.op, ast.And):
                return lambda facts: all(part(facts) for part in parts)
            return lambda facts: any(part(facts) for part in parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(node.operand, depth + 1)
            return lambda facts: not inner(facts)
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        read, kind = self._value(node)
        if kind not in (TRUTH, ""):
            raise self._error(node, f'is {kind} and has to be compared with something, as in label == "spam"')
        return lambda facts: read(facts) is True

    def _comparison(self, node: ast.Compare) -> _Holds:
        operands = [node.left, *node.comparators]
        values = [self._value(operand) for operand in operands]
        steps = []
        for place, comparison in enumerate(node.ops):
            (left, left_kind), (right, right_kind) = values[place : place + 2]
            kinds = {left_kind, right_kind} - {""}
            if len(kinds) > 1:
                raise self._error(operands[place], f"is {left_kind}, which cannot be compared with {right_kind}")
            if isinstance(comparison, ast.In | ast.NotIn) and kinds - {TEXT}:
                raise self._error(
                    operands[place], 'may not stand beside in: a text is looked for in a text, as in "http" in text'
                )
            names = {one.id for one in operands[place : place + 2] if isinstance(one, ast.Name)}
            if isinstance(comparison, ast.NotEq) and JUDGED_WRONG in names:
                raise self._error(
                    node, f"would name what nobody has judged too; write {JUDGED_WRONG}, or {JUDGED_WRONG} == false"
                )
            if isinstance(comparison, ast.Eq | ast.NotEq):
                self._note_label(operands[place], operands[place + 1])
            self._check_share(operands[place], operands[place + 1])
            steps.append(self._step(operands[place], comparison, left, right))
        return lambda facts: all(step(facts) for step in steps)

    def _note_label(self, left: ast.expr, right: ast.expr) -> None:
        for name, text in ((left, right), (right, left)):
            if isinstance(name, ast.Name) and name.id in _LABELS and isinstance(text, ast.Constant):
                self.labels[str(text.value)] = None

    def _check_share(self, left: ast.expr, right: ast.expr) -> None:
        """Refuse a cap that names nothing or everything: 80 where .8 is meant."""
        for name, bound in ((left, right), (right, left)):
            if isinstance(name, ast.Name) and name.id in _CAPPED and isinstance(bound, ast.Constant):
                value = bound.value
                if isinstance(value, int | float) and not 0 <= value <= 1:
                    raise self._error(bound, f"is compared with {name.id}, a share from 0 to 1")

    def _step(self, node: ast.expr, comparison: ast.cmpop, left: _Read, right: _Read) -> _Holds:
        if isinstance(comparison, ast.Eq):
            return lambda facts: _same(left(facts), right(facts))
        if isinstance(comparison, ast.NotEq):
            return lambda facts: not _same(left(facts), right(facts))
        if isinstance(comparison, ast.In):
            return lambda facts: _within(left(facts), right(facts)) is True
        if isinstance(comparison, ast.NotIn):
            return lambda facts: _within(left(facts), right(facts)) is False
        order = _ORDERS.get(type(comparison))
        if order is None:
            raise self._error(node, "is compared by something else than ==, !=, <, <=, >, >=, in, not in")
        return lambda facts: _ordered(order, left(facts), right(facts))

    def _value(self, node: ast.expr) -> tuple[_Read, str]:
        """Return how to read an operand, and its kind: '' where only the facts tell."""
        if isinstance(node, ast.Constant):
            return self._constant(node, node.value)
        if (name := _field(node)) is not None:
            return self._fact(METADATA + name), ""
        if isinstance(node, ast.Name) and node.id in _NAMED:
            return self._named(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
            return self._call(node, node.func.id, node.args[0])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            number = node.operand.value
            if isinstance(number, int | float) and not isinstance(number, bool):
                return self._constant(node, -number)
        raise self._error(
            node,
            f"may not stand in a rule; there are the names {', '.join(NAMES)}, metadata.FIELD and none, "
            "texts in quotes, numbers, len(…), lower(…), comparisons, in, and, or, not",
        )

    def _named(self, name: str) -> tuple[_Read, str]:
        if name == "none":
            return lambda facts: None, ""
        if name in ("true", "false"):
            return lambda facts: name == "true", TRUTH
        return self._fact(name), NAMES[name]

    def _constant(self, node: ast.expr, value: object) -> tuple[_Read, str]:
        if isinstance(value, bool):
            return lambda facts: value, TRUTH
        if isinstance(value, str):
            return lambda facts: value, TEXT
        if isinstance(value, int | float):
            return lambda facts: value, NUMBER
        raise self._error(node, "is neither a text in quotes nor a number")

    def _call(self, node: ast.Call, name: str, argument: ast.expr) -> tuple[_Read, str]:
        if name in self._functions:
            return self._function(node, name, argument)
        if name not in OWN_FUNCTIONS:
            known = ", ".join(f"{one}(…)" for one in (*OWN_FUNCTIONS, *sorted(self._functions)[:_MOST_SHOWN]))
            raise self._error(node, f"is no function of rules; there are {known}")
        if isinstance(argument, ast.Call):
            raise self._error(argument, f"may not stand in {name}(…), which takes a name")
        read, kind = self._value(argument)
        if kind not in (TEXT, ""):
            raise self._error(argument, f"is {kind}, and {name}(…) takes a text")
        if name == "len":
            return lambda facts: len(text) if isinstance(text := read(facts), str) else None, NUMBER
        return lambda facts: text.lower() if isinstance(text := read(facts), str) else None, TEXT

    def _function(self, node: ast.Call, name: str, argument: ast.expr) -> tuple[_Read, str]:
        """Return how to read what a function says of an item, which is of whatever kind it likes."""
        if not isinstance(argument, ast.Name) or argument.id not in ARGUMENTS:
            raise self._error(node, f"takes the text or the id and nothing else: {name}(text) or {name}(id)")
        if (known := self._functions[name]) and argument.id != known:
            raise self._error(node, f"asks for what {name} does not know by the {argument.id}: write {name}({known})")
        called = Called(name, argument.id)
        self.called[called] = None
        return self._fact(called.fact), ""

    def _fact(self, name: str) -> _Read:
        self.names[name] = None
        return lambda facts: facts.get(name)

    def _error(self, node: ast.expr, problem: str) -> RuleError:
        start, end = node.col_offset, node.end_col_offset or node.col_offset
        place = len(self._rule[:start].decode()) + 1
        return RuleError(f"at character {place}: {_shown(self._rule[start:end].decode())} {problem}")


def _field(node: ast.expr) -> str | None:
    """Return which field ``metadata.FIELD`` or ``metadata["FIELD"]`` names, None for other expressions."""
    if not isinstance(node, ast.Attribute | ast.Subscript) or not isinstance(node.value, ast.Name):
        return None
    if node.value.id != "metadata":
        return None
    if isinstance(node, ast.Attribute):
        return node.attr
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return key if isinstance(key, str) else None


def _same(left: Value, right: Value) -> bool:
    """Compare two values; to Python alone 1 would be true."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _within(part: Value, whole: Value) -> bool | None:
    return part in whole if isinstance(part, str) and isinstance(whole, str) else None


def _ordered(order: Callable[[Any, Any], bool], left: Value, right: Value) -> bool:
    """Compare two texts or two numbers; what is not known, or of another kind, is neither more nor less."""
    if isinstance(left, str) and isinstance(right, str):
        return order(left, right)
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return numbers and order(left, right)


def _shown(value: Value, most: int = _SHOWN) -> str:
    if isinstance(value, str):
        return f'"{value if len(value) <= most else value[:most] + "…"}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else f"{value:.4g}"
