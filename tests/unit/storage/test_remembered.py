"""What is remembered is bounded, and the oldest goes first."""

from __future__ import annotations

from tidemill.storage.remembered import EACH_MAX, OVERHEAD, Remembered


def test_the_oldest_goes_when_there_is_no_room() -> None:
    remembered = Remembered[str](bytes_max=3 * (100 + OVERHEAD))
    for key in "abc":
        remembered.put(key, key.upper(), 100)
    assert [remembered.get(key) for key in "abc"] == ["A", "B", "C"]
    remembered.put("a", "anew", 100)
    remembered.put("d", "D", 100)
    assert [remembered.get(key) for key in "abcd"] == ["anew", None, "C", "D"]
    remembered.drop("c")
    remembered.drop("none")
    remembered.put("e", "E", 100)
    assert [remembered.get(key) for key in "acde"] == ["anew", None, "D", "E"]


def test_what_is_large_is_not_remembered_and_takes_nothing_from_others() -> None:
    remembered = Remembered[str](bytes_max=10 * EACH_MAX)
    remembered.put("a", "A", 10)
    remembered.put("large", "L", EACH_MAX + 1)
    remembered.put("a", "larger", EACH_MAX + 1)
    assert (remembered.get("a"), remembered.get("large")) == (None, None)
    for number in range(100):
        remembered.put("same", str(number), EACH_MAX)
    remembered.put("b", "B", 10)
    assert (remembered.get("same"), remembered.get("b")) == ("99", "B")
