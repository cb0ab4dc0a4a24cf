"""What the agent or a tool wants to know: questions, and the fields of the forms of MCP servers; and what a typed answer means."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

QuestionType: TypeAlias = Literal["string", "integer", "number", "boolean", "array"]
_WORDS: Final = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that the agent or a tool wants to know.

    Attributes:
        id: What the answer is given under.
        text: The question.
        options: The answers that are offered; to a question of the agent others may be given, too.
        hints: What each of the options means; may be empty.
        secret: Whether the answer should not be shown while it is typed.
        type: What the answer becomes; several options of an `array` are typed with commas between them.
        required: Whether there must be an answer.
        default: What a field of a form holds at first.
    """

    id: str
    text: str
    options: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    secret: bool = False
    type: QuestionType = "string"
    required: bool = True
    default: str = ""
    values: tuple[str, ...] = field(default=(), repr=False)
    """What the options are to whoever asks, if they are only shown as they are."""

    def value(self, answer: Any) -> Any:
        """What a typed answer means; one that is no text means itself.

        Raises:
            ValueError: If it is no answer to this question.
        """
        if not isinstance(answer, str):
            return answer
        word = answer.strip()
        match self.type:
            case "array":
                return [self._chosen(part.strip()) for part in word.split(",") if part.strip()]
            case "boolean":
                if word.lower() not in _WORDS:
                    raise ValueError(f"{self.text}: {word!r} is neither true nor false.")
                return _WORDS[word.lower()]
            case "integer" | "number":
                return self._number(word)
        return self._chosen(answer)

    def _chosen(self, answer: str) -> str:
        return dict(zip(self.options, self.values, strict=True)).get(answer, answer) if self.values else answer

    def _number(self, word: str) -> float:
        try:
            return int(word)
        except ValueError:
            if self.type == "integer":
                raise ValueError(f"{self.text}: {word!r} is no whole number.") from None
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{self.text}: {word!r} is no number.")
        return number


def values_of(questions: Sequence[Question], answers: Mapping[str, Any]) -> dict[str, Any]:
    """What typed answers mean; an empty one to a question that needs none is none.

    Raises:
        ValueError: If one is no answer.
    """
    known = {question.id: question for question in questions}
    given = {name: answer for name, answer in answers.items() if answer != "" or name not in known or known[name].required}
    return {name: known[name].value(answer) if name in known else answer for name, answer in given.items()}
