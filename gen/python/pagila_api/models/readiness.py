from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.readiness_dataset import ReadinessDataset, check_readiness_dataset
from ..models.readiness_status import ReadinessStatus, check_readiness_status

if TYPE_CHECKING:
    from ..models.language_model import LanguageModel


T = TypeVar("T", bound="Readiness")


@_attrs_define
class Readiness:
    """What the server runs on.

    Attributes:
        status (ReadinessStatus): Always `ready`. A server that is not ready responds with 503. Example: ready.
        version (str): The version of this contract that the server implements. Example: 2.0.0.
        database (str): The database server and its version. Example: PostgreSQL 15.18.
        dataset (ReadinessDataset): `pagila` is the original dataset, `sample` the built-in substitute, `other` anything
            else.
             Example: pagila.
        migration (str): The newest applied migration. Example: 20261122183351.
        llm (LanguageModel): The language model that the server uses.
    """

    status: ReadinessStatus
    version: str
    database: str
    dataset: ReadinessDataset
    migration: str
    llm: LanguageModel
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str = self.status

        version = self.version

        database = self.database

        dataset: str = self.dataset

        migration = self.migration

        llm = self.llm.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "version": version,
                "database": database,
                "dataset": dataset,
                "migration": migration,
                "llm": llm,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.language_model import LanguageModel  # noqa: PLC0415

        d = dict(src_dict)
        status = check_readiness_status(d.pop("status"))

        version = d.pop("version")

        database = d.pop("database")

        dataset = check_readiness_dataset(d.pop("dataset"))

        migration = d.pop("migration")

        llm = LanguageModel.from_dict(d.pop("llm"))

        readiness = cls(
            status=status,
            version=version,
            database=database,
            dataset=dataset,
            migration=migration,
            llm=llm,
        )

        readiness.additional_properties = d
        return readiness

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
