"""What an annotator types: a command, a class by its key or name, or another answer."""

import csv
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from nextlabel.client.messages.names import class_name

if TYPE_CHECKING:
    from nextlabel.v1.project_service_pb2 import Project, ScoreRange

_WINNERS = {"a": "a", "b": "b", "tie": "tie", "t": "tie"}
_OFF_A_STEP = 1e-6


class Command(Enum):
    """What can be typed instead of an answer: the short form and the word."""

    SKIP = ("s", "skip")
    UNDO = ("u", "undo")
    QUIT = ("q", "quit")
    HELP = ("?", "help")


class UnusableInputError(ValueError):
    """An input that is no answer; its text says what one is."""


class Inputs:
    """What each input means in a project with these classes.

    A class is chosen by its name, or by the number before it. Where a name looks like a number or a command, the
    numbers or the commands get a mark before them, so that nothing that can be typed means two things. `expected` says
    what an answer is where the classes do not.

    >>> inputs = Inputs(["0", "1", "s"])
    >>> inputs.class_keys, inputs.command_key(Command.SKIP), inputs.read("1")
    (['#1', '#2', '#3'], '/skip', '1')
    """

    def __init__(
        self, names: Sequence[str], read_other: Callable[[str], Any] | None = None, *, expected: str = ""
    ) -> None:
        self.expected = expected
        self._names = {class_name(name): name for name in names}
        self._read_other = read_other
        numbers = [str(number) for number in range(1, len(names) + 1)]
        self.class_keys = _marked(numbers, "#", self._names) if any(map(str.isdigit, names)) else numbers
        self._by_key = dict(zip(self.class_keys, names, strict=True))
        words = [command.value[1] for command in Command]
        self._commands = dict(zip(_marked(words, "/", self._names), Command, strict=True))
        self._keys = {command: word for word, command in self._commands.items()}
        shorts = {command.value[0]: command for command in Command}
        if read_other is not str and not set(shorts) & set(self._names):
            self._commands |= shorts
            self._keys |= {command: short for short, command in shorts.items()}

    def command_key(self, command: Command) -> str:
        """What to type for a command."""
        return self._keys[command]

    def read(self, given: str) -> Any:
        """The command or the answer that an input means. Raises UnusableInputError."""
        if given in self._commands:
            return self._commands[given]
        return self._read_other(given) if self._read_other else self.read_class(given)

    def read_class(self, given: str) -> str:
        """The class that an input means, by its name or key. Raises UnusableInputError."""
        if (name := class_name(given)) in self._names:
            return self._names[name]
        if given in self._by_key:
            return self._by_key[given]
        first, last = self.class_keys[0], self.class_keys[-1]
        raise UnusableInputError(f"{given!r} is no class; give a number from {first} to {last} or a name")

    def read_classes(self, given: str) -> list[str]:
        """The classes that an input with commas between means; a name that holds one may stand in quotes.

        A separator alone, as in files, says that no class applies.
        """
        from nextlabel.client.messages.answers import LABEL_SEPARATOR

        if given == LABEL_SEPARATOR and given not in self._names:
            return []
        if class_name(given) in self._names:
            return [self.read_class(given)]
        try:
            parts = next(csv.reader([given], skipinitialspace=True, strict=True), [])
        except csv.Error:
            raise UnusableInputError(f"the quotes in {given!r} do not fit") from None
        return [self.read_class(part.strip()) for part in parts if part.strip()]


def inputs_of(settings: "Project") -> Inputs:
    """What inputs mean in a project with these settings."""
    from nextlabel.client.messages.answers import LABEL_SEPARATOR
    from nextlabel.v1 import annotation_pb2 as annotation
    from nextlabel.v1.project_service_pb2 import ScoreRange

    names = [label_class.name for label_class in settings.label_space.classes]
    match settings.annotation_type:
        case annotation.ANNOTATION_TYPE_SINGLE_LABEL:
            return Inputs(names)
        case annotation.ANNOTATION_TYPE_MULTI_LABEL:
            keys = Inputs(names)
            some = f"{','.join(keys.class_keys[:2])} for several, " if len(names) > 1 else ""
            return Inputs(names, keys.read_classes, expected=f"{some}{LABEL_SEPARATOR} for none")
        case annotation.ANNOTATION_TYPE_SCORE:
            allowed = settings.score_range if settings.HasField("score_range") else ScoreRange(maximum=1)
            return Inputs([], lambda given: _score(given, allowed), expected=_said(allowed))
        case annotation.ANNOTATION_TYPE_PAIRWISE_PREFERENCE:
            return Inputs([], _winner, expected="a, b or tie")
        case _:
            return Inputs([], str)


def _marked(words: Sequence[str], mark: str, taken: Collection[str]) -> list[str]:
    """The words with as many marks before them as it takes to be none of those that are taken."""
    marks = mark
    while any(marks + word in taken for word in words):
        marks += mark
    return [marks + word for word in words]


def _score(given: str, allowed: "ScoreRange") -> float:
    from nextlabel.client.messages.answers import score_of

    try:
        score = score_of(given)
    except ValueError as error:
        raise UnusableInputError(str(error)) from None
    steps = (score - allowed.minimum) / allowed.step if allowed.step else 0.0
    if not allowed.minimum <= score <= allowed.maximum or abs(steps - round(steps)) > _OFF_A_STEP:
        raise UnusableInputError(f"a score lies {_said(allowed)}, got {score:g}")
    return score


def _said(allowed: "ScoreRange") -> str:
    steps = f" in steps of {allowed.step:g}" if allowed.step else ""
    return f"from {allowed.minimum:g} to {allowed.maximum:g}{steps}"


def _winner(given: str) -> str:
    found = _WINNERS.get(given.lower())
    if found is None:
        raise UnusableInputError(f"{given!r} is not a, b or tie")
    return found
