from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.input_error import InputError
    from ..models.rental import Rental
    from ..models.subscription import Subscription


T = TypeVar("T", bound="Problem")


@_attrs_define
class Problem:
    """What went wrong (RFC 9457).

    Attributes:
        type_ (str): Always `about:blank`. The kind of problem is in `code`. Example: about:blank.
        title (str): The name of the status. Example: Not Found.
        status (int): The status of the response. Example: 404.
        detail (str): A sentence for a human reader. Example: There is no film 5000..
        instance (str): The path of the request, as it reached the server. Example: /films/5000.
        code (str): The kind of problem, one of `ProblemCode` or one that a later version adds. Example: film_not_found.
        request_id (str): Identifies the request in the server's log. Example: 01a2b3c4d5e6f708.
        errors (list[InputError] | Unset): What is wrong with the request. At most 100 entries.
        error (str | Unset): The error code of OAuth2 (RFC 6749, section 5.2). Only on `/token`. Example: invalid_grant.
        rental (Rental | Unset): A rental. A time that RFC 3339 cannot express (before the year 1, after 9999, or
            infinity) is
            replaced by the nearest one that it can.
        subscription (Subscription | Unset): A subscription to streaming. A day that RFC 3339 cannot express is replaced
            by the nearest one that
            it can.
    """

    type_: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[InputError] | Unset = UNSET
    error: str | Unset = UNSET
    rental: Rental | Unset = UNSET
    subscription: Subscription | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        instance = self.instance

        code = self.code

        request_id = self.request_id

        errors: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.errors, Unset):
            errors = []
            for errors_item_data in self.errors:
                errors_item = errors_item_data.to_dict()
                errors.append(errors_item)

        error = self.error

        rental: dict[str, Any] | Unset = UNSET
        if not isinstance(self.rental, Unset):
            rental = self.rental.to_dict()

        subscription: dict[str, Any] | Unset = UNSET
        if not isinstance(self.subscription, Unset):
            subscription = self.subscription.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "detail": detail,
                "instance": instance,
                "code": code,
                "request_id": request_id,
            }
        )
        if errors is not UNSET:
            field_dict["errors"] = errors
        if error is not UNSET:
            field_dict["error"] = error
        if rental is not UNSET:
            field_dict["rental"] = rental
        if subscription is not UNSET:
            field_dict["subscription"] = subscription

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.input_error import InputError  # noqa: PLC0415
        from ..models.rental import Rental  # noqa: PLC0415
        from ..models.subscription import Subscription  # noqa: PLC0415

        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        instance = d.pop("instance")

        code = d.pop("code")

        request_id = d.pop("request_id")

        _errors = d.pop("errors", UNSET)
        errors: list[InputError] | Unset = UNSET
        if _errors is not UNSET:
            errors = []
            for errors_item_data in _errors:
                errors_item = InputError.from_dict(errors_item_data)

                errors.append(errors_item)

        error = d.pop("error", UNSET)

        _rental = d.pop("rental", UNSET)
        rental: Rental | Unset
        if isinstance(_rental, Unset):
            rental = UNSET
        else:
            rental = Rental.from_dict(_rental)

        _subscription = d.pop("subscription", UNSET)
        subscription: Subscription | Unset
        if isinstance(_subscription, Unset):
            subscription = UNSET
        else:
            subscription = Subscription.from_dict(_subscription)

        problem = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            instance=instance,
            code=code,
            request_id=request_id,
            errors=errors,
            error=error,
            rental=rental,
            subscription=subscription,
        )

        problem.additional_properties = d
        return problem

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
