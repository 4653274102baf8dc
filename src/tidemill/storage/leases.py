"""The right to publish for an integration: one row each, whose epoch grows with every new holder.

Every write of a holder changes or locks this row by its epoch first. So a take-over and a write of the holder
before it happen one after the other, and the later of the two knows of the earlier.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, bindparam, case, or_, update

from tidemill.ingest.outbox import Lease
from tidemill.storage import bulk
from tidemill.storage.inserts import insert_into
from tidemill.storage.session import Session
from tidemill.storage.tables import publish_leases as leases

NOBODY = ""

_IS_HELD = and_(leases.c.integration == bindparam("of"), leases.c.epoch == bindparam("with_epoch"))
_RENEW = update(leases).where(_IS_HELD).values(until_ms=bindparam("until"))
_GIVE_BACK = update(leases).where(_IS_HELD).values(until_ms=0, holder=NOBODY)
_LOCK = bulk.lock(leases, "integration = ?1 AND epoch = ?2")
_NEXT = bulk.update(leases, ("integration", "epoch", "last_number"), ("last_number",))


async def take(session: Session, integration: str, holder: str, now_ms: int, lease_ms: int) -> Lease | None:
    insert = insert_into(session, leases)
    is_own: ColumnElement[bool] = leases.c.holder == holder
    statement = (
        insert.values(integration=integration, holder=holder, epoch=1, until_ms=now_ms + lease_ms, last_number=0)
        .on_conflict_do_update(
            index_elements=[leases.c.integration],
            set_={
                "epoch": leases.c.epoch + case((is_own, 0), else_=1),
                "holder": holder,
                "until_ms": now_ms + lease_ms,
            },
            where=or_(is_own, leases.c.until_ms <= now_ms),
        )
        .returning(leases.c.epoch, leases.c.last_number)
    )
    row = (await session.execute(statement)).first()
    return Lease(integration, holder, row.epoch, row.last_number) if row else None


async def renew(session: Session, lease: Lease, now_ms: int, lease_ms: int) -> bool:
    return (await session.execute(_RENEW, {**_key(lease), "until": now_ms + lease_ms})).rowcount == 1


async def give_back(session: Session, lease: Lease) -> None:
    await session.execute(_GIVE_BACK, _key(lease))


def lock(session: Session, lease: Lease) -> None:
    """Nobody takes the lease over until this transaction has ended. If somebody has, it ends with `StaleWrite`."""
    else_ = f"another publisher has integration {lease.integration} now"
    _LOCK.require(session, (lease.integration, lease.epoch), else_)


def count_on(session: Session, lease: Lease, number: int) -> None:
    """Makes `number` the last one. With `StaleWrite` if it is not the next, or the lease is lost."""
    else_ = f"another publisher has integration {lease.integration} now, or {number} is not the next"
    _NEXT.write(session, [(lease.integration, lease.epoch, number - 1, number)], all_or=else_)


def _key(lease: Lease) -> dict[str, str | int]:
    return {"of": lease.integration, "with_epoch": lease.epoch}
