"""What callers of the federated search have asked: the budget they have spent, and the answers that are said again.

Answers are kept and paid for in one transaction before they are told: the unique keys decide between two who ask at once, no
crash gives a question back, and to lose the answers is to pay for them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from adapters.sql import tables as t
from adapters.sql.store import insert_of

_k, _b = t.kept_answer.c, t.question_budget.c


NOTHING = "null"
"""What is kept where nothing is told."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question of one caller in one period; `digest` is SHA-256, in hex, over its canonical text."""

    caller: str
    period: int
    digest: str


def kept(connection: Connection, question: Question) -> dict[int, str]:
    """Dataset → what was told of it."""
    rows = select(_k.dataset, _k.told).where(_of(question))
    return {row.dataset: row.told for row in connection.execute(rows)}


def described(connection: Connection, period: int) -> dict[int, str]:
    """Dataset → one answer of this period that tells something of it, whoever asked."""
    rows = select(_k.dataset, func.min(_k.told).label("told")).where(_k.period == period, _k.told != NOTHING)
    return {row.dataset: row.told for row in connection.execute(rows.group_by(_k.dataset))}


def spenders(connection: Connection, period: int, least: int) -> list[tuple[str, int, int]]:
    """(caller, dataset, spent) of this period, where at least so much is spent; the most first."""
    rows = select(_b.caller, _b.dataset, _b.spent).where(_b.period == period, _b.spent >= least)
    return [(c, d, n) for c, d, n in connection.execute(rows.order_by(_b.spent.desc(), _b.caller, _b.dataset))]


def keep(connection: Connection, question: Question, told: Mapping[int, str], budget: int) -> dict[int, str]:
    """Keep what is to be told and pay for it, where it was not kept before and budget is left; dataset → what may be told.

    Answers of older periods are forgotten on the way.
    """
    insert, asked = insert_of(connection), {"caller": question.caller, "period": question.period}
    connection.execute(delete(t.kept_answer).where(_k.period < question.period))
    rows = [asked | {"question": question.digest, "dataset": d, "told": told[d]} for d in sorted(told)]  # in order: no deadlock
    added = insert(t.kept_answer).values(rows).on_conflict_do_nothing().returning(_k.dataset)
    new = sorted(connection.execute(added).scalars())
    if new:
        spent = insert(t.question_budget).values([asked | {"dataset": d, "spent": 1} for d in new])
        left = {"set_": {"spent": _b.spent + 1}, "where": _b.spent < budget}
        paid = spent.on_conflict_do_update(index_elements=["caller", "period", "dataset"], **left).returning(_b.dataset)
        unpaid = set(new) - set(connection.execute(paid).scalars())
        connection.execute(delete(t.kept_answer).where(_of(question), _k.dataset.in_(sorted(unpaid))))
    return kept(connection, question)


def _of(question: Question) -> ColumnElement[bool]:
    return and_(_k.caller == question.caller, _k.period == question.period, _k.question == question.digest)
