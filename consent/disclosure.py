"""Making counts safe: what may be said about a dataset to somebody who may not see its rows, and how often it may be asked.

Whoever may ask often enough can work out small counts from large ones, whatever a single answer hides. So these rules hold
together; where a minimum of 1 says that counts are exact (the providers agreed to that, or it is the demo), none but the first.

1. A question names at most four alternatives and twenty values of one criterion.
2. Ages are asked for, and told, in decades.
3. What concerns fewer subjects than the minimum is not told: not in truth, and not as it would be told.
4. A count is told with noise, then rounded down to tens. The noise sticks to the question and to the people: asked again, the
   same people have the same noise; others, be it one person more, and the same in other words have another. Did it stick to the
   people alone, equal answers would prove equal people, and so that nobody is in what the one question has and the other lacks.
5. Beside its counts an answer describes the whole dataset, never who was asked for.
6. A caller has a budget of distinct questions about a dataset in a period. What was asked before is answered as before and costs
   nothing. No deposit and no withdrawal gives a question back or a kept answer up. The noise is as wide as the budget needs.

What this protects against, what not, and what it costs: `docs/disclosure.md`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest
from math import isqrt

DECADE = 10
MOST_BARS = 4
MOST_VALUES = 20
_THROWS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class People:
    """Which people these are, without naming one: how many, and two sums over a number that each has. Others have other sums."""

    count: int
    sum: int
    squares: int


@dataclass(frozen=True, slots=True)
class Budget:
    """How many distinct questions a caller may ask about a dataset in a period of so many days."""

    questions: int
    days: int

    def period(self, now: datetime) -> int:
        """The number of the period that `now` falls into, counted since 1970."""
        return (now - _EPOCH).days // self.days

    def ends(self, period: int) -> datetime:
        """When a period is over."""
        return _EPOCH + timedelta(days=(period + 1) * self.days)

    @property
    def width(self) -> int:
        """How far one of the four throws of noise reaches to either side: twice the budget's root.

        Their sum has a deviation of 1.2 widths. Answers add up to a small count with an error of about twice their deviation,
        divided by the root of how many there are (after Dinur and Nissim, 2003): here of almost five people, whatever the budget,
        which is more than the margins leave open.
        """
        return isqrt(4 * self.questions)


def exact(minimum: int) -> bool:
    """Whether counts are told as they are."""
    return minimum <= 1


def safe_count(count: int, minimum: int, added: int = 0) -> int | None:
    """What is told of a count: None where the dataset is left out, else with its noise, in tens, not below the minimum."""
    if exact(minimum):
        return count or None
    if min(count, count + added) < minimum:
        return None
    return max((count + added) // DECADE * DECADE, minimum)


def safe_size(size: int, minimum: int) -> int:
    """Bytes of a whole dataset, rounded down to their first digit unless counts are exact: two sums would tell a study."""
    step = 1 if exact(minimum) else 10 ** (len(str(size)) - 1)
    return size // step * step


def safe_age(years: int | None, minimum: int) -> int | None:
    """An age in years, rounded down to its decade unless counts are exact."""
    return years if years is None or exact(minimum) else years - years % DECADE


def safe_ages(low: int | None, high: int | None, minimum: int) -> tuple[int | None, int | None]:
    """The ages a question asks for (both ends included, None for open), widened to whole decades unless counts are exact."""
    if exact(minimum) or (low is not None and high is not None and low > high):
        return low, high
    last = None if high is None else high - high % DECADE + DECADE - 1
    return safe_age(low, minimum), last


def noise(key: bytes, question: str, people: People, counted: str, budget: Budget) -> int:
    """What is added to a count of `counted` among these people, so asked for: always the same, not to be guessed without the key.

    `question` is one text for whatever asks the same.

    Four throws of a die with as many sides as the budget needs, added: near zero mostly, beyond four widths never.
    """
    text = f"{counted} {people.count} {people.sum} {people.squares} {question}"
    drawn, sides = digest(key, text.encode(), sha256), 2 * budget.width + 1
    size = len(drawn) // _THROWS
    throws = (int.from_bytes(drawn[n * size : (n + 1) * size]) % sides for n in range(_THROWS))
    return sum(throws) - _THROWS * budget.width


@dataclass(frozen=True, slots=True)
class SafeCounts:
    """How many subjects and studies are told."""

    subjects: int
    studies: int


def safe_counts(question: str, people: People, studies: int, minimum: int, key: bytes, budget: Budget) -> SafeCounts | None:
    """What is told of these people and their studies, so asked for; None where the dataset is left out.

    The studies' noise is the subjects' and more: with one study each, two counts are no second look at the same people.
    """
    common = 0 if exact(minimum) else noise(key, question, people, "subjects", budget)
    own = 0 if exact(minimum) else noise(key, question, people, "studies", budget)
    subjects = safe_count(people.count, minimum, common)
    if subjects is None:
        return None
    return SafeCounts(subjects, max(safe_count(studies, minimum, common + own) or subjects, subjects))
