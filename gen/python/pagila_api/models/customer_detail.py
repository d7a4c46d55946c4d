from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.address import Address
    from ..models.rental import Rental
    from ..models.subscription import Subscription


T = TypeVar("T", bound="CustomerDetail")


@_attrs_define
class CustomerDetail:
    """A customer with the address, the open rentals and the subscription.

    Attributes:
        customer_id (int): The customer's number. Example: 1.
        store_id (int): The customer's store. Example: 1.
        first_name (str): The first name. Example: MARY.
        last_name (str): The last name. Example: SMITH.
        active (bool): Whether the customer may rent and subscribe. Both of Pagila's columns `active` and `activebool`
            count. Example: True.
        open_rentals (list[Rental]): The rentals that were not returned, the first due date first. There are at most
            1000.
        overdue (int): How many of these open rentals are past their due date. Example: 0.
        email (str | Unset): The email address, as the database has it. Example: MARY.SMITH@sakilacustomer.org.
        address (Address | Unset): A postal address. Members whose value the database does not know are absent.
        late_fees (str | Unset): The late fees of `open_rentals` up to now. Absent if one of them is unknown. Example:
            0.00.
        subscription (Subscription | Unset): A subscription to streaming. A day that RFC 3339 cannot express is replaced
            by the nearest one that
            it can.
    """

    customer_id: int
    store_id: int
    first_name: str
    last_name: str
    active: bool
    open_rentals: list[Rental]
    overdue: int
    email: str | Unset = UNSET
    address: Address | Unset = UNSET
    late_fees: str | Unset = UNSET
    subscription: Subscription | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        customer_id = self.customer_id

        store_id = self.store_id

        first_name = self.first_name

        last_name = self.last_name

        active = self.active

        open_rentals = []
        for open_rentals_item_data in self.open_rentals:
            open_rentals_item = open_rentals_item_data.to_dict()
            open_rentals.append(open_rentals_item)

        overdue = self.overdue

        email = self.email

        address: dict[str, Any] | Unset = UNSET
        if not isinstance(self.address, Unset):
            address = self.address.to_dict()

        late_fees = self.late_fees

        subscription: dict[str, Any] | Unset = UNSET
        if not isinstance(self.subscription, Unset):
            subscription = self.subscription.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "customer_id": customer_id,
                "store_id": store_id,
                "first_name": first_name,
                "last_name": last_name,
                "active": active,
                "open_rentals": open_rentals,
                "overdue": overdue,
            }
        )
        if email is not UNSET:
            field_dict["email"] = email
        if address is not UNSET:
            field_dict["address"] = address
        if late_fees is not UNSET:
            field_dict["late_fees"] = late_fees
        if subscription is not UNSET:
            field_dict["subscription"] = subscription

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.address import Address  # noqa: PLC0415
        from ..models.rental import Rental  # noqa: PLC0415
        from ..models.subscription import Subscription  # noqa: PLC0415

        d = dict(src_dict)
        customer_id = d.pop("customer_id")

        store_id = d.pop("store_id")

        first_name = d.pop("first_name")

        last_name = d.pop("last_name")

        active = d.pop("active")

        open_rentals = []
        _open_rentals = d.pop("open_rentals")
        for open_rentals_item_data in _open_rentals:
            open_rentals_item = Rental.from_dict(open_rentals_item_data)

            open_rentals.append(open_rentals_item)

        overdue = d.pop("overdue")

        email = d.pop("email", UNSET)

        _address = d.pop("address", UNSET)
        address: Address | Unset
        if isinstance(_address, Unset):
            address = UNSET
        else:
            address = Address.from_dict(_address)

        late_fees = d.pop("late_fees", UNSET)

        _subscription = d.pop("subscription", UNSET)
        subscription: Subscription | Unset
        if isinstance(_subscription, Unset):
            subscription = UNSET
        else:
            subscription = Subscription.from_dict(_subscription)

        customer_detail = cls(
            customer_id=customer_id,
            store_id=store_id,
            first_name=first_name,
            last_name=last_name,
            active=active,
            open_rentals=open_rentals,
            overdue=overdue,
            email=email,
            address=address,
            late_fees=late_fees,
            subscription=subscription,
        )

        customer_detail.additional_properties = d
        return customer_detail

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
