"""A random repository as a script of acts, played into a store: into one whole, and into another what one caller may see of it.

What a caller may see is `consent.policy`'s word at the end of the script. What it may not see has never been in the second store:
not the datasets, nor the files that were refused, wait in quarantine, or were withdrawn.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any

from joserfc.jwk import ECKey
from sqlalchemy import Connection, select

from adapters.sql import client as clients
from adapters.sql import dataset as datasets
from adapters.sql import party as parties
from adapters.sql import tables as t
from adapters.sql.access import Access
from adapters.sql.ledger import About, record
from adapters.sql.store import stamp
from consent.access import Interaction
from consent.access import Seen as Shown
from consent.agreement import Side
from consent.conditions import Action
from consent.entries import Entry, StudyWithdrawn
from consent.policy import MATRIX, Reach, visible_datasets
from consent.subject import ANONYMOUS, FEDERATION, Role, Subject
from consent.told import unstopped
from mappings.failures import NotFound
from mappings.study import study_key
from server.usecases import identify
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.batch import close_batch
from server.usecases.client import add_client
from server.usecases.dataset import add_dataset, set_dataset
from server.usecases.document import rebuild
from server.usecases.node import add_node, move_node
from server.usecases.party import add_party
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.runtime import Runtime
from server.usecases.take import take
from server.usecases.terms import publish_terms
from server.usecases.withdraw import withdraw_study
from server.worker.loop import chores
from tests import builders
from tests.builders import ACTOR, made
from tests.house import CLOSE, EVERY, FAR, SECRET, Who

BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PROVIDERS = ("hospital-a", "hospital-b")
PUBLIC = {"keys": [ECKey.generate_key("P-384", auto_kid=True).as_dict(private=False)]}
_RESEARCH = {"party": "university", "client": "researcher"}
CALLERS: dict[str, Who] = {
    "anonymous": Who(Role.ANONYMOUS),
    "federation": Who(Role.FEDERATION, header=SECRET),
    "researcher": Who(Role.USER, **_RESEARCH, purpose="AIRESEARCH"),
    "trainer": Who(Role.USER, **_RESEARCH, purpose="AITRAIN"),
    "no-purpose": Who(Role.USER, **_RESEARCH),
    "clinician": Who(Role.USER, "clinic", "clinician", purpose="AIRESEARCH"),
    "inside": Who(Role.INSIDE, "university", "compute", CLOSE, "AIRESEARCH"),
    "unapproved": Who(Role.USER, "startup", "unapproved", purpose="AIRESEARCH"),
    "no-terms": Who(Role.USER, "clinic", "newcomer", purpose="AIRESEARCH"),
    "provider-a": Who(Role.PROVIDER, "hospital-a", "pacs-a"),
    "provider-b": Who(Role.PROVIDER, "hospital-b", "pacs-b"),
    "operator": Who(Role.OPERATOR, "centre", "centre", address=FAR),
}
"""Those who may ask, by what they are; the client that each is registered as."""
PARTIES = {
    "university": "user",
    "clinic": "user",
    "startup": "user",
    "centre": "operator",
    **dict.fromkeys(PROVIDERS, "provider"),
}


@dataclass(frozen=True)
class Sight:
    """What one caller may see at the end: datasets by alias; and what is held at all, what was withdrawn of which dataset.

    `gone` are the keys of withdrawn studies with their patients' and datasets; `told` the names of what is stopped or withdrawn
    that it is told so of, since without that it might see it, or has used it.
    """

    who: Who
    discovered: frozenset[str]
    queried: frozenset[str]
    own: frozenset[str]
    objects: frozenset[str]
    withdrawn: Mapping[str, str]
    gone: frozenset[tuple[str, str, str]] = frozenset()
    told: frozenset[str] = frozenset()

    def shows(self, alias: str) -> bool:
        """Whether a dataset's description is here."""
        return alias in self.discovered | self.own


Play = Callable[[Runtime], None]
Seen = Callable[[Sight], bool]


@dataclass(frozen=True)
class Act:
    """Something done at a moment, and who sees it; played into a second store, it is told what that one's caller sees."""

    at: datetime
    play: Callable[[Runtime, Sight | None], None]
    seen: Seen


@dataclass(frozen=True)
class Dataset:
    """A dataset, its agreement and its provider."""

    alias: str
    agreement: str
    provider: str


@dataclass(frozen=True)
class File:
    """An object of a study; without a declaration it waits in quarantine."""

    sop: str
    series: str
    study: str
    elements: tuple[tuple[str, Any], ...]

    @cache  # noqa: B019 - played into several stores, and gone with the run
    def data(self) -> memoryview:
        """Its bytes."""
        return made(self.sop, study=self.study, series=self.series, **dict(self.elements))


class World:
    """The script that a seed makes."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.at = BEGIN
        self.acts: list[Act] = []
        self.datasets: list[Dataset] = []
        self.permitted: list[tuple[str, str]] = []
        self.studies: dict[str, Dataset] = {}
        self._install()
        for number in range(self.chance.randint(4, 6)):
            self._agree(number)
        self._deposits()
        self._govern()
        self._accesses()
        self.at += timedelta(seconds=1)  # what is asked of the stores comes after all that was played

    def play(self, runtime: Runtime, sight: Sight | None = None) -> None:
        """Play everything, or what is seen; then the worker does what is left."""
        for act in self.acts:
            if sight is None or act.seen(sight):
                runtime.clock.at = act.at  # type: ignore[attr-defined]
                act.play(runtime, sight)
        runtime.clock.at = self.at  # type: ignore[attr-defined]
        for chore in chores():
            if chore.name != "rebuild":
                chore.run(runtime)

    def _add(self, play: Callable[..., None], seen: Seen = lambda _sight: True, *, passes: bool = False) -> None:
        self.at += timedelta(seconds=self.chance.randint(1, 4000))
        self.acts.append(Act(self.at, play if passes else (lambda runtime, _sight: play(runtime)), seen))

    def _install(self) -> None:
        self._add(lambda r: publish_terms(r, ACTOR, builders.TERMS, b"Never for diagnosis.\n"))
        for name in ("n1", "n2"):
            node = {"kind": "folder", "hosting": "central", "url": name, "networks": ["127.0.0.0/8"]}
            self._add(partial(add_node, actor=ACTOR, name=name, **node))
        for key, role in PARTIES.items():
            seen = _anybody if role == "provider" else partial(self._knows, key)
            self._add(partial(add_party, actor=ACTOR, key=key, name=key.title(), role=role, approved=key != "startup"), seen)
        for who in {w.client: w for w in CALLERS.values() if w.client}.values():
            accepted = None if who.client == "newcomer" else builders.TERMS
            purposes = ("AIRESEARCH", "AITRAIN") if PARTIES[who.party or ""] == "user" else ()
            registered = {"party": who.party, "jwks": PUBLIC, "scopes": [EVERY], "purposes": purposes, "terms": accepted}
            node = "n1" if who.client == "compute" else None
            add = partial(add_client, actor=ACTOR, client_id=who.client, node=node, **registered)
            self._add(add, partial(_of_party, who.party))

    def _agree(self, number: int) -> None:
        chance, key, safe = self.chance, f"DSA-{number}", not number  # there is always something to see
        provider = chance.choice(PROVIDERS)
        dataset = Dataset(f"SET_{number}", key, provider)
        self.datasets.append(dataset)
        content = {
            "provider": provider,
            "node": "n1" if safe else chance.choice(("n1", "n1", "n2")),
            "terms": builders.TERMS,
            "starts": self.at - DAY,
            "ends": None if safe else chance.choice((None, None, None, BEGIN + timedelta(hours=chance.randint(60, 200)))),
            "access_class": "default" if safe else chance.choice(("default", "default", "conditional")),
            "listed": chance.random() < 0.7,
            "actions": [a for a, p in (("query", 0.8), ("process", 0.4), ("export", 0.3)) if safe or chance.random() < p],
            "visibility": chance.choice(("none", "preview", "full")),
            "purposes": [p for p, q in (("AIRESEARCH", 0.9), ("AITRAIN", 0.6)) if safe or chance.random() < q],
        }
        if content["access_class"] == "default" or "AIRESEARCH" not in content["purposes"]:  # no agreement grants export without
            content["actions"] = [a for a in content["actions"] if a != "export"]
        seen = partial(_of_dataset, dataset.alias)
        self._add(partial(add_agreement, actor=ACTOR, key=key, **content), seen)
        for verb in ("propose", "activate"):
            self._add(partial(move_agreement, actor=ACTOR, key=key, verb=verb), seen)
        self._add(partial(add_dataset, actor=ACTOR, alias=dataset.alias, agreement=key, title=f"Set {number}"), seen)
        if chance.random() < 0.7:
            self._add(
                partial(set_dataset, actor=ACTOR, alias=dataset.alias, details=builders.DETAILS | {"keyword": f"k{number}"}), seen
            )
        if content["access_class"] == "conditional":
            self._permits(dataset)

    def _permits(self, dataset: Dataset) -> None:
        for party in ("university", "clinic"):
            seen = partial(_of_permit, dataset, party)
            if self.chance.random() < 0.6:
                ends = self.chance.choice((None, None, self.at + timedelta(hours=2)))
                permit = {"actor": ACTOR, "alias": dataset.alias, "party": party}
                self.permitted.append((dataset.provider, party))
                self._add(partial(add_permit, **permit, ends=ends, export=party == "university"), seen)
                if self.chance.random() < 0.3:
                    self._add(partial(revoke_permit, **permit), seen)

    def _knows(self, party: str, sight: Sight) -> bool:
        """Of an organisation that is no provider: itself, the operator, and each provider that ever gave it a permit."""
        return _of_party(party, sight) or any(holder == party and _of_owner(p, sight) for p, holder in self.permitted)

    # --- deposits

    def _deposits(self) -> None:
        """Batches over all datasets, in any order, and now and then the documents."""
        batches = [d for d in self.datasets for _ in range(self.chance.randint(1, 2))]
        self.chance.shuffle(batches)
        for dataset in batches:
            files = [f for _ in range(self.chance.randint(2, 3)) for f in self._files(dataset)]
            self._add(partial(_deposit, dataset, files), partial(_of_dataset, dataset.alias), passes=True)
            if self.chance.random() < 0.5:
                self._add(rebuild)
        if self.chance.random() < 0.8:
            self._add(rebuild)

    def _files(self, dataset: Dataset) -> Iterator[File]:
        """The files of a new study, of one that grows, or of another dataset's; of a few people whom all datasets share."""
        chance = self.chance
        known = chance.random() < 0.2 and self.studies
        study = chance.choice(list(self.studies)) if known else f"1.2.{len(self.studies) + 3}"
        self.studies.setdefault(study, dataset)
        said = {
            "PatientID": chance.choice(("P1", "P2", "P3", "P4", "")),
            "PatientName": chance.choice(("DOE^JANE", "P1", "Müller^Eva")) if chance.random() < 0.1 else "ANON",
            "PatientSex": chance.choice(("M", "F", "F", "O", "", None)),
            "PatientAge": f"{chance.randint(20, 80):03}Y",
            "PatientBirthDate": chance.choice(("19600101", "", None)),
            "StudyDate": chance.choice(("20200101", "20200102", "20200229", "")),
            "StudyTime": chance.choice(("101500", "235959.5", None)),
            "AccessionNumber": chance.choice(("A1", "A2", None)),
            "StudyDescription": chance.choice(("Chest CT", "Head", "Tête", None)),
            "StudyID": chance.choice(("1", "2", None)),
        }
        for series in range(chance.randint(1, 2)):
            of_series = {
                "Modality": chance.choice(("CT", "MR", "PT")),
                "BodyPartExamined": chance.choice(("CHEST", "BREAST", "HEAD", None)),
                "Manufacturer": chance.choice(("SIEMENS", "GE", "Philips", None)),
                "SeriesNumber": chance.choice((1, 2, None)),
                "SeriesDescription": chance.choice(("Axial", None)),
            }
            for _ in range(chance.randint(1, 2)):
                declared = {} if chance.random() < 0.85 else {"PatientIdentityRemoved": None}
                number = len(self.acts) * 1000 + chance.randrange(1000)
                elements = said | of_series | {"InstanceNumber": chance.choice((1, 2, None))} | declared
                yield File(f"{study}.{series}.{number}", f"{study}.{series}", study, tuple(elements.items()))

    # --- what happens after

    def _govern(self) -> None:
        """Withdrawals, stops of either side, a node that is let go."""
        chance = self.chance
        for study in [s for s in self.studies if chance.random() < 0.15]:
            self._add(partial(_withdraw, study, self.datasets), passes=True)
        for dataset in self.datasets[1:]:
            seen = partial(_of_dataset, dataset.alias)
            for verb in chance.choice((*[()] * 6, ("suspend",), ("suspend",), ("suspend", "resume"), ("terminate",))):
                self._add(partial(move_agreement, actor=ACTOR, key=dataset.agreement, verb=verb), seen)
        if chance.random() < 0.2:
            self._add(partial(move_node, actor=ACTOR, name="n2", verb=chance.choice(("suspend", "unlink"))))

    def _accesses(self) -> None:
        """What was shown to whom, by search, by read and for use: of one dataset or of several at once."""
        studies = list(self.studies.items())
        for _ in range(self.chance.randint(4, 8)):
            shown = self.chance.sample(studies, min(self.chance.choice((0, 1, 1, 2, 4)), len(studies)))
            actor = self.chance.choice(("researcher", "clinician", "compute", "pacs-a", "pacs-b"))
            providers = frozenset(dataset.provider for _, dataset in shown)
            self._add(partial(_access, actor, shown), partial(_of_access, providers, actor), passes=True)


# --- who sees an act


def _anybody(_sight: Sight) -> bool:
    return True


def _of_owner(provider: str | None, sight: Sight) -> bool:
    """Of a provider's own, and the operator's."""
    return sight.who.role is Role.OPERATOR or (sight.who.role is Role.PROVIDER and sight.who.party == provider)


def _of_party(party: str | None, sight: Sight) -> bool:
    return sight.who.role is Role.OPERATOR or sight.who.party == party


def _of_dataset(alias: str, sight: Sight) -> bool:
    return sight.shows(alias)


def _of_permit(dataset: Dataset, party: str, sight: Sight) -> bool:
    return sight.shows(dataset.alias) and (_of_owner(dataset.provider, sight) or sight.who.party == party)


def _of_access(providers: frozenset[str], actor: str, sight: Sight) -> bool:
    owners = any(_of_owner(provider, sight) for provider in providers)
    return owners or sight.who.client == actor or sight.who.role is Role.OPERATOR


# --- acts that are played otherwise into what one caller sees


def _deposit(dataset: Dataset, files: list[File], runtime: Runtime, sight: Sight | None) -> None:
    batch = builders.batch(runtime, dataset.alias, provider=dataset.provider)
    for file in files:
        if sight is None or (file.sop in sight.objects and dataset.alias in sight.queried):
            take(runtime, batch, file.sop, file.data())
    close_batch(runtime, batch.id)


def _withdraw(study: str, datasets: list[Dataset], runtime: Runtime, sight: Sight | None) -> None:
    """The act stays in the ledger, for those who see it, and whose the study was in the record; it was never there itself."""
    if sight is None:
        with suppress(NotFound):  # nothing of it was ever taken
            withdraw_study(runtime, ACTOR, study)
        return
    with runtime.store.write() as connection:
        for key, patient, alias in sight.gone:
            if key == study_key(study) and alias in sight.queried:
                of = _dataset_id(connection, alias)
                connection.execute(t.tombstone.insert().values(key=key, patient=patient, dataset=of, at=stamp(runtime.clock())))
    for dataset in datasets:
        if sight.withdrawn.get(study) == dataset.alias and _of_owner(dataset.provider, sight):
            said = {"side": Side.PROVIDER, "reason": None, "circumstance": None, "until": runtime.clock()}
            _record(runtime, dataset, StudyWithdrawn(study=study, dataset=dataset.alias, objects=1, replace=False, **said), ACTOR)


def _dataset_id(connection: Connection, alias: str) -> int:
    row = datasets.find(connection, alias)
    assert row is not None
    return row.id


def _access(actor: str, shown: list[tuple[str, Dataset]], runtime: Runtime, sight: Sight | None) -> None:
    """Who asked for it was told all of it; a provider is told of its own, and not of what was asked."""
    own = sight is None or sight.who.client == actor or sight.who.role is Role.OPERATOR
    with runtime.store.read() as connection:
        ids = {key: parties.find_id(connection, key) for key in PROVIDERS}
    told = [(uid, dataset.provider) for uid, dataset in shown if own or _of_owner(dataset.provider, sight)]
    one = len(shown) == 1
    access = Access(
        at=runtime.clock(),
        subject=actor,
        action="process" if one else "query",
        purpose="AIRESEARCH",
        target=" ".join(uid for uid, _ in shown) if own or one else "",
        status=200 if shown else 404,
        count=len(shown) if own or one else 0,
        request=f"at {runtime.clock()}"[:32],
        interaction=Interaction.READ if one else Interaction.SEARCH,
        seen=tuple(
            Shown("ImagingStudy", [study_key(uid) for uid, whose in told if whose == provider], ids[provider])
            for provider in sorted({whose for _, whose in told})
        ),
    )
    runtime.accesses.note(access)
    runtime.accesses.flush()


def _record(runtime: Runtime, dataset: Dataset, entry: Entry, actor: str) -> None:
    with runtime.store.write() as connection:
        here = datasets.find(connection, dataset.alias)  # who used it may not see it any more
        about = About() if here is None else About(here.party, here.id)
        record(connection, entry, runtime.clock(), actor, about)


# --- what a caller may see


def sight_of(runtime: Runtime, who: Who) -> Sight:
    """By the policy's word on every dataset, and what the index and the ledger of the whole store hold."""
    with runtime.store.read() as connection:
        facts = runtime.governance.current(connection).facts
        subject = _subject(connection, who)
        visible = {
            a: visible_datasets(subject, a, who.purpose, facts, runtime.clock()).datasets for a in (Action.DISCOVER, Action.QUERY)
        }
        objects = frozenset(connection.execute(select(t.instance.c.sop_uid)).scalars())
        bodies = connection.execute(select(t.ledger_body.c.body).where(t.ledger_body.c.kind == StudyWithdrawn.KIND)).scalars()
        g = t.tombstone.c
        left = connection.execute(select(g.key, g.patient, t.dataset.c.alias).join(t.dataset, g.dataset == t.dataset.c.id))
        gone = frozenset((row.key, row.patient, row.alias) for row in left)
        withdrawn = {body["study"]: body["dataset"] for body in map(json.loads, bodies)}
    told = {action: frozenset(f.alias for f in facts if f.dataset in ids) for action, ids in visible.items()}
    own = frozenset(f.alias for f in facts if _of_owner(f.provider, Sight(who, *[frozenset()] * 4, {})))
    counted = told[Action.DISCOVER] if MATRIX[who.role][Action.DISCOVER] is Reach.LISTED else told[Action.QUERY]
    return Sight(who, told[Action.DISCOVER], counted, own, objects, withdrawn, gone, _stops_told(runtime, who, withdrawn, gone))


def _stops_told(
    runtime: Runtime, who: Who, withdrawn: Mapping[str, str], gone: frozenset[tuple[str, str, str]]
) -> frozenset[str]:
    """Descriptions by what anybody might see without the stop, images by what this caller might, or has used."""
    with runtime.store.read() as connection:
        facts, now = runtime.governance.current(connection).facts, runtime.clock()
        subject = _subject(connection, who)
        w, s = t.window.c, t.study.c
        used = set(connection.execute(select(w.dataset).where(w.subject == subject.id)).scalars())
        rows = connection.execute(select(s.dataset, s.study_uid, s.key, t.patient.c.key).join(t.patient)).all()
    free = [unstopped(each) for each in facts]
    asked = [(subject, Action.DISCOVER), (subject, Action.QUERY), (ANONYMOUS, Action.DISCOVER)]
    listed, queried, public = (visible_datasets(who_, a, who.purpose, free, now).datasets for who_, a in asked)
    names = {name for f in facts if f.dataset in listed | queried | public | used for name in (f.alias, f.agreement)}
    images = {f.alias for f in facts if f.dataset in queried | used}
    names |= {str(name) for dataset, *known in rows if dataset in queried | used for name in known}
    names |= {key for study, patient, alias in gone if alias in images for key in (study, patient)}
    return frozenset(names | {study for study, alias in withdrawn.items() if alias in images})


def _subject(connection: Connection, who: Who) -> Subject:
    if who.client is None:
        return FEDERATION if who.role is Role.FEDERATION else ANONYMOUS
    row = clients.find(connection, who.client)
    assert row is not None
    return identify.subject(row, inside=who.role is Role.INSIDE)
