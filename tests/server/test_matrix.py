"""Every route as every caller: what is answered follows from the matrix and from the action this table gives the route.

The table is the design's ("Who may do what"), not the code's: a route without a row fails, so does one whose declaration differs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum

import pytest
from flask import Flask
from msgspec import structs

from adapters.identity import Keys
from adapters.sql import deadline
from consent.conditions import Action
from consent.policy import MATRIX, SENTENCES, Reach
from consent.subject import Role
from mappings.failures import Full
from mappings.fhir.resources import RESOURCES
from server.usecases import federate, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.client import set_client
from server.usecases.node import move_node
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.withdraw_dataset import withdraw_dataset
from server.web import app as web
from server.web import context
from server.web.bulkheads import Bulkhead
from tests import builders
from tests.house import CALLERS, CLOSE, SAMPLE, SECRET, House, Who, build


class Kind(Enum):
    """What a route gives, and so how it says no."""

    OPEN = "the same to everybody"
    SECRET = "to who sends the federation's secret"
    OBJECT = "of one study: 404 to who may not discover its dataset, 403 to who may not do that"
    ROWS = "of the datasets in sight: nothing to the others"
    DIRECTORY = "to every known caller"
    RECORD = "of what was answered: to who asked, whose data it was, and the operator"
    TAKES = "into a dataset: 403 to who never may, 404 to other providers"
    BATCH = "into or about one batch: 404 to everybody else"
    EXPORT = "what may leave, later: 403 to who may have nothing"
    GROUP = "what may leave of one dataset, later: 404 to who may not discover it, 403 to who may not have it"
    EXPORTED = "an export of one's own: 404 to everybody else"
    BATCHES = "the batches of one's own: 403 to who never has any"
    ONESELF = "an act of whoever asks, about itself or by the role it has: its use case says what becomes of it"
    OWN = "of the dealings of one's own organisation, and of all to the operator: nothing to the others"
    REPOSITORY = "an act of the repository's people: 403 to every client"
    NEVER = "of one thing that is not there: 404"
    OWN_ONE = "one of them: 404 to everybody else"
    ACT = "an act of a person's, by the table of roles (test_people.py): no program's"
    PERSON = "a person's own: 403 to programs"
    OWN_ACT = "an act on what is one's own, by who has the role for it: 404 to everybody else"
    ASKS = "a question to other repositories: 403 to who is neither an approved user nor the operator"
    CHECKS = "what a person may use: 403 to who is neither inside nor the operator"
    APPLIES = "an organisation's application: 403 to who is no provider's"


@dataclass(frozen=True)
class Row:
    """A route of the design: its action, what it gives, what it answers with a yes, and which FHIR resource it reads."""

    action: Action
    kind: Kind
    yes: tuple[int, ...] = (200,)
    resource: str = ""


A = Action
_STUDY = "/dicom-web/studies/<uid:study>"
_SERIES = f"{_STUDY}/series/<series>"
_INSTANCE = f"{_SERIES}/instances/<instance>"
_DATASET = "/datasets/<alias>/dicom-web"
_REFUSED = (400, 401)  # the token endpoint is open, and refuses an empty form in its own words
ROUTES: dict[str, Row] = {
    "GET /fhir/R4/metadata": Row(A.DISCOVER, Kind.OPEN),
    "GET /fhir/R4/.well-known/smart-configuration": Row(A.DISCOVER, Kind.OPEN),
    "GET /.well-known/oauth-authorization-server": Row(A.DISCOVER, Kind.OPEN),
    "GET /oauth/jwks": Row(A.DISCOVER, Kind.OPEN),
    "POST /oauth/token": Row(A.DISCOVER, Kind.OPEN, _REFUSED),
    "POST /oauth/introspect": Row(A.DISCOVER, Kind.OPEN, _REFUSED),
    "GET /catalogue": Row(A.DISCOVER, Kind.OPEN),
    "GET /catalogue/datasets/<alias>": Row(A.DISCOVER, Kind.OPEN),
    "GET /fdp": Row(A.DISCOVER, Kind.OPEN),
    "GET /fdp/catalogue": Row(A.DISCOVER, Kind.OPEN),
    "GET /terms": Row(A.DISCOVER, Kind.OPEN),
    "GET /ledger/entries/<int:entry>": Row(A.DISCOVER, Kind.OPEN),
    "GET /terms/<version>": Row(A.DISCOVER, Kind.OPEN),
    "GET /terms/<version>/changes": Row(A.DISCOVER, Kind.OPEN),
    "GET /documents": Row(A.DISCOVER, Kind.OPEN),
    "GET /documents/<kind>": Row(A.DISCOVER, Kind.OPEN),
    "GET /documents/<kind>/<version>": Row(A.DISCOVER, Kind.OPEN),
    "GET /documents/<kind>/<version>/changes": Row(A.DISCOVER, Kind.OPEN),
    "GET /health/live": Row(A.DISCOVER, Kind.OPEN),
    "GET /health/ready": Row(A.DISCOVER, Kind.OPEN),
    "POST /api/datasets/eucaimSearch": Row(A.DISCOVER, Kind.SECRET),
    "GET /dicom-web/studies": Row(A.QUERY, Kind.ROWS),
    "GET /dicom-web/series": Row(A.QUERY, Kind.ROWS),
    f"GET {_STUDY}/series": Row(A.QUERY, Kind.ROWS),
    "GET /dicom-web/instances": Row(A.QUERY, Kind.ROWS),
    f"GET {_STUDY}/instances": Row(A.QUERY, Kind.ROWS),
    f"GET {_SERIES}/instances": Row(A.QUERY, Kind.ROWS),
    f"GET {_STUDY}/metadata": Row(A.QUERY, Kind.OBJECT),
    f"GET {_SERIES}/metadata": Row(A.QUERY, Kind.OBJECT),
    f"GET {_INSTANCE}/metadata": Row(A.QUERY, Kind.OBJECT),
    f"GET {_STUDY}": Row(A.EXPORT, Kind.OBJECT),
    f"GET {_SERIES}": Row(A.EXPORT, Kind.OBJECT),
    f"GET {_INSTANCE}": Row(A.EXPORT, Kind.OBJECT),
    f"GET {_INSTANCE}/frames/<frames>": Row(A.EXPORT, Kind.OBJECT),
    f"GET {_INSTANCE}/bulkdata/<path:element>": Row(A.EXPORT, Kind.OBJECT),
    f"GET {_INSTANCE}/rendered": Row(A.PREVIEW, Kind.OBJECT),
    f"GET {_INSTANCE}/frames/<int:frame>/rendered": Row(A.PREVIEW, Kind.OBJECT),
    f"GET {_INSTANCE}/thumbnail": Row(A.PREVIEW, Kind.OBJECT),
    f"GET {_INSTANCE}/frames/<int:frame>/thumbnail": Row(A.PREVIEW, Kind.OBJECT),
    f"GET {_SERIES}/thumbnail": Row(A.PREVIEW, Kind.OBJECT),
    f"GET {_STUDY}/thumbnail": Row(A.PREVIEW, Kind.OBJECT),
    "POST /dicom-web/studies": Row(A.DEPOSIT, Kind.TAKES),
    f"POST {_STUDY}": Row(A.DEPOSIT, Kind.TAKES),
    "POST /api/batches": Row(A.DEPOSIT, Kind.TAKES, (201,)),
    "PATCH /api/batches/<key>": Row(A.DEPOSIT, Kind.BATCH),
    "POST /api/batches/<key>/known": Row(A.DEPOSIT, Kind.BATCH),
    "POST /api/withdrawals": Row(A.WITHDRAW, Kind.TAKES),
    "GET /api/batches": Row(A.DISCOVER, Kind.BATCHES),
    "GET /api/batches/<key>": Row(A.DISCOVER, Kind.BATCH),
    "GET /api/openapi.json": Row(A.DISCOVER, Kind.OPEN),
    "GET /api/people": Row(A.DISCOVER, Kind.OWN),
    "POST /api/people": Row(A.GOVERN, Kind.ACT),
    **{f"POST /api/people/<key>/{path}": Row(A.GOVERN, Kind.ACT) for path in ("invitation", "roles", "roles/end")},
    **{f"POST /api/people/<key>/{path}": Row(A.GOVERN, Kind.ACT) for path in ("block", "unblock", "sign-out")},
    "GET /api/sessions": Row(A.DISCOVER, Kind.PERSON),
    "DELETE /api/sessions/<key>": Row(A.GOVERN, Kind.PERSON),
    "GET /api/studies/<uid:study>/stop": Row(A.DISCOVER, Kind.NEVER),
    "GET /api/datasets/<alias>": Row(A.DISCOVER, Kind.OPEN),
    "GET /api/datasets/<alias>/publications": Row(A.DISCOVER, Kind.OPEN),
    "POST /api/datasets/<alias>/publications": Row(A.GOVERN, Kind.OWN_ACT, (400,)),
    "POST /api/datasets/<alias>/publications/<key>/doi": Row(A.GOVERN, Kind.OWN_ACT, (404,)),
    "POST /api/datasets/<alias>/publications/<key>/removal": Row(A.GOVERN, Kind.OWN_ACT, (404,)),
    "GET /api/datasets/<alias>/stop": Row(A.DISCOVER, Kind.OPEN, (404,)),
    "GET /api/studies/<uid:study>/receipts": Row(A.DISCOVER, Kind.NEVER),
    "POST /api/studies/<uid:study>/restoration": Row(A.WITHDRAW, Kind.TAKES, (404,)),
    "POST /api/datasets/<alias>/withdrawal": Row(A.WITHDRAW, Kind.OWN_ACT, (400,)),
    "POST /api/datasets/<alias>/restoration": Row(A.WITHDRAW, Kind.OWN_ACT, (409,)),
    "GET /api/exclusions": Row(A.DISCOVER, Kind.REPOSITORY),
    "POST /api/exclusions": Row(A.GOVERN, Kind.REPOSITORY),
    "POST /api/exclusions/lift": Row(A.GOVERN, Kind.REPOSITORY),
    "GET /api/proposals": Row(A.DISCOVER, Kind.OWN),
    "POST /api/proposals": Row(A.GOVERN, Kind.REPOSITORY),
    "POST /api/proposals/<key>/confirmation": Row(A.GOVERN, Kind.NEVER),
    "POST /api/proposals/<key>/refusal": Row(A.GOVERN, Kind.NEVER),
    "GET /api/notices": Row(A.DISCOVER, Kind.OWN),
    "POST /api/notices": Row(A.GOVERN, Kind.REPOSITORY),
    "POST /api/notices/<int:number>/acknowledgement": Row(A.GOVERN, Kind.NEVER),
    "GET /api/agreements": Row(A.DISCOVER, Kind.OWN),
    "GET /api/documents": Row(A.DISCOVER, Kind.OPEN),
    "GET /api/acceptances": Row(A.DISCOVER, Kind.OWN),
    "POST /api/acceptances": Row(A.GOVERN, Kind.ONESELF, (409,)),
    "GET /api/terms-tasks": Row(A.DISCOVER, Kind.OWN),
    "POST /api/terms-tasks/<version>": Row(A.GOVERN, Kind.ONESELF, (403,)),
    "GET /api/agreements/<key>": Row(A.DISCOVER, Kind.OWN_ONE),
    "GET /api/agreements/<key>/verification": Row(A.DISCOVER, Kind.OWN_ONE),
    "POST /api/agreements": Row(A.GOVERN, Kind.APPLIES, (409,)),
    "POST /api/agreements/<key>/versions": Row(A.GOVERN, Kind.OWN_ACT, (400,)),
    "POST /api/agreements/<key>/acts": Row(A.GOVERN, Kind.OWN_ACT, (409,)),
    "POST /api/agreements/<key>/codes": Row(A.GOVERN, Kind.OWN_ACT, (403,)),
    "POST /api/agreements/<key>/signatures": Row(A.GOVERN, Kind.OWN_ACT, (403,)),
    "GET /api/dataset-moves": Row(A.DISCOVER, Kind.OWN),
    "POST /api/datasets/<alias>/moves": Row(A.GOVERN, Kind.OWN_ACT, (403,)),
    "POST /api/datasets/<alias>/moves/answer": Row(A.GOVERN, Kind.OWN_ACT, (403,)),
    "POST /api/datasetAccessCheck": Row(A.DISCOVER, Kind.CHECKS, (403,)),
    "POST /api/federation/queries": Row(A.DISCOVER, Kind.ASKS, (409,)),
    "GET /api/federation/queries/<key>": Row(A.DISCOVER, Kind.ASKS, (404,)),
    "DELETE /api/federation/queries/<key>": Row(A.DISCOVER, Kind.ASKS, (404,)),
    "GET /api/batches/<key>/waiting": Row(A.DISCOVER, Kind.OWN_ACT, (409,)),
    "POST /api/batches/<key>/refusal": Row(A.GOVERN, Kind.OWN_ACT, (409,)),
    "POST /api/batches/<key>/release": Row(A.GOVERN, Kind.OWN_ACT, (403,)),
}
_FORMS = ("sign-in", "sign-in/code", "sign-in/openid", "sign-out", "account/role", "account/sessions/end", "device")
_FORMS = (*_FORMS, "device/answer", "invitation/<token>", "invitation/<token>/openid", "demo/<token>")
ROUTES |= {f"POST /{path}": Row(A.DISCOVER, Kind.OPEN, (403,)) for path in _FORMS}  # no form of ours without its token
_PAGES = {"sign-in": 200, "demo/<token>": 404, "invitation/<token>": 410} | dict.fromkeys(
    ("sign-in/code", "sign-in/openid/return", "account", "device"), 303
)
ROUTES |= {f"GET /{path}": Row(A.DISCOVER, Kind.OPEN, (status,)) for path, status in _PAGES.items()}
ROUTES |= {f"POST /oauth/{path}": Row(A.DISCOVER, Kind.OPEN, _REFUSED) for path in ("device", "revoke")}
ROUTES |= {f"{rule}/count": row for rule, row in ROUTES.items() if row == Row(A.QUERY, Kind.ROWS) and "dicom-web" in rule}
_KICKOFFS = {"$export": Kind.EXPORT, "Patient/$export": Kind.EXPORT, "Group/<identity>/$export": Kind.GROUP}
for _method in ("GET", "POST"):
    ROUTES |= {f"{_method} /fhir/R4/{rule}": Row(A.EXPORT, kind, (202,), "Group") for rule, kind in _KICKOFFS.items()}
ROUTES |= {
    "GET /fhir/R4/$export/<key>": Row(A.EXPORT, Kind.EXPORTED),
    "GET /fhir/R4/$export/<key>/<int:number>": Row(A.EXPORT, Kind.EXPORTED),
    "DELETE /fhir/R4/$export/<key>": Row(A.EXPORT, Kind.EXPORTED, (202,)),
}
for _name, _action in (
    ("ImagingStudy", A.QUERY),
    ("Patient", A.QUERY),
    ("Consent", A.DISCOVER),
    ("Provenance", A.DISCOVER),
    ("Endpoint", A.DISCOVER),
    ("Organization", A.DISCOVER),
    ("ResearchStudy", A.DISCOVER),
    ("Group", A.QUERY),
    ("AuditEvent", A.DISCOVER),
):
    _kind = {"organisations": Kind.DIRECTORY, "accesses": Kind.RECORD}.get(RESOURCES[_name].source, Kind.ROWS)
    ROUTES |= {
        f"GET /fhir/R4/{_name}": Row(_action, _kind, resource=_name),
        f"POST /fhir/R4/{_name}/_search": Row(_action, _kind, resource=_name),
        f"GET /fhir/R4/{_name}/<identity>": Row(_action, _kind, resource=_name),
    }
    if RESOURCES[_name].is_harvested:
        _histories = (f"GET /fhir/R4/{_name}/_history", f"GET /fhir/R4/{_name}/<identity>/_history")
        ROUTES |= {_route: Row(_action, _kind, resource=_name) for _route in _histories}
for _name in ("ImagingStudy", "Provenance", "AuditEvent"):
    _row = ROUTES[f"GET /fhir/R4/{_name}"]
    ROUTES |= {
        f"GET /fhir/R4/Patient/<patient>/{_name}": _row,
        f"POST /fhir/R4/Patient/<patient>/{_name}/_search": _row,
    }
for _name in ("ImagingStudy", "Consent", "Provenance"):
    ROUTES |= {f"GET /fhir/R5/{_path}": ROUTES[f"GET /fhir/R4/{_path}"] for _path in (_name, f"{_name}/<identity>")}
_RESOURCES = ["/dicom-web", *(route.partition(" ")[2] for route in ROUTES if " /dicom-web/" in route)]
ROUTES |= {f"OPTIONS {path}": Row(A.DISCOVER, Kind.OPEN) for path in _RESOURCES}
ROUTES |= {route.replace("/dicom-web", _DATASET): row for route, row in ROUTES.items() if " /dicom-web" in route}
ROUTES["GET /fhir/R5/metadata"] = Row(A.DISCOVER, Kind.OPEN)
_CANONICALS = [name for name, row in RESOURCES.items() if row.is_public]
ROUTES |= {f"GET /fhir/R4/{name}": Row(A.DISCOVER, Kind.OPEN) for name in _CANONICALS}
ROUTES |= {f"POST /fhir/R4/{name}/_search": Row(A.DISCOVER, Kind.OPEN) for name in _CANONICALS}
ROUTES |= {f"GET /fhir/R4/{name}/<identity>": Row(A.DISCOVER, Kind.OPEN, (404,)) for name in _CANONICALS}
for _rule in ("ConceptMap/$translate", "ConceptMap/<identity>/$translate"):
    ROUTES |= {f"{method} /fhir/R4/{_rule}": Row(A.DISCOVER, Kind.OPEN, (400,)) for method in ("GET", "POST")}
ROUTES["GET /fhir/R4/Consent/<identity>/_history/<version>"] = ROUTES["GET /fhir/R4/Consent/<identity>"]
ROUTES["GET /fhir/R4/_history"] = Row(A.DISCOVER, Kind.DIRECTORY)
IMAGES = {route for route, row in ROUTES.items() if row.kind in (Kind.OBJECT, Kind.ROWS) and row.action is not A.DISCOVER}
"""The routes that give images, or say which there are."""
BODIES: dict[str, dict[str, object]] = {
    "POST /api/batches": {"json": {"dataset": "LUNG"}},
    # refused for other bytes than were published, and for who signs nothing: nothing is changed
    "POST /api/acceptances": {"json": {"kind": "general", "version": "1.0.0", "sha256": "0" * 64}},
    "POST /api/terms-tasks/<version>": {"json": {"party": "hospital-a", "answer": "accept"}},
    "PATCH /api/batches/<key>": {"json": {"status": "closed"}},
    "POST /api/batches/<key>/known": {"json": {"files": []}},
    # each is refused for what it asks, once who asks it may: nothing is changed
    "POST /api/agreements": {"json": {"key": "DSA-LUNG", "contacts": "x", "data": "x"}},
    "POST /api/agreements/<key>/versions": {"json": {"node": "central", "terms": "1.0.0", "data_use": ["CC"]}},
    "POST /api/agreements/<key>/acts": {"json": {"verb": "propose"}},
    "POST /api/agreements/<key>/signatures": {"json": {"name": "Sam", "code": "x"}},
    "POST /api/datasets/<alias>/moves": {"json": {"agreement": "DSA-LUNG"}},
    "POST /api/datasets/<alias>/moves/answer": {"json": {"verb": "confirm"}},
    "POST /api/datasetAccessCheck": {"json": {"userName": "nobody", "datasets": ["LUNG"]}},
    "POST /api/federation/queries": {"json": {"modality": ["MR"]}},  # there is nobody to ask
    "POST /api/batches/<key>/refusal": {"json": {}},
    "POST /api/batches/<key>/release": {"json": {}},
    "POST /api/datasets/eucaimSearch": {"json": {"ast": {"operand": "OR", "children": []}, "id": "1"}},
    # each is refused for what it asks, once who asks it may: nothing is changed
    "POST /api/datasets/<alias>/withdrawal": {"json": {"circumstance": "breach"}},
    "POST /api/datasets/<alias>/restoration": {"json": {}},
    "POST /api/datasets/<alias>/publications": {"json": {"title": " ", "summary": "x"}},
    "POST /api/datasets/<alias>/publications/<key>/doi": {"json": {}},
    "POST /api/studies/<uid:study>/restoration": {"json": {}},
    "POST /api/exclusions": {"json": {"kind": "party", "key": "university", "circumstance": "breach"}},
    "POST /api/exclusions/lift": {"json": {"kind": "party", "key": "university"}},
    "POST /api/proposals": {"json": {"act": "purge", "arguments": {"study": "1.2.3"}, "reason": "why"}},
    "POST /api/proposals/<key>/refusal": {"json": {"reason": "why"}},
    "POST /api/notices": {"json": {"kind": "change", "title": "New address"}},
    "POST /dicom-web/studies": {
        "query_string": {"dataset": "LUNG"},
        "data": bytes(builders.sample(SAMPLE)),
        "headers": {"Content-Type": "application/dicom"},
    },
}
BODIES["POST /api/people"] = {"json": {"key": "eve", "name": "Eve", "role": "operator"}}
_ROLES = {f"POST /api/people/<key>/{path}": {"json": {"role": "operator"}} for path in ("roles", "roles/end")}
BODIES |= _ROLES | {f"POST /{path}": {"data": {"name": "ada"}} for path in _FORMS}
BODIES |= {r: BODIES["POST /dicom-web/studies"] for r in ROUTES if r.startswith("POST") and "/dicom-web/" in r}
BODIES |= {r: {"headers": {"Prefer": "respond-async"}} for r, row in ROUTES.items() if row.kind in (Kind.EXPORT, Kind.GROUP)}


@pytest.fixture(scope="module")
def signing(tmp_path_factory) -> Keys:
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture(scope="module")
def house(tmp_path_factory, signing) -> Iterator[House]:
    """One house for the walk: nothing in it stops anything."""
    made = build(tmp_path_factory.mktemp("house"), signing)
    yield made
    made.runtime.close()


@pytest.fixture
def fresh(tmp_path, signing) -> Iterator[House]:
    """A house of one's own, to stop things in."""
    made = build(tmp_path, signing)
    yield made
    made.runtime.close()


def routes(app: Flask) -> dict[str, str]:
    """`METHOD rule` → endpoint, of every route there is."""
    automatic = {"HEAD"}
    return {f"{method} {rule.rule}": rule.endpoint for rule in app.url_map.iter_rules() for method in rule.methods - automatic}


def undeclared(app: Flask) -> list[str]:
    return [route for route, endpoint in routes(app).items() if context.declaration(app, endpoint) is None]


def path_of(house: House, route: str) -> str:
    path = route.partition(" ")[2]
    path = path.replace("<token>", "none")
    if "/people/" in path or "/sessions/" in path:
        path = path.replace("<key>", "ada")
    if "/agreements/" in path:
        path = path.replace("<key>", "DSA-LUNG")
    if "<key>" in path:
        path = path.replace("<key>", house.export() if "$export" in path else house.batch())
    named = {
        "uid:study": house.study,
        "series": house.series,
        "instance": house.instance,
        "int:frame": "1",
        "frames": "1,2",
        "path:element": "7FE00010",
        "int:entry": "1",
        "int:number": "1",
        "alias": "LUNG",
        "version": "3" if "/Consent/" in path else builders.TERMS,  # a Consent has it since its agreement is active
        "kind": "general",
        "patient": house.ids.get("Patient", ""),
    }
    for name, value in (named | {"identity": house.ids.get(ROUTES[route].resource, "none")}).items():
        path = path.replace(f"<{name}>", value)
    return path


def answer(house: House, route: str, who: Who):
    bodies = BODIES | {"POST /api/withdrawals": {"json": {"study": house.study, "dry_run": True}}}
    return house.ask(route.partition(" ")[0], path_of(house, route), who, **bodies.get(route, {}))


def may(who: Who, action: Action, *, agreed: bool = True) -> bool:
    """The matrix alone, for the dataset LUNG of hospital-a, listed, under an agreement that agreed to all (or to nothing)."""
    if action is A.EXPORT and who.role is Role.INSIDE:
        action = A.PROCESS
    always, may_agree = dict.fromkeys((Reach.ALL, Reach.LISTED), True), dict.fromkeys((Reach.AGREED, Reach.PERMITTED), agreed)
    reaches = always | may_agree | {Reach.OWN: who.party == "hospital-a"}
    return reaches.get(MATRIX[who.role].get(action), False)


def shows(who: Who, route: str) -> bool:
    """Whether this caller is shown what is of hospital-a's dataset LUNG: of the record, what the hospital asked for itself.

    What is about a patient is so for those alone who may look the patient up.
    """
    row, looked_up = ROUTES[route], "<patient>" not in route or may(who, A.QUERY)
    if row.kind is Kind.RECORD:
        return looked_up and (who.role is Role.OPERATOR or who.party == "hospital-a")
    return looked_up and may(who, row.action)


def expected(who: Who, row: Row) -> tuple[int, ...]:  # noqa: C901, PLR0911, PLR0912 - one line for each kind of route
    """The statuses that may answer; rows are told from none by what is in them."""
    if row.kind is Kind.OPEN:
        return row.yes
    if row.kind is Kind.SECRET:
        return row.yes if who.role is Role.FEDERATION else (401,)
    if who.client is None:
        return (401,)
    if row.kind in (Kind.ROWS, Kind.DIRECTORY, Kind.RECORD, Kind.OWN, Kind.ONESELF):
        return row.yes if row.kind is Kind.ONESELF else (200,)
    if row.kind is Kind.ACT:
        return (403, 404)
    if row.kind is Kind.PERSON:
        return (403,)
    if row.kind is Kind.REPOSITORY:
        return (403,)
    if row.kind is Kind.NEVER:
        return (404,)
    if row.kind is Kind.OWN_ONE:
        return row.yes if who.party == "hospital-a" or who.role is Role.OPERATOR else (404,)
    if row.kind is Kind.OWN_ACT:
        return row.yes if who.party == "hospital-a" else (404,)
    if row.kind is Kind.APPLIES:
        return row.yes if who.role is Role.PROVIDER else (403,)
    if row.kind is Kind.ASKS:
        return row.yes if who.role in (Role.USER, Role.INSIDE, Role.OPERATOR) else (403,)
    if row.kind is Kind.CHECKS:
        return (403,)  # test_api_access.py tells the two apart
    if row.kind is Kind.BATCHES:
        return (200,) if who.role in (Role.PROVIDER, Role.OPERATOR) else (403,)
    if row.kind is Kind.BATCH and who.role is Role.OPERATOR and row.action is A.DISCOVER:
        return row.yes
    if row.kind is Kind.BATCH:
        return row.yes if may(who, A.DEPOSIT) else (404,)
    if row.kind is Kind.EXPORT:
        return row.yes if who.role in (Role.USER, Role.INSIDE, Role.PROVIDER) else (403,)
    if row.kind is Kind.EXPORTED:
        return row.yes if who == CALLERS["provider"] else (404,)
    if row.kind is Kind.TAKES:
        return row.yes if may(who, row.action) else (404,) if row.action in MATRIX[who.role] else (403,)
    return row.yes if may(who, row.action) else (403,) if may(who, A.DISCOVER) else (404,)


def found(house: House, response, route: str) -> bool:
    """Whether an answer of rows shows anything of LUNG: its study, or the resource."""
    if response.status_code == 404:
        return False
    resource = ROUTES[route].resource
    if route.endswith("/count"):
        return response.json["count"] > 0
    if not resource:
        return house.study in response.get_data(as_text=True)
    told = response.json.get("entry", [])  # a deletion names what is no longer there
    alone = route.endswith(("<identity>", "<version>"))
    shown = [response.json] if alone else [entry["resource"] for entry in told if "resource" in entry]
    return house.ids[resource] in [one["id"] for one in shown if one.get("quantity") != 0]  # a group outlives its last patient


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("route", ROUTES)
def test_the_matrix_says_what_every_route_answers_every_caller(house, route, name):
    who, row = CALLERS[name], ROUTES[route]
    response = answer(house, route, who)
    rows, seen = row.kind in (Kind.ROWS, Kind.RECORD) and who.client is not None, shows(who, route)
    assert response.status_code in (expected(who, row) + ((404,) if rows and not seen else ())), response.data[:300]
    if rows:
        assert found(house, response, route) == seen
    if response.status_code == 401 and row.kind is not Kind.OPEN:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_every_route_has_a_row_and_every_row_a_route(house):
    assert set(routes(house.flask)) == set(ROUTES)


def test_every_route_declares_the_action_of_its_row(house):
    assert undeclared(house.flask) == []
    said = {route: context.declaration(house.flask, endpoint).action for route, endpoint in routes(house.flask).items()}
    assert said == {route: row.action for route, row in ROUTES.items()}


def test_every_closed_route_asks_for_a_scope(house):
    declarations = {route: context.declaration(house.flask, endpoint) for route, endpoint in routes(house.flask).items()}
    assert [route for route, d in declarations.items() if not d.open and d.scope is None] == []


def test_a_route_that_declares_nothing_is_seen_and_closed(house):
    planted = web.create(house.runtime, house.keys)
    planted.add_url_rule("/planted", view_func=lambda: "open sesame", endpoint="planted")
    assert sorted(undeclared(planted)) == ["GET /planted", "OPTIONS /planted"]
    assert "GET /planted" not in ROUTES
    assert replace(house, flask=planted).ask("GET", "/planted", CALLERS["operator"]).status_code == 403


CLOSED = [route for route, row in ROUTES.items() if row.kind not in (Kind.OPEN, Kind.SECRET)]


@pytest.mark.parametrize("route", CLOSED)
def test_a_token_that_lacks_the_routes_scope_opens_nothing(house, route):
    response = answer(house, route, replace(CALLERS["provider"], scope="system/Observation.cruds"))
    assert response.status_code == 403
    assert "scope" in response.get_data(as_text=True)


@pytest.mark.parametrize("route", [r for r, row in ROUTES.items() if row.kind is not Kind.SECRET])
def test_a_disabled_client_gets_401_everywhere(house, route):
    assert answer(house, route, replace(CALLERS["provider"], client="disabled")).status_code == 401


def test_disabling_a_client_binds_its_next_request(fresh):
    assert fresh.ask("GET", "/dicom-web/studies", CALLERS["user"]).status_code == 200
    set_client(fresh.runtime, builders.ACTOR, "researcher", enabled=False)
    assert fresh.ask("GET", "/dicom-web/studies", CALLERS["user"]).json["title"] == "client-disabled"


@pytest.mark.parametrize("route", CLOSED)
def test_an_organisation_that_is_not_approved_sees_no_dataset(house, route):
    who = replace(CALLERS["user"], party="startup", client="unapproved")
    response, row = answer(house, route, who), ROUTES[route]
    if row.kind in (Kind.ROWS, Kind.RECORD):
        assert not found(house, response, route)
    elif row.kind not in (Kind.DIRECTORY, Kind.OWN, Kind.ONESELF):
        assert response.status_code in (403, 404)
        assert row.kind is not Kind.OBJECT or response.status_code == 404


@pytest.mark.parametrize(
    ("purpose", "rule"),
    [("AITRAIN", "purpose-not-agreed"), ("FEDLEARN", "purpose-not-registered"), ("TREAT", "purpose-clinical")],
)
@pytest.mark.parametrize("name", ["user", "inside"])
def test_for_a_purpose_that_is_not_agreed_there_are_no_images_and_the_rule_is_said(house, name, purpose, rule):
    for route in IMAGES:
        response = answer(house, route, replace(CALLERS[name], purpose=purpose))
        if ROUTES[route].kind is Kind.ROWS:
            assert not found(house, response, route), route
        else:
            assert (response.status_code, response.json["title"]) == (403, rule), route


@pytest.mark.parametrize("name", ["user", "inside", "inside-from-elsewhere"])
def test_what_the_provider_did_not_agree_to_is_403_and_what_it_does_not_list_stays_findable_to_the_approved(
    tmp_path, signing, name
):
    house = build(tmp_path, signing, actions=("query",), visibility="none")
    who = CALLERS[name]
    for route in IMAGES:
        row, response = ROUTES[route], answer(house, route, who)
        if row.action is A.QUERY:
            assert response.status_code == 200, route
        else:
            assert response.status_code == 403, route
    house.runtime.close()


def test_visibility_preview_gives_a_small_jpeg_and_nothing_more(tmp_path, signing):
    house = build(tmp_path, signing, actions=("query",), visibility="preview")
    rendered = f"/dicom-web/studies/{house.study}/series/{house.series}/instances/{house.instance}/rendered"
    asked = {
        "": 200,
        "?viewport=512,512": 200,
        "?viewport=513,513": 403,
        "?viewport=9,9,0,0,9,9": 403,
        "?window=40,400,linear": 403,
        "?accept=image/png": 403,
    }
    assert {q: house.ask("GET", rendered + q, CALLERS["user"]).status_code for q in asked} == asked
    thumbnail = rendered.replace("rendered", "thumbnail")
    asked = {"": 200, "?window=40,400,linear": 200, "?viewport=513,513": 403, "?accept=image/png": 403}
    assert {q: house.ask("GET", thumbnail + q, CALLERS["user"]).status_code for q in asked} == asked
    house.runtime.close()


def test_a_conditional_dataset_needs_a_permit_until_it_is_revoked_or_over(tmp_path, signing):
    house = build(tmp_path, signing, permitted=False)
    metadata = f"/dicom-web/studies/{house.study}/metadata"

    def ask():
        response = house.ask("GET", metadata, CALLERS["user"])
        studies = house.ask("GET", "/dicom-web/studies", CALLERS["user"]).json
        assert bool(studies) == (response.status_code == 200)
        return response.status_code, response.json["title"] if response.status_code == 403 else ""

    assert ask() == (403, "permit-needed")
    clock = house.runtime.clock
    add_permit(house.runtime, builders.ACTOR, "LUNG", "university", ends=clock().replace(hour=13))
    assert ask() == (200, "")
    clock.on(3600)
    assert ask() == (403, "permit-needed")
    add_permit(house.runtime, builders.ACTOR, "LUNG", "university")
    assert ask() == (200, "")
    revoke_permit(house.runtime, builders.ACTOR, "LUNG", "university")
    assert ask() == (403, "permit-needed")
    house.runtime.close()


def test_in_the_course_of_training_nothing_leaves(tmp_path, signing):
    house = build(tmp_path, signing, permitted=False, purposes=("AIRESEARCH", "AITRAIN"))
    study = f"/dicom-web/studies/{house.study}"

    def ask(purpose):
        response = house.ask("GET", study, replace(CALLERS["user"], purpose=purpose))
        return response.json["title"] if response.status_code == 403 else response.status_code

    assert [ask(p) for p in ("AIRESEARCH", "AITRAIN")] == ["permit-needed", "permit-needed"]
    add_permit(house.runtime, builders.ACTOR, "LUNG", "university")
    assert [ask(p) for p in ("AIRESEARCH", "AITRAIN")] == ["export-not-permitted", "export-in-training"]
    add_permit(house.runtime, builders.ACTOR, "LUNG", "university", export=True)
    assert [ask(p) for p in ("AIRESEARCH", "AITRAIN")] == [200, "export-in-training"]
    assert house.ask("GET", study, replace(CALLERS["inside"], purpose="AITRAIN")).status_code == 200
    revoke_permit(house.runtime, builders.ACTOR, "LUNG", "university")
    assert ask("AIRESEARCH") == "permit-needed"
    house.runtime.close()


def test_a_403_says_whom_to_ask(house):
    response = house.ask("GET", f"/dicom-web/studies/{house.study}", CALLERS["operator"])
    assert response.json["detail"].startswith(SENTENCES["role"])
    assert house.runtime.settings.contact in response.json["detail"]


def test_hidden_and_absent_look_alike(house):
    """Another provider's study, and one that is nowhere: the same answer to the last byte but the reference."""
    hidden, absent = (house.ask("GET", f"/dicom-web/studies/{s}", CALLERS["other-provider"]) for s in (house.study, "1.2.3"))
    assert hidden.status_code == absent.status_code == 404
    assert {k: v for k, v in hidden.json.items() if k != "instance"} == {k: v for k, v in absent.json.items() if k != "instance"}


def _move(verb: str):
    return lambda house: move_agreement(house.runtime, builders.ACTOR, "DSA-LUNG", verb)


def _node(verb: str):
    return lambda house: move_node(house.runtime, builders.ACTOR, "central", verb)


STOPS = {
    "the agreement is suspended": _move("suspend"),
    "the agreement is terminated": _move("terminate"),
    "the node is suspended": _node("suspend"),
    "the node is unlinked": _node("unlink"),
    "the study is withdrawn": lambda house: withdraw.withdraw_study(house.runtime, builders.ACTOR, house.study),
}


@pytest.mark.parametrize("stop", STOPS)
def test_once_stopped_the_next_request_of_every_caller_on_every_route_for_images_gives_nothing(fresh, stop):
    assert len(fresh.ask("GET", "/dicom-web/studies", CALLERS["user"]).json) == 1
    STOPS[stop](fresh)
    for name, who in CALLERS.items():
        for route in IMAGES:
            response = answer(fresh, route, who)
            assert response.status_code in (200, 401, 404, 410), (name, route)
            assert fresh.study not in response.get_data(as_text=True), (name, route)
            assert response.status_code != 200 or not found(fresh, response, route), (name, route)


@pytest.mark.parametrize("stop", [s for s in STOPS if "study" not in s])
def test_once_stopped_nothing_more_is_taken_and_only_its_provider_and_the_operator_still_see_the_dataset(fresh, stop):
    assert b"dcat:dataset" in answer(fresh, "GET /catalogue", CALLERS["anonymous"]).data
    STOPS[stop](fresh)
    said = {
        route: answer(fresh, route, CALLERS["provider"]).status_code
        for route in BODIES
        if ROUTES[route].action is A.DEPOSIT and ROUTES[route].kind is Kind.TAKES
    }
    assert set(said.values()) == {409}
    assert answer(fresh, "POST /api/datasets/eucaimSearch", CALLERS["federation"]).json == {"collections": []}
    assert b"dcat:dataset" not in answer(fresh, "GET /catalogue", CALLERS["anonymous"]).data, "at most a tombstone"
    assert answer(fresh, "GET /catalogue/datasets/<alias>", CALLERS["anonymous"]).status_code == 410, "it was listed"
    for name in ("user", "inside", "other-provider", "provider", "operator"):
        seen = answer(fresh, "GET /fhir/R4/Consent/<identity>", CALLERS[name]).status_code == 200
        assert seen == (name in ("provider", "operator")), name
    assert answer(fresh, "GET /api/batches", CALLERS["provider"]).json["batches"]


NAMED = [r for r in ROUTES if r.startswith("GET") and (r.split("/")[-1] == "<identity>" or ROUTES[r].kind is Kind.OBJECT)]
NAMED = [r for r in NAMED if "R5" not in r and ROUTES[r].resource not in ("Organization", "Provenance", "AuditEvent")]
"""Routes of one thing that can be stopped."""


@pytest.mark.parametrize("stop", [*STOPS, "the dataset is withdrawn"])
def test_a_stop_is_told_to_whom_the_decision_without_it_said_yes_and_to_nobody_else(fresh, stop):
    """What the same request was answered before is the oracle: who was not given it, and could not ask for rows, hears 404."""
    asked = [r for r in NAMED if "study" not in stop or ROUTES[r].resource in ("", "ImagingStudy", "Patient")]
    before = {(name, route): answer(fresh, route, who).status_code for name, who in CALLERS.items() for route in asked}
    rows = {name for name in CALLERS if before[name, f"GET {_STUDY}/metadata"] == 200}
    (STOPS | {"the dataset is withdrawn": _withdraw_dataset})[stop](fresh)
    told = set()
    for (name, route), status in before.items():
        response = answer(fresh, route, CALLERS[name])
        if response.status_code == 200:
            assert name in ("provider", "operator"), "a description of one's own, stopped or not"
            assert "R4" in route
            continue
        listed = ROUTES[route].resource in ("Consent", "Endpoint", "ResearchStudy") and status != 401
        known = listed or status == 200 or (name in rows and status == 403 and ROUTES[route].resource == "")
        assert response.status_code == (410 if known else 401 if status == 401 else 404), (name, route, status)
        told |= {name} if known and not listed else set()
        if known:
            assert ('"deleted"' if "R4" in route else '"cause": "') in response.get_data(as_text=True)
            assert builders.day(fresh.runtime) in response.get_data(as_text=True)
    assert told >= {"user", "inside"}
    assert not told & {"newcomer", "other-provider"}
    assert "anonymous" not in told, "who has no token hears that one is needed"


def _withdraw_dataset(house: House) -> None:
    with house.runtime.store.read() as connection:
        alias = house.runtime.governance.current(connection).facts[0].alias
    withdraw_dataset(house.runtime, builders.OPERATOR, alias, circumstance="legal-order")


@pytest.mark.parametrize(("stop", "again"), [(_move("suspend"), _move("resume")), (_node("unlink"), _node("link"))])
def test_what_is_open_again_is_seen_again(fresh, stop, again):
    stop(fresh)
    assert fresh.ask("GET", "/dicom-web/studies", CALLERS["user"]).json == []
    again(fresh)
    assert len(fresh.ask("GET", "/dicom-web/studies", CALLERS["user"]).json) == 1


def test_outside_its_period_an_agreement_gives_nothing(tmp_path, signing):
    clock = builders.Clock()
    house = build(tmp_path, signing, ends=clock.at.replace(hour=13))
    assert len(house.ask("GET", "/dicom-web/studies", CALLERS["user"]).json) == 1
    house.runtime.clock.on(3600)
    assert house.ask("GET", "/dicom-web/studies", CALLERS["user"]).json == []
    assert house.ask("GET", f"/dicom-web/studies/{house.study}", CALLERS["provider"]).status_code == 404
    house.runtime.close()


def test_without_a_secret_there_is_no_federated_search(fresh):
    assert (
        answer(fresh, "POST /api/datasets/eucaimSearch", replace(CALLERS["federation"], header=SECRET + "!")).status_code == 401
    )
    closed = replace(fresh.runtime, settings=structs.replace(fresh.runtime.settings, federation_secret=""))
    off = replace(fresh, runtime=closed, flask=web.create(closed, fresh.keys))
    assert answer(off, "POST /api/datasets/eucaimSearch", CALLERS["federation"]).status_code == 404


def test_what_can_not_be_recorded_gives_no_byte_at_any_door(fresh, monkeypatch):
    routes = [r for r in ROUTES if ROUTES[r].kind is Kind.OBJECT and ROUTES[r].action is not A.QUERY]
    forms = {A.EXPORT: ("multipart/related", "application/dicom"), A.PREVIEW: ("image/jpeg", "image/png")}
    pixels = {"<frames>": ("multipart/related",), "<path:element>": ("multipart/related", "application/octet-stream")}
    told = {route: pixels.get(route.rpartition("/")[2], forms[ROUTES[route].action]) for route in routes}
    asked = [(route, form) for route in routes for form in told[route]]

    def ask(route: str, form: str, name: str) -> tuple[int, str]:
        response = fresh.ask("GET", path_of(fresh, route), CALLERS[name], headers={"Accept": form})
        return response.status_code, response.mimetype

    assert [ask(route, form, "provider") for route, form in asked] == [(200, form) for _, form in asked]
    write = fresh.runtime.store.write

    @contextmanager
    def fails(*, durable=True):
        with write(durable=durable) as connection:
            yield connection
            if durable:
                raise Full("storage-full", "The disk is full.")

    monkeypatch.setattr(fresh.runtime.store, "write", fails)
    for name in ("user", "inside", "provider"):
        assert {ask(route, form, name) for route, form in asked} == {(507, "application/problem+json")}


def test_readiness_is_for_all_and_its_detail_for_the_operator(house):
    told = {name: answer(house, "GET /health/ready", who).json for name, who in CALLERS.items()}
    assert {name for name, said in told.items() if "troubles" in said} == {"operator"}
    assert CALLERS["operator"].address != CLOSE


def test_a_process_whose_bulkheads_are_all_full_still_says_that_it_lives(fresh):
    bulkheads = fresh.flask.extensions["accord"].bulkheads
    for _ in range(fresh.runtime.settings.searches):
        bulkheads.enter(Bulkhead.SEARCH)
    client = fresh.flask.test_client()
    assert client.get("/terms").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_one_client_that_holds_its_share_of_the_searches_leaves_the_others_theirs(fresh):
    bulkheads, user, provider = fresh.flask.extensions["accord"].bulkheads, CALLERS["user"], CALLERS["provider"]
    assert fresh.ask("GET", "/dicom-web/studies", user).status_code == 200
    for _ in range(fresh.runtime.settings.searches * 3 // 4):
        bulkheads.enter(Bulkhead.SEARCH).hold_for(user.client)
    refused = fresh.ask("GET", "/dicom-web/studies", user)
    assert (refused.status_code, refused.json["title"]) == (503, "busy-share")
    for _ in range(fresh.runtime.settings.searches):  # whoever is refused keeps no place
        assert fresh.ask("GET", "/dicom-web/studies", user).status_code == 503
    assert fresh.ask("GET", "/dicom-web/studies", provider).status_code == 200


def test_what_takes_too_long_is_told_so_in_each_dialect(fresh, monkeypatch):
    user = CALLERS["user"]
    monkeypatch.setattr(deadline, "_INSTRUCTIONS", 1)
    monkeypatch.setattr(fresh.runtime.store, "read_seconds", 1e-9)
    monkeypatch.setattr(federate, "COUNT_SECONDS", 1e-9)
    studies = fresh.ask("GET", "/dicom-web/studies", user)
    assert (studies.status_code, studies.json["title"]) == (413, "too-broad")
    bundle = fresh.ask("GET", "/fhir/R4/ImagingStudy", user)
    assert (bundle.status_code, bundle.json["issue"][0]["code"]) == (413, "too-costly")
    counts = fresh.ask("POST", "/api/datasets/eucaimSearch", CALLERS["federation"], **BODIES["POST /api/datasets/eucaimSearch"])
    assert (counts.status_code, counts.json["title"]) == (413, "too-broad")
