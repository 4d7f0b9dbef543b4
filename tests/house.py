"""A whole HTTP door in this process: the real application on a seeded runtime, and every kind of caller with a real token.

It holds one study under hospital-a's agreement LUNG, which agrees to everything under conditions; the university holds a permit
that names export; hospital-b has BREAST.
"""

import io
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import Any

from flask import Flask
from joserfc.jwk import ECKey
from pydicom import dcmread
from werkzeug.test import TestResponse

from adapters.identity import Keys
from consent.subject import Role
from server.usecases import document, export, worker
from server.usecases.batch import close_batch
from server.usecases.client import add_client, set_client
from server.usecases.dataset import set_dataset
from server.usecases.party import add_party
from server.usecases.permit import add_permit
from server.usecases.runtime import Runtime
from server.usecases.take import take
from server.web import app
from server.worker.jobs import KINDS, work_off
from tests import builders

SAMPLE = "mr/emri_small.dcm"
CLOSE, FAR = "127.0.0.1", "192.0.2.7"
SECRET = "Secret federation"
EVERY = "system/*.cruds"


@dataclass(frozen=True)
class Who:
    """A kind of caller: the role and party it comes to have, its registered client (None: no token) and what its token says."""

    role: Role
    party: str | None = None
    client: str | None = None
    address: str = FAR
    purpose: str | None = None
    scope: str = EVERY
    header: str | None = None


_USER = {"party": "university", "client": "researcher", "purpose": "AIRESEARCH"}
CALLERS: dict[str, Who] = {
    "anonymous": Who(Role.ANONYMOUS),
    "federation": Who(Role.FEDERATION, header=SECRET),
    "user": Who(Role.USER, **_USER),
    "inside": Who(Role.INSIDE, **_USER | {"client": "compute"}, address=CLOSE),
    "inside-from-elsewhere": Who(Role.USER, **_USER | {"client": "compute"}),
    "provider": Who(Role.PROVIDER, "hospital-a", "pacs-a"),
    "other-provider": Who(Role.PROVIDER, "hospital-b", "pacs-b"),
    "operator": Who(Role.OPERATOR, "centre", "centre"),
}
"""The rows of the matrix, the provider and the compute client twice."""


@dataclass
class House:
    """The application, its runtime, and where its one study is."""

    runtime: Runtime
    keys: Keys
    flask: Flask
    study: str = ""
    series: str = ""
    instance: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    def token(self, who: Who) -> str:
        """A token as the token endpoint would make it, also for clients it would refuse."""
        base, now = self.runtime.settings.base_url, int(self.runtime.clock().timestamp())
        claims = {
            "iss": base,
            "aud": base,
            "sub": who.client,
            "client_id": who.client,
            "scope": who.scope,
            "iat": now,
            "exp": now + 300,
        }
        return self.keys.mint(claims | {"jti": "x"} | ({"purpose": who.purpose} if who.purpose else {}))

    def ask(
        self, method: str, path: str, who: Who = CALLERS["anonymous"], *, headers: dict[str, str] | None = None, **more: Any
    ) -> TestResponse:
        """The answer to one request of this caller, from its address."""
        proof = f"Bearer {self.token(who)}" if who.client else who.header
        given = ({"Authorization": proof} if proof else {}) | (headers or {})
        more.setdefault("environ_base", {"REMOTE_ADDR": who.address})
        return self.flask.test_client().open(path, method=method, headers=given, buffered=True, **more)

    def export(self) -> str:
        """The key of an export of hospital-a's that is done: the one before, where that is kept still."""
        who, asked = CALLERS["provider"], "/fhir/R4/$export"
        if "export" not in self.ids or self.ask("GET", f"{asked}/{self.ids['export']}", who).status_code != HTTPStatus.OK:
            begun = self.ask("GET", asked, who, headers={"Prefer": "respond-async"})
            self.ids["export"] = begun.headers["Content-Location"].rpartition("/")[2]
            work_off(self.runtime, export.KIND, KINDS[export.KIND], Event())
        return self.ids["export"]

    def batch(self) -> str:
        """The key of a new batch of hospital-a."""
        return builders.batch(self.runtime).key


def build(folder: Path, signing: Keys, *, permitted: bool = True, url: str = "", origins: str = "", **agreement: object) -> House:
    """A house whose agreement on LUNG is as given; the university's permit is there unless it is not `permitted`.

    Browsers on these `origins` may read what it answers.
    """
    runtime = builders.runtime(folder, url=url, clock=builders.Clock(), federation_secret=SECRET, origins=origins)
    conditions = {"access_class": "conditional", "actions": ("query", "process", "export"), "visibility": "full"}
    builders.seed(runtime, **conditions | {"purposes": ("AIRESEARCH",)} | agreement)
    builders.seed(runtime, alias="BREAST", provider="hospital-b")
    set_dataset(runtime, builders.ACTOR, "LUNG", builders.DETAILS)
    _clients(runtime)
    worker.beat(runtime)
    if permitted:
        add_permit(runtime, builders.ACTOR, "LUNG", "university", export=True)
    made = House(runtime, signing, app.create(runtime, signing))
    _fill(made)
    return made


def _clients(runtime: Runtime) -> None:
    for key, role, approved in (("university", "user", True), ("startup", "user", False), ("centre", "operator", True)):
        add_party(runtime, builders.ACTOR, key, key, role, approved=approved)
    public = {"keys": [ECKey.generate_key("P-384", auto_kid=True).as_dict(private=False)]}
    for client, party, node in (
        ("researcher", "university", None),
        ("compute", "university", "central"),
        ("unapproved", "startup", None),
        ("pacs-a", "hospital-a", None),
        ("pacs-b", "hospital-b", None),
        ("centre", "centre", None),
        ("disabled", "hospital-a", None),
    ):
        purposes = ("AIRESEARCH", "AITRAIN") if party in ("university", "startup") else ()
        registered = {
            "party": party,
            "node": node,
            "purposes": purposes,
            "terms": builders.TERMS,
            "scopes": [EVERY],
            "jwks": public,
        }
        add_client(runtime, builders.ACTOR, client, **registered)  # type: ignore[arg-type]
    set_client(runtime, builders.ACTOR, "disabled", enabled=False)


def _fill(house: House) -> None:
    batch = builders.batch(house.runtime)
    assert take(house.runtime, batch, SAMPLE, builders.sample(SAMPLE)).outcome == "pass"
    close_batch(house.runtime, batch.id)
    house.runtime.clock.on(10)  # type: ignore[attr-defined]
    document.rebuild(house.runtime)
    builders.described(house.runtime)
    read = dcmread(io.BytesIO(builders.sample(SAMPLE)), stop_before_pixels=True)
    house.study, house.series, house.instance = read.StudyInstanceUID, read.SeriesInstanceUID, read.SOPInstanceUID
    for kind in ("ImagingStudy", "Patient", "Consent", "Provenance", "Endpoint", "ResearchStudy", "Group"):
        entries = house.ask("GET", f"/fhir/R4/{kind}", CALLERS["provider"]).json["entry"]
        told = [e["resource"] for e in entries if kind != "Provenance" or "ImagingStudy/" in str(e["resource"]["target"])]
        house.ids[kind] = told[0]["id"]
    house.runtime.accesses.flush()
    house.ids["AuditEvent"] = house.ask("GET", "/fhir/R4/AuditEvent", CALLERS["provider"]).json["entry"][0]["resource"]["id"]
    house.ids["Organization"] = "hospital-a"
