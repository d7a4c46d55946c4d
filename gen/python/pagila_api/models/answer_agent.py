from typing import Literal, cast

AnswerAgent = Literal["model", "search"]

ANSWER_AGENT_VALUES: set[AnswerAgent] = {
    "model",
    "search",
}


def check_answer_agent(value: str) -> AnswerAgent:
    return cast(AnswerAgent, value)
