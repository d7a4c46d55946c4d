from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.answer_agent import AnswerAgent, check_answer_agent

if TYPE_CHECKING:
    from ..models.source import Source


T = TypeVar("T", bound="Answer")


@_attrs_define
class Answer:
    """The answer to a question, and what it is based on.

    Attributes:
        agent (AnswerAgent): The agent that answered. `search` looks up facts, `model` is the language model. Example:
            search.
        answer (str): The answer in plain language. Example: ACADEMY DINOSAUR stars CHRISTIAN GABLE, JOHNNY CAGE..
        sources (list[Source]): The films that the answer is based on, in the order of the results.
        total (int): The number of films that were found. `sources` has only the first of many. After a search with
            `count=capped`, 10001 means that there are more than 10000.
             Example: 58.
    """

    agent: AnswerAgent
    answer: str
    sources: list[Source]
    total: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        agent: str = self.agent

        answer = self.answer

        sources = []
        for sources_item_data in self.sources:
            sources_item = sources_item_data.to_dict()
            sources.append(sources_item)

        total = self.total

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "agent": agent,
                "answer": answer,
                "sources": sources,
                "total": total,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.source import Source  # noqa: PLC0415

        d = dict(src_dict)
        agent = check_answer_agent(d.pop("agent"))

        answer = d.pop("answer")

        sources = []
        _sources = d.pop("sources")
        for sources_item_data in _sources:
            sources_item = Source.from_dict(sources_item_data)

            sources.append(sources_item)

        total = d.pop("total")

        answer = cls(
            agent=agent,
            answer=answer,
            sources=sources,
            total=total,
        )

        answer.additional_properties = d
        return answer

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
