from typing import Literal

AnswerAgent = Literal["model", "search"]

ANSWER_AGENT_VALUES: set[AnswerAgent] = {
    "model",
    "search",
}


def check_answer_agent(value: str) -> AnswerAgent:
    if value in ANSWER_AGENT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {ANSWER_AGENT_VALUES!r}"
    )
