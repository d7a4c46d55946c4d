from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="IndexLinks")


@_attrs_define
class IndexLinks:
    """Where to begin, relative to the URL of the index.

    Attributes:
        films (str): The films. Example: films.
        docs (str): The contract as an interactive page. Example: docs.
        openapi_yaml (str): The contract as YAML. Example: openapi.yaml.
        openapi_json (str): The contract as JSON. Example: openapi.json.
        readiness (str): Whether the server is ready. Example: readyz.
        mcp (str): The endpoint for MCP clients. Example: mcp.
    """

    films: str
    docs: str
    openapi_yaml: str
    openapi_json: str
    readiness: str
    mcp: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        films = self.films

        docs = self.docs

        openapi_yaml = self.openapi_yaml

        openapi_json = self.openapi_json

        readiness = self.readiness

        mcp = self.mcp

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "films": films,
                "docs": docs,
                "openapi_yaml": openapi_yaml,
                "openapi_json": openapi_json,
                "readiness": readiness,
                "mcp": mcp,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        films = d.pop("films")

        docs = d.pop("docs")

        openapi_yaml = d.pop("openapi_yaml")

        openapi_json = d.pop("openapi_json")

        readiness = d.pop("readiness")

        mcp = d.pop("mcp")

        index_links = cls(
            films=films,
            docs=docs,
            openapi_yaml=openapi_yaml,
            openapi_json=openapi_json,
            readiness=readiness,
            mcp=mcp,
        )

        index_links.additional_properties = d
        return index_links

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
