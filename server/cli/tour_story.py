"""The story that the tour tells: what a hospital, a repository, a university and a company do with one another and with data."""

import mailbox
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx

from adapters.accord_client import AccordClient
from adapters.client_file import read_client
from adapters.offered import Offered
from server.cli import demo_data, tokens
from server.cli.demo_data import ACTOR
from server.cli.tour import SECONDS, STARTUP, Person, Step, Tour, be_so, eventually
from server.usecases import ledger
from server.usecases.dataset import add_dataset

KEY, ALIAS = "DSA-TOUR", "DEMO-TOUR"
AGREEMENT, STUDIES = f"/api/agreements/{KEY}", f"/datasets/{ALIAS}/dicom-web/studies"
CLEAN, DIRTY = "ct/lung_lctsc_ct01.dcm", "ct/CT_small.dcm"
CONTENT = {
    "node": "demo-node",
    "terms": demo_data.TERMS,
    "text": "DEMO: we share CT of lungs.",
    "actions": ["query", "process"],
    "visibility": "preview",
    "external": True,
    "modalities": ["CT"],
    "circumstances": ["security", "breach"],
}
DECLARED = {
    "declared": ["de-identified", "kept-apart", "own-backup"],
    "documents": [{"kind": kind, "name": f"DEMO {kind} 2026/17", "owner": "DEMO ethics board"} for kind in ("ethics", "dpia")],
}
NEXT = "DEMO terms of use, version 2.0.0\n\nAs before, and results are published openly. Nothing here is for diagnosis.\n"


def _code(tour: Tour, person: Person) -> str:
    """The one-time code that is mailed to somebody who asks to sign."""
    person.does("POST", f"{AGREEMENT}/codes")
    box, found = mailbox.Maildir(Path(tour.runtime.settings.mail_folder)), list[str]()

    def came() -> bool:
        mine = [m for m in box if str(m["To"]).startswith(f"demo-{person.name.lower()}@") and KEY in str(m["Subject"])]
        found.extend(str(m.get_payload()).strip() for m in mine)
        return bool(found)

    eventually("the code is mailed", came)
    return found[-1]


def _admitted(tour: Tour) -> Iterator[str]:
    """An external company is admitted: two operators decide, and one of them does not."""
    ada, grace = tour.who.ada, tour.who.grace
    asked = {"act": "admit-external", "arguments": {"party": STARTUP}, "reason": "they signed the terms for external users"}
    key = ada.does("POST", "/api/proposals", asked)["key"]
    alone = ada.asks("POST", f"/api/proposals/{key}/confirmation")
    be_so("nobody is their own second person", alone.status_code == httpx.codes.FORBIDDEN, alone.text)
    yield f"Ada proposes it; confirming it herself she is told: {alone.json()['detail']}"
    yield f"Grace confirms it: {grace.does('POST', f'/api/proposals/{key}/confirmation')['done']}."
    terms = ada.does("GET", "/api/documents")["documents"][0]
    said = {"kind": "general", "version": terms["version"], "sha256": terms["sha256"]}
    tour.who.rosa.does("POST", "/api/acceptances", said)
    yield f"Rosa, who works there, accepts the terms of use {terms['version']}, by the SHA-256 of their bytes."


def _agreed(tour: Tour) -> Iterator[str]:
    """The hospital applies, both sides sign, and the agreement is in force."""
    marie, lise, ada = tour.who.marie, tour.who.lise, tour.who.ada
    applied = {"key": KEY, "contacts": "Marie, data manager", "data": "CT of lungs", "deviations": "External users: yes."}
    yield f"Marie applies: {marie.does('POST', '/api/agreements', applied)['state']}."
    drafted = ada.does("POST", f"{AGREEMENT}/versions", CONTENT)
    state = marie.does("POST", f"{AGREEMENT}/acts", {"verb": "propose"})["state"]
    yield f"Ada drafts version {drafted['version']}, Marie proposes it: {state}."
    signed = {"name": "Lise D.", "code": _code(tour, lise)} | DECLARED
    yield f"Lise signs, by her name and a code she was mailed: {lise.does('POST', f'{AGREEMENT}/signatures', signed)['state']}."
    signed = {"name": "Ada L.", "code": _code(tour, ada)}
    yield f"Ada signs for the repository, so too: {ada.does('POST', f'{AGREEMENT}/signatures', signed)['state']}."
    told = lise.does("GET", f"{AGREEMENT}@1/verification")
    be_so("the signatures verify", told["broken"] == [], told)
    yield f"Both signatures bind {told['sha256'][:16]}…, the hash of every part, and verify."


def _pushed(tour: Tour) -> Iterator[str]:
    """The hospital pushes a clean study and one that still names its patient."""
    add_dataset(tour.runtime, ACTOR, ALIAS, KEY, "DEMO lungs of the tour", "DEMO: one CT of lungs, a public test image.")
    with AccordClient(read_client(tour.files["provider"])) as accord:
        batch = accord.open_batch(ALIAS)
        files = [tour.samples / "dicom" / name for name in (CLEAN, DIRTY)]
        accord.send(batch, [Offered(file.name, file, file.stat().st_size) for file in files])
        told = accord.close_batch(batch)
    outcomes = told["outcomes"]
    be_so("one is taken and one refused", (outcomes["pass"], outcomes["reject"]) == (1, 1), outcomes)
    (rule,) = (each for each in told["rules"] if each["outcome"] == "reject")
    yield f"One is taken, the other refused before it is kept: {rule['sentence'].partition('. ')[0]}."


def _used(tour: Tour) -> Iterator[str]:
    """A researcher of the university and one of the company find it, and look."""
    for person in (tour.who.alan, tour.who.rosa):
        eventually(f"{person.name} finds the study", partial(_finds, person))
        picture = person.asks("GET", f"{STUDIES}/{_study(person)}/thumbnail")
        be_so(f"{person.name} sees a preview", picture.headers.get("Content-Type") == "image/jpeg", picture.text[:200])
        yield f"{person.name} finds 1 study and sees a preview of {len(picture.content)} bytes, which is in the record."
    path, base = f"{STUDIES}/{_study(tour.who.alan)}", tour.runtime.settings.base_url
    bearer = {"Authorization": f"Bearer {tokens.fetch(tour.files['inside'])}"}
    whole, out = httpx.get(base + path, headers=bearer, timeout=SECONDS), tour.who.alan.asks("GET", path)
    be_so("whole objects are for who computes at the node", (whole.status_code, out.status_code) == (200, 403), out.text)
    yield f"A training run at the node takes the whole object, {len(whole.content)} bytes. Alan may not: {out.json()['detail']}"


def _finds(person: Person) -> bool:
    return person.sees(STUDIES) == 1


def _study(person: Person) -> str:
    return str(person.asks("GET", STUDIES).json()[0]["0020000D"]["Value"][0])


def _renewed(tour: Tour) -> Iterator[str]:
    """New terms take effect; until the hospital accepts, the company is out and the university goes on."""
    who = tour.who
    document = {"kind": "general", "version": "2.0.0", "text": NEXT, "renewal": "yes"}
    asked = {"act": "publish", "arguments": document, "reason": "open publication of results"}
    key = who.ada.does("POST", "/api/proposals", asked)["key"]
    yield f"Ada proposes, Grace confirms: {who.grace.does('POST', f'/api/proposals/{key}/confirmation')['done'][:40]}…"
    be_so("the external user is denied, the beneficiary not", (who.rosa.sees(STUDIES), who.alan.sees(STUDIES)) == (0, 1))
    yield "Rosa finds nothing any more; Alan finds what he found before."
    notices = who.lise.does("GET", "/api/notices")["notices"]
    be_so("the hospital is told", any("2.0.0" in notice["title"] for notice in notices), notices)
    who.lise.does("POST", "/api/terms-tasks/2.0.0", {"party": "demo-hospital", "answer": "accept"})
    be_so("users accept too", who.alan.sees(STUDIES) == 0)
    yield "Lise accepts for the hospital. Its data is now under 2.0.0, which users have not accepted yet: nobody finds it."
    (sha256,) = (each["sha256"] for each in who.ada.does("GET", "/api/documents")["documents"] if each["version"] == "2.0.0")
    for person in (who.alan, who.rosa):
        person.does("POST", "/api/acceptances", {"kind": "general", "version": "2.0.0", "sha256": sha256})
    be_so("both find it", (who.alan.sees(STUDIES), who.rosa.sees(STUDIES)) == (1, 1))
    yield "Alan and Rosa accept too, and both find it again."


def _stopped(tour: Tour) -> Iterator[str]:
    """Either side stops at once, and only who stopped goes on."""
    who, study = tour.who, _study(tour.who.alan)
    who.lise.does("POST", f"{AGREEMENT}/acts", {"verb": "suspend"})
    gone = who.alan.asks("GET", f"/dicom-web/studies/{study}/metadata")
    be_so("who used it is told", gone.status_code == httpx.codes.GONE, gone.text)
    yield f"Lise stops, without a reason. Alan is told: {gone.status_code}, {gone.json()['detail']}"
    other = who.ada.asks("POST", f"{AGREEMENT}/acts", {"verb": "resume"})
    be_so("the other side does not lift it", other.status_code == httpx.codes.CONFLICT, other.text)
    yield f"Ada can't lift that: {other.json()['detail']}"
    who.lise.does("POST", f"{AGREEMENT}/acts", {"verb": "resume"})
    bare = who.ada.asks("POST", f"{AGREEMENT}/acts", {"verb": "suspend"})
    be_so("the repository cites a circumstance", bare.status_code == httpx.codes.BAD_REQUEST, bare.text)
    who.ada.does("POST", f"{AGREEMENT}/acts", {"verb": "suspend", "circumstance": "security"})
    be_so("nothing is found", who.alan.sees(STUDIES) == 0)
    who.ada.does("POST", f"{AGREEMENT}/acts", {"verb": "resume"})
    be_so("it is found again", who.alan.sees(STUDIES) == 1)
    yield "Lise goes on. Ada stops too, once she cites a circumstance that the agreement lists, and goes on."


def _withdrawn(tour: Tour) -> Iterator[str]:
    """The hospital takes the study back; two operators purge it before its grace ends."""
    who, study = tour.who, _study(tour.who.alan)
    who.marie.does("POST", "/api/withdrawals", {"study": study})
    gone = who.alan.asks("GET", f"/dicom-web/studies/{study}/metadata")
    be_so("who used it is told", gone.status_code == httpx.codes.GONE, gone.text)
    yield f"Marie withdraws it. Alan is told: {gone.status_code}, {gone.json()['detail']}"
    asked = {"act": "purge", "arguments": {"study": study}, "reason": "legal erasure"}
    key = who.ada.does("POST", "/api/proposals", asked)["key"]
    yield f"Ada proposes to purge it now, Grace confirms: {who.grace.does('POST', f'/api/proposals/{key}/confirmation')['done']}."
    path = f"/api/studies/{study}/receipts"
    eventually("the receipt is written", lambda: who.marie.asks("GET", path).status_code == httpx.codes.OK)
    (receipt,) = who.marie.does("GET", path)["receipts"]
    takers = ", ".join(receipt["takers"]) or "nobody"
    yield f"Marie's receipt: 1 file, SHA-256 {receipt['files'][0][:16]}…; whole objects had gone to {takers}."


def _verified(tour: Tour) -> Iterator[str]:
    """The record is recomputed, from its first entry."""
    checked = ledger.verify(tour.runtime)
    be_so("the record verifies", not checked.broken, checked.broken)
    yield f"{checked.entries} entries and {checked.roots} roots, all as recorded."


STORY: tuple[Step, ...] = (_admitted, _agreed, _pushed, _used, _renewed, _stopped, _withdrawn, _verified)
