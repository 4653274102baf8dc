"""Identifiers that are derived from what caused the thing."""

from __future__ import annotations

from uuid import UUID

from tidemill.core.ids import DerivedIds

T = 1_700_000_000_000


def test_a_number_has_one_id_wherever_it_is_derived() -> None:
    ids = DerivedIds("endpoint:a", "shop", "orders", 0)
    assert ids.id(T, 7) == DerivedIds("endpoint:a", "shop", "orders", 0).id(T, 7)
    assert ids.id(T, 7) != DerivedIds("endpoint:a", "shop", "orders", 1).id(T, 7)
    assert ids.id(T, 7) != ids.id(T + 1, 7)


def test_numbers_never_share_an_id() -> None:
    ids = DerivedIds("endpoint:a")
    numbers = [*range(10_000), *(1 << shift for shift in range(14, 62))]
    assert len({ids.id(T, number) for number in numbers}) == len(numbers)


def test_ids_are_uuids_that_sort_by_time() -> None:
    ids = DerivedIds("endpoint:a")
    found = [ids.id(ms, 1) for ms in (0, 1, T, T + 1, 1 << 48)]
    assert sorted(found) == found
    assert {(UUID(each).version, UUID(each).variant) for each in found} == {(8, "specified in RFC 4122")}
