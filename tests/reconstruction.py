"""An attack on small counts, through the federation's door: questions that overlap, and least squares over the answers.

Each dataset holds people by decade, sex and modality, and every crossing is a cell that somebody might want to know. The attacker
asks for unions of cells, knows by which rules answers are made, knows the margins (how many there are of each decade, sex and
modality), and deposits people of ninety and more, so as to ask for the same cells among ever other people. `recovered` says how
many of the small cells are told exactly: to the attacker, and to who knows the margins alone.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import String, insert, select

from adapters.identity import Keys
from adapters.sql import tables as t
from server.usecases.runtime import Runtime
from server.web import app
from tests import builders

SECRET = "Secret attack"
DECADES, SEXES, MODALITIES = range(20, 90, 10), ("F", "M"), ("CT", "MR", "PT")
CELLS = list(product(DECADES, SEXES, MODALITIES))
YEARS = list(range(20, 90))
SMALL = 10
_SEX = {"F": "SNOMEDCT248152002", "M": "SNOMEDCT248153007"}
_MODALITY = {"CT": "RID10321", "MR": "RID10312", "PT": "RID10337"}
_SHAPE = (len(DECADES), len(SEXES), len(MODALITIES))
_OLD = 90
Array = NDArray[np.float64]
Asked = NDArray[np.bool_]


@dataclass(frozen=True)
class Person:
    """Age, sex and modality of a person's one study."""

    age: int
    sex: str
    modality: str


@dataclass
class World:
    """A repository with people in it; by dataset, what its attacker heard first of each question: so many are in these cells."""

    runtime: Runtime
    chance: np.random.Generator
    datasets: dict[str, list[Person]] = field(default_factory=dict)
    heard: dict[str, dict[str, tuple[Asked, float]]] = field(default_factory=dict)
    old: int = 0


def build(folder: Path, *, datasets: int, people: int, seed: int = 1, url: str = "", **settings: object) -> World:
    """So many datasets of so many people; a key of noise that the seed gives, so that a run can be repeated."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "noise.key").write_text(f"{seed:064x}")
    given = {"min_subjects": 10, "federation_secret": SECRET, "federation_minute": 10_000} | settings
    world = World(builders.runtime(folder, url=url, clock=builders.Clock(), **given), np.random.default_rng(seed))
    for number in range(datasets):
        alias = f"SET{number}"
        builders.seed(world.runtime, alias=alias, provider=f"hospital-{number}")
        world.datasets[alias] = _people(world.chance, people)
        deposit(world, alias, world.datasets[alias])
    return world


def _people(chance: np.random.Generator, count: int) -> list[Person]:
    """Sex and modality go with age, and beyond that every cell has a weight of its own: margins alone don't tell it."""
    by_decade = np.array([1, 2, 4, 7, 9, 8, 5])
    weights = np.array([np.roll(by_decade, m - 1) * (2 + s * (m == 0)) * (5, 3, 2)[m] for s in (0, 1) for m in (0, 1, 2)])
    weights = weights.reshape(2, 3, len(DECADES)).transpose(2, 0, 1) * chance.gamma(4, 1 / 4, _SHAPE)
    chosen = chance.choice(len(CELLS), count, p=(weights / weights.sum()).ravel())
    return [Person(CELLS[c][0] + int(chance.integers(10)), *CELLS[c][1:]) for c in chosen]


def deposit(world: World, alias: str, people: list[Person]) -> None:
    """People come into a dataset, straight to their rows."""
    with world.runtime.store.write(durable=False) as connection:
        dataset, party = connection.execute(
            select(t.dataset.c.id, t.agreement.c.party).join(t.agreement).where(t.dataset.c.alias == alias)
        ).one()
        last = max(connection.execute(select(t.study.c.id)).scalars(), default=0)
        named = [(f"{last + n}", person) for n, person in enumerate(people, 1)]
        patients = [{"key": uid, "party": party, "patient_id": uid} for uid, _ in named]
        rows = connection.execute(insert(t.patient).returning(t.patient.c.id), patients).scalars().all()
        studies = [_study(uid, person, dataset, row) for (uid, person), row in zip(named, sorted(rows), strict=True)]
        rows = connection.execute(insert(t.study).returning(t.study.c.id), studies).scalars().all()
        series = [_series(uid, person, row) for (uid, person), row in zip(named, sorted(rows), strict=True)]
        connection.execute(insert(t.series), series)


def _study(uid: str, person: Person, dataset: int, patient: int) -> dict[str, Any]:
    texts = dict.fromkeys((c.name for c in t.study.c if isinstance(c.type, String)), "")
    keys = {"key": uid, "study_uid": uid, "dataset": dataset, "patient": patient}
    counts = {"series": 1, "instances": 1, "fragment": b"", "version": 1, "updated": 0, "touched": 0}
    return texts | keys | counts | {"age": person.age, "patient_sex": person.sex, "patient_id": uid}


def _series(uid: str, person: Person, study: int) -> dict[str, Any]:
    said = {"modality": person.modality, "body_part": "", "manufacturer": "", "description": "", "header": "{}"}
    return said | {"study": study, "series_uid": uid, "instances": 1, "fragment": b""}


# --- asking


@dataclass(frozen=True)
class Question:
    """An AST, the cells it asks for, and whether it asks for the attacker's own people too."""

    ast: object
    cells: Asked
    own: bool


def crossing(chance: np.random.Generator) -> Question:
    """Up to four bars, each some decades of some sexes and modalities; one of them may be of the attacker's own people."""
    own, cells, bars = bool(chance.random() < 0.5), np.zeros(_SHAPE, bool), []
    for _ in range(chance.integers(1, 5 - own)):
        chosen = [_some(chance, size) for size in _SHAPE]
        cells |= chosen[0][:, None, None] & chosen[1][None, :, None] & chosen[2][None, None, :]
        ages = [_in_decade(DECADES[n]) for n in np.flatnonzero(chosen[0])]
        sexes = [_of_sex(SEXES[n]) for n in np.flatnonzero(chosen[1])]
        modalities = [_of_modality(MODALITIES[n]) for n in np.flatnonzero(chosen[2])]
        bars.append({"operand": "AND", "children": [{"operand": "OR", "children": c} for c in (ages, sexes, modalities)]})
    if own:
        bars.append(_leaf("SNOMEDCT423493009", "GREATER_THAN", _OLD - 1))
    return Question({"operand": "OR", "children": bars}, cells.ravel(), own)


def years(chance: np.random.Generator) -> Question:
    """Twenty single years of age, of which answers add up where ages are asked for as they are."""
    cells = np.zeros(len(YEARS), bool)
    cells[chance.choice(len(YEARS), 20, replace=False)] = True
    leaves = [_leaf("SNOMEDCT423493009", "EQUALS", YEARS[n]) for n in np.flatnonzero(cells)]
    return Question({"operand": "OR", "children": leaves}, cells, own=False)


def decades(chance: np.random.Generator) -> Question:
    """Some decades: as much as can be asked of years where the rules hold."""
    chosen = _some(chance, len(DECADES))
    leaves = [_in_decade(DECADES[n]) for n in np.flatnonzero(chosen)]
    return Question({"operand": "OR", "children": leaves}, np.repeat(chosen, 10), own=False)


def _some(chance: np.random.Generator, size: int) -> Asked:
    """Any subset but the empty one."""
    chosen = chance.random(size) < 0.5
    chosen[chance.integers(size)] = True
    return chosen


def _in_decade(low: int) -> dict[str, object]:
    return _leaf("SNOMEDCT423493009", "BETWEEN", {"min": low, "max": low + 9})


def _of_sex(sex: str) -> dict[str, object]:
    return _leaf("SNOMEDCT263495000", "EQUALS", _SEX[sex])


def _of_modality(modality: str) -> dict[str, object]:
    return _leaf("RID10311", "EQUALS", _MODALITY[modality])


def _leaf(key: str, kind: str, value: object) -> dict[str, object]:
    return {"key": key, "type": kind, "value": value}


def attack(world: World, questions: int, ask: Callable[[np.random.Generator], Question] = crossing, *, every: int = 100) -> None:
    """Ask, with a deposit of the attacker's own people in between; what is heard is noted by dataset."""
    with _client(world.runtime) as client:
        for number in range(questions):
            if number % every == every - 1:
                world.old += 1
                for alias in world.datasets:
                    deposit(world, alias, [Person(_OLD, "F", "CT")])
            asked = ask(world.chance)
            question = json.dumps({"ast": asked.ast})
            for told in _ask(client, question):
                middle = told["subjects_count"] + 4.5 - world.old * asked.own  # counts are rounded down to tens
                world.heard.setdefault(told["id"], {}).setdefault(question, (asked.cells, middle))


def _ask(client: Any, question: str) -> list[dict[str, Any]]:
    headers = {"Authorization": SECRET, "Content-Type": "application/json"}
    answer = client.post("/api/datasets/eucaimSearch", data=question, headers=headers)
    assert answer.status_code == 200, answer.data
    collections: list[dict[str, Any]] = answer.json["collections"]
    return collections


def _client(runtime: Runtime) -> Any:
    keys = Keys.load_or_make(runtime.settings.data_dir / "keys.json")
    return app.create(runtime, keys).test_client()


# --- solving


@dataclass(frozen=True)
class Recovered:
    """Shares of the small cells that were told exactly, and how many there were."""

    attacker: float
    margins: float
    small: int


def recovered(world: World, truth: Callable[[Sequence[Person]], Array], margins: Callable[[Array], Array]) -> Recovered:
    """What the attacker has of the cells that `truth` counts: least squares over what was heard, leaning on the margins."""
    told: list[Array] = []
    for alias, people in world.datasets.items():
        cells = truth(people)
        known = margins(cells)
        guess = _least_squares(known, _off(cells, known), world.heard.get(alias, {}).values())
        told.append(np.array([cells, _whole(guess), _whole(known)])[:, cells < SMALL])
    return _recovered(told)


def _recovered(told: list[Array]) -> Recovered:
    cells, guess, known = np.concatenate(told, axis=1)
    return Recovered(float(np.mean(guess == cells)), float(np.mean(known == cells)), len(cells))


def recovered_by_equality(world: World) -> Recovered:
    """What an attacker has who asks for everybody of a sex, with and without one cell of the other: equal answers, empty cell."""
    heard = {sex: _answers(world, _of_sex(sex)) for sex in SEXES}
    told: list[Array] = []
    empty = {alias: np.zeros(len(CELLS), bool) for alias in world.datasets}
    for number, (decade, sex, modality) in enumerate(CELLS):
        others = SEXES[1 - SEXES.index(sex)]
        cell = {"operand": "AND", "children": [_in_decade(decade), _of_sex(sex), _of_modality(modality)]}
        for alias, answer in _answers(world, {"operand": "OR", "children": [_of_sex(others), cell]}).items():
            empty[alias][number] = answer == heard[others].get(alias)
    for alias, people in world.datasets.items():
        cells = crossed(people)
        known = _whole(from_margins(cells))
        told.append(np.array([cells, np.where(empty[alias], 0, np.maximum(known, 1)), known])[:, cells < SMALL])
    return _recovered(told)


def _answers(world: World, ast: object) -> dict[str, tuple[int, int]]:
    """Dataset → the counts that it is told with."""
    with _client(world.runtime) as client:
        collections = _ask(client, json.dumps({"ast": ast}))
    return {told["id"]: (told["subjects_count"], told["studies_count"]) for told in collections}


def crossed(people: Sequence[Person]) -> Array:
    """How many there are in each cell."""
    counts = np.zeros(len(CELLS))
    for person in people:
        counts[CELLS.index((person.age // 10 * 10, person.sex, person.modality))] += 1
    return counts


def from_margins(truth: Array) -> Array:
    """What who knows the decades, the sexes and the modalities expects of each crossing."""
    cube = truth.reshape(_SHAPE)
    crossed = np.einsum("i,j,k->ijk", cube.sum((1, 2)), cube.sum((0, 2)), cube.sum((0, 1)))
    return (crossed / cube.sum() ** 2).ravel()


def by_year(people: Sequence[Person]) -> Array:
    """How many there are of each year of age."""
    return np.bincount([person.age - YEARS[0] for person in people], minlength=len(YEARS)).astype(float)


def from_decades(truth: Array) -> Array:
    """What who knows the decades expects of each year."""
    return np.repeat(truth.reshape(-1, 10).mean(1), 10)


def _off(truth: Array, margins: Array) -> Array:
    """By what variance the margins are off: by chance, and by a share of each cell that the attacker is told."""
    chance = np.maximum(margins, 0.3)
    share = max(float(np.mean((truth - margins) ** 2 - chance) / np.mean(chance**2)), 0.02)
    return np.asarray(chance + share * chance**2)


DEVIATIONS = (3, 5, 8, 12, 20, 35)


def _least_squares(margins: Array, off: Array, heard: Collection[tuple[Asked, float]]) -> Array:
    """The most likely cells, where the margins are off by these variances and answers by the deviation that fits them best."""
    if not heard:
        return margins
    cells = np.array([asked for asked, _ in heard], float)
    rest = np.array([count for _, count in heard]) - cells @ margins
    fitted = [_fit(cells, rest, off, deviation**2) for deviation in DEVIATIONS]
    return np.asarray(margins + max(fitted, key=lambda fit: fit[0])[1])


def _fit(cells: Array, rest: Array, off: Array, variance: float) -> tuple[float, Array]:
    """How likely such a rest is where answers are off by this variance, and the cells' own most likely rest."""
    precision = np.diag(1 / off) + cells.T @ cells / variance
    own = np.linalg.solve(precision, cells.T @ rest / variance)
    spread = np.linalg.slogdet(precision)[1] + np.sum(np.log(off)) + len(rest) * np.log(variance)
    return -0.5 * float(spread + (rest @ rest - rest @ cells @ own) / variance), own


def _whole(guess: Array) -> Array:
    return np.maximum(np.rint(guess), 0)
