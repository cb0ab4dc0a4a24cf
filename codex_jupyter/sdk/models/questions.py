"""Questions of the agent and of tools, the fields of MCP forms, and the meaning of a typed answer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

QuestionType: TypeAlias = Literal["string", "integer", "number", "boolean", "array"]
_BOOLEANS: Final = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of the agent, or a field of a tool's form.

    Attributes:
        id: The key of the answer.
        text: The question.
        options: The offered answers. A question of the agent accepts other answers, too.
        option_descriptions: The meaning of each option; may be empty.
        secret: Whether the answer must not be shown while it is typed.
        type: The type of the answer. Several options of an `array` are typed with commas between them.
        required: Whether an answer is needed.
        default: The initial value of a form's field.
        option_values: The value that the tool expects for each option; empty if these are the options themselves.
    """

    id: str
    text: str
    options: tuple[str, ...] = ()
    option_descriptions: tuple[str, ...] = ()
    secret: bool = False
    type: QuestionType = "string"
    required: bool = True
    default: str = ""
    option_values: tuple[str, ...] = ()

    def parse(self, answer: Any) -> Any:
        """Return the value of a typed answer. An answer that is not a text is returned as it is.

        Raises:
            ValueError: If the text is not an answer to this question.
        """
        if not isinstance(answer, str):
            return answer
        word = answer.strip()
        match self.type:
            case "array":
                return [self._chosen(part.strip()) for part in word.split(",") if part.strip()]
            case "boolean":
                if word.lower() not in _BOOLEANS:
                    raise ValueError(f"{self.text}: {word!r} is neither true nor false. Answer 'true' or 'false'.")
                return _BOOLEANS[word.lower()]
            case "integer" | "number":
                return self._number(word)
        return self._chosen(answer)

    def _chosen(self, answer: str) -> str:
        if not self.option_values:
            return answer
        return dict(zip(self.options, self.option_values, strict=True)).get(answer, answer)

    def _number(self, word: str) -> float:
        try:
            return int(word)
        except ValueError:
            if self.type == "integer":
                raise ValueError(f"{self.text}: {word!r} is not a whole number.") from None
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{self.text}: {word!r} is not a number.")
        return number


def parse_answers(questions: Sequence[Question], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of typed answers. Empty answers to optional questions are left out.

    Raises:
        ValueError: If a text is not an answer to its question.
    """
    by_id = {question.id: question for question in questions}
    values: dict[str, Any] = {}
    for name, answer in answers.items():
        question = by_id.get(name)
        if question is None:
            values[name] = answer
        elif answer != "" or question.required:
            values[name] = question.parse(answer)
    return values
