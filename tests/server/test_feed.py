"""A harvester that follows the feed ends with exactly what it may see, and was never told of what it never could.

What happens is random, by seed: deposits, growth, withdrawals, studies that come back elsewhere, stops, permits that are given or
end or are taken back, purposes; and time, which makes no commit.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import select

from adapters.identity import Keys
from adapters.sql import tables as t
from consent.conditions import Action
from mappings.failures import Failure
from server.usecases import sights
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.client import set_client
from server.usecases.document import rebuild
from server.usecases.follow import TYPES
from server.usecases.identify import BearerToken, identify
from server.usecases.node import move_node
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.take import take
from server.usecases.withdraw import withdraw_study
from tests import builders
from tests.builders import ACTOR, made
from tests.house import CALLERS, House, build

DATASETS = {"LUNG": "hospital-a", "BREAST": "hospital-b"}
FOLLOWERS = ("user", "trainer", "narrow", "provider", "operator")
IMAGES = ("ImagingStudy", "Patient")
SCOPE = "system/ImagingStudy.rs system/Patient.rs"
WHO = {name: replace(CALLERS[name], scope=SCOPE) for name in ("user", "provider", "operator")}
WHO["trainer"] = replace(CALLERS["user"], purpose="AITRAIN")
WHO["narrow"] = replace(CALLERS["user"], scope="system/ImagingStudy.rs?modality:not=CT system/Patient.rs?gender=female")


@pytest.fixture(scope="module")
def signing(tmp_path_factory) -> Keys:
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@dataclass
class Acts:
    """Random acts on a house."""

    house: House
    chance: random.Random
    made: int = 0
    studies: dict[str, str] = field(default_factory=dict)

    def act(self) -> None:
        """Do something that may be refused."""
        acts: list[Callable[[], object]] = [self.deposit] * 5 + [self.grow, self.withdraw, self.stop, self.permit, self.register]
        with suppress(Failure):
            self.chance.choice(acts)()

    def wait(self) -> None:
        """Let time pass, and the worker publish."""
        if self.chance.random() < 0.8:
            self.house.runtime.clock.on(self.chance.choice((0, 0.0004, 2, 700)))
        if self.chance.random() < 0.7:
            rebuild(self.house.runtime)

    def deposit(self) -> None:
        self.made += 1
        elsewhere = self.chance.random() < 0.2 and self.studies
        self.take(
            self.chance.choice(sorted(self.studies)) if elsewhere else f"1.2.{self.made + 2}", self.chance.choice(list(DATASETS))
        )

    def grow(self) -> None:
        self.made += 1
        study = self.chance.choice(sorted(self.studies))
        self.take(study, self.studies[study])

    def take(self, study: str, alias: str) -> None:
        runtime, person = self.house.runtime, self.chance.choice(("P1", "P2", "P3"))
        batch = builders.batch(runtime, alias, provider=DATASETS[alias])
        said = {"PatientID": person, "PatientSex": self.chance.choice("MF"), "Modality": self.chance.choice(("CT", "MR", "MR"))}
        file = made(f"{study}.1.{self.made}", study=study, series=f"{study}.{self.made}", **said)
        if str(take(runtime, batch, "a", file).outcome) == "pass":
            self.studies[study] = alias
        close_batch(runtime, batch.id)

    def withdraw(self) -> None:
        withdraw_study(self.house.runtime, ACTOR, self.chance.choice(sorted(self.studies)), replace=self.chance.random() < 0.7)

    def stop(self) -> None:
        runtime, verb = self.house.runtime, self.chance.choice(("suspend", "resume", "resume"))
        if self.chance.random() < 0.3:
            move_node(runtime, ACTOR, "central", self.chance.choice(("suspend", "link", "link")))
        else:
            move_agreement(runtime, ACTOR, f"DSA-{self.chance.choice(list(DATASETS))}", verb)

    def permit(self) -> None:
        runtime, ends = self.house.runtime, self.house.runtime.clock() + timedelta(seconds=self.chance.choice((1, 500, 3000)))
        if self.chance.random() < 0.4:
            revoke_permit(runtime, ACTOR, "LUNG", "university")
        else:
            add_permit(runtime, ACTOR, "LUNG", "university", ends=self.chance.choice((None, ends, ends)))

    def register(self) -> None:
        purposes = self.chance.choice((("AIRESEARCH",), ("AIRESEARCH", "AITRAIN"), ("AIRESEARCH", "AITRAIN")))
        set_client(self.house.runtime, ACTOR, "researcher", purposes=purposes)


@dataclass
class Harvester:
    """A client that keeps what it is told: resources by type and id."""

    house: House
    name: str
    chance: random.Random
    kinds: tuple[str, ...]
    held: dict[str, dict] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    goes_on: str = ""

    def ask(self, path: str) -> dict:
        answer = self.house.ask("GET", path, WHO[self.name])
        assert answer.status_code == 200, answer.data
        return answer.json

    def begin(self) -> None:
        """By a plain search, from a moment before it; or by the feed itself."""
        if self.chance.random() < 0.5:
            self.goes_on = f"&_since={quote(self.house.runtime.clock().isoformat())}"
            for kind in self.kinds:
                self.held |= {f"{kind}/{r['id']}": kept(r) for r in self.searched(kind)}
            self.named |= self.held.keys()

    def searched(self, kind: str) -> Iterator[dict]:
        following = f"/fhir/R4/{kind}?_count={self.chance.choice((3, 1000))}"
        while following:
            page = self.ask(following)
            yield from (entry["resource"] for entry in page.get("entry", ()))
            following = next((local(link["url"]) for link in page["link"] if link["relation"] == "next"), "")

    def follow(self) -> None:
        """Everything since the last time, page by page."""
        count = self.chance.choice((1, 2, 5, 1000))
        following = f"/fhir/R4/_history?_count={count}{self.goes_on}" if self.goes_on[:1] in ("", "&") else self.goes_on
        while following:
            page = self.ask(following)
            for entry in page.get("entry", ()):
                self.keep(entry)
            following = next((local(link["url"]) for link in page["link"] if link["relation"] == "next"), "")
        if self.kinds != IMAGES or self.chance.random() < 0.5:  # descriptions have the moments of their own clock
            self.goes_on = f"&_since={quote(page['meta']['lastUpdated'])}"
        else:
            self.goes_on = next(local(link["url"]) for link in page["link"] if link["relation"] == "self")

    def keep(self, entry: dict) -> None:
        url = entry["request"]["url"]
        self.named.add(url)
        if entry["request"]["method"] == "DELETE":
            self.held.pop(url, None)
        else:
            self.held[url] = kept(entry["resource"])

    def sees(self) -> dict[str, dict]:
        """What it may see now, by searches."""
        return {f"{kind}/{r['id']}": kept(r) for kind in self.kinds for r in self.searched(kind)}


def kept(resource: dict) -> dict:
    """A resource; of a Provenance only that it is there, since which studies it names goes with the studies."""
    return {} if resource["resourceType"] == "Provenance" else resource


def local(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


@dataclass
class Witness:
    """What each caller could ever see of images, by the decisions and the index, asking no door."""

    house: House
    seen: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in FOLLOWERS})

    def look(self) -> None:
        runtime = self.house.runtime
        with runtime.store.read() as connection:
            for name in FOLLOWERS:
                caller = identify(runtime, BearerToken(self.house.token(WHO[name]), WHO[name].address), keys=self.house.keys)
                visible = runtime.visible_datasets(connection, caller, Action.QUERY).datasets
                rows = select(t.study.c.key, t.patient.c.key).join(t.patient, t.study.c.patient == t.patient.c.id)
                for study, patient in connection.execute(
                    rows.where(t.study.c.dataset.in_(visible), t.study.c.document.is_not(None))
                ):
                    self.seen[name] |= {f"ImagingStudy/{study}", f"Patient/{patient}"}


@pytest.mark.parametrize(("seed", "database"), [(26, "sqlite"), (4, "postgresql")])
def test_a_harvester_ends_with_exactly_what_it_may_see(tmp_path, signing, request, seed, database):
    url = request.getfixturevalue("emptied")() if database == "postgresql" else ""
    house, chance = build(tmp_path, signing, url=url, purposes=("AIRESEARCH", "AITRAIN")), random.Random(seed)
    acts, witness = Acts(house, chance), Witness(house)
    harvesters = [Harvester(house, name, chance, TYPES if name == "trainer" else IMAGES) for name in FOLLOWERS]
    for _ in range(6):
        acts.deposit()
    begun: list[Harvester] = []
    for _ in range(40):
        for step in (acts.act, acts.wait):
            step()
            witness.look()
        if harvesters and chance.random() < 0.2:
            begun.append(harvesters.pop())
            begun[-1].begin()
        for each in begun:
            if chance.random() < 0.2:
                each.follow()
        if chance.random() < 0.1:
            sights.renew(house.runtime)
    house.runtime.clock.on(60)
    rebuild(house.runtime)
    witness.look()
    for each in begun:
        each.follow()
        assert each.held == each.sees()
        assert {url for url in each.named if url.startswith(IMAGES)} <= witness.seen[each.name]
    house.runtime.close()
