"""Effects of several domains behind one door."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.transaction import OpenTransaction
from tidemill.core.errors import Conflict
from tidemill.core.transaction import Transaction
from tidemill.ingest.doors import Doors, Taken
from tidemill.ingest.effect import EffectGroup, Prepared, Verdict


class PreparedHere:
    def __init__(self, groups: Sequence[EffectGroup]) -> None:
        self.groups = groups
        self.verdicts = [
            Verdict(error=Conflict("no"))
            if "bad" in group.effects
            else Verdict([f"did {one}" for one in group.effects])
            for group in groups
        ]
        self.events: list[str] = []

    async def write(self, tx: Transaction) -> None:
        self.events.append("written")

    def committed(self) -> None:
        self.events.append("committed")


class Engine:
    def __init__(self) -> None:
        self.prepared: list[PreparedHere] = []

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> Prepared:
        self.prepared.append(PreparedHere(groups))
        return self.prepared[-1]


class Numbers:
    """Takes numbers."""

    def __init__(self) -> None:
        self.written: list[tuple[int, str]] = []
        self.told: list[int] = []

    def takes(self, effect: object) -> bool:
        return isinstance(effect, int)

    async def write(self, tx: Transaction, taken: Sequence[Taken]) -> None:
        self.written += [(each.effect, each.group.cause) for each in taken]

    def committed(self, taken: Sequence[Taken]) -> None:
        self.told += [each.effect for each in taken]


async def test_each_effect_goes_to_who_takes_it_and_results_keep_their_order() -> None:
    engine, numbers = Engine(), Numbers()
    groups = [EffectGroup(["a", 1, "b"], "one"), EffectGroup([2], "two"), EffectGroup(["c"], "three")]
    prepared = await Doors(engine, numbers).prepare(groups)
    assert [verdict.results for verdict in prepared.verdicts] == [["did a", None, "did b"], [None], ["did c"]]
    assert [group.effects for group in engine.prepared[0].groups] == [["a", "b"], ["c"]]
    assert numbers.written == []
    await prepared.write(OpenTransaction())
    prepared.committed()
    assert numbers.written == [(1, "one"), (2, "two")]
    assert numbers.told == [1, 2]
    assert engine.prepared[0].events == ["written", "committed"]


async def test_a_group_that_is_refused_has_no_effect_at_all() -> None:
    engine, numbers = Engine(), Numbers()
    prepared = await Doors(engine, numbers).prepare([EffectGroup([1, "bad"]), EffectGroup([2])])
    assert isinstance(prepared.verdicts[0].error, Conflict)
    await prepared.write(OpenTransaction())
    assert numbers.written == [(2, "")]


async def test_without_the_takers_effects_the_engine_answers_itself() -> None:
    engine = Engine()
    prepared = await Doors(engine, Numbers()).prepare([EffectGroup(["a"])])
    assert prepared is engine.prepared[0]


async def test_the_engine_is_not_asked_for_nothing() -> None:
    engine = Engine()
    prepared = await Doors(engine, Numbers()).prepare([EffectGroup([1])])
    await prepared.write(OpenTransaction())
    prepared.committed()
    assert engine.prepared == []
