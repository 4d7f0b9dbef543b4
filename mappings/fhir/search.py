"""FHIR R4 search: arguments to conditions and a page, through the table of parameters; links and cursors back.

Values separated by commas are alternatives, repeated parameters all hold (R4 3.1.1.4.17). What is not in the table is refused by
name, or ignored with a warning when the caller asks for lenient handling.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from consent.agreement import AgreementState
from consent.party import REPOSITORY
from mappings.failures import Invalid
from mappings.fhir import moments
from mappings.fhir.body_site import BODY_PARTS, parts_coded
from mappings.fhir.consent import STATUS
from mappings.fhir.patient import GENDERS, provider_system
from mappings.fhir.systems import BODY_PART, DCM, DICOM_UID, SNOMED, keys_of
from mappings.fields import FIELDS, RESULT_PARAMETERS, Kind, Parameter, folded, parameters
from mappings.query import EVERYTHING, NOTHING, AllOf, AnyOf, Condition, Like, Not, OneOf
from mappings.study import patient_key

DEFAULT_COUNT = 50
MAX_COUNT = 1000
MAX_ARGUMENTS = 40
MAX_VALUES = 200
MAX_VALUE = 4000
CURSOR = "_cursor"
_SPLIT = re.compile(r"(?<!\\),")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_ESCAPED = re.compile(r"\\([\\,|$])")
Arguments = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as read: its condition, page and totals, and the arguments that were used (`used`) or passed over (`ignored`).

    `total` is "none", "accurate" or empty; `only_total` says that no entries are wanted; `after` is the last row already given.
    """

    resource: str
    where: Condition
    count: int
    total: str
    only_total: bool
    after: int
    used: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    reader: str


def read(resource: str, arguments: Arguments, base: str, reader: str, *, lenient: bool = False) -> Asked:
    """Read a search; `base`: the server's public address, `reader`: whom cursors are bound to. Raises Invalid, saying where."""
    if len(arguments) > MAX_ARGUMENTS or any(len(value) > MAX_VALUE for _, value in arguments):
        raise Invalid("too-many", f"A search takes at most {MAX_ARGUMENTS} arguments of at most {MAX_VALUE} characters.")
    if any("\0" in value for _, value in arguments):
        raise Invalid("value", "A search value has no NUL character.")
    known = parameters(resource)
    asked = [(n, v) for n, v in arguments if n.split(":")[0] in known]
    shaping, ignored = _shaping([(n, v) for n, v in arguments if n.split(":")[0] not in known], lenient=lenient)
    where = AllOf(tuple(_argument(known[n.split(":")[0]], n, v, base) for n, v in asked))
    count = _count(shaping.get("_count"))
    total = _choice(shaping, "_total", ("none", "estimate", "accurate")).replace("estimate", "accurate")
    only_total = count == 0 or _choice(shaping, "_summary", ("false", "count")) == "count"
    used = (*asked, *((n, shaping[n]) for n in ("_total", "_summary") if n in shaping), ("_count", str(count)))
    after = _after(shaping[CURSOR], _bound(resource, used, reader)) if CURSOR in shaping else 0
    return Asked(resource, where, count, total, only_total, after, used, tuple(ignored), reader)


def _shaping(arguments: Arguments, *, lenient: bool) -> tuple[dict[str, str], list[str]]:
    known = {*RESULT_PARAMETERS, CURSOR}
    unknown = [n for n, _ in arguments if n not in known]
    if unknown and not lenient:
        name = unknown[0][:64]
        raise Invalid("unknown-parameter", f"There is no search parameter {name} here; see metadata for those there are.", name)
    shaping = {n: v for n, v in arguments if n in known}
    if len(shaping) + len(unknown) < len(arguments):
        raise Invalid("repeated", "A parameter that shapes the answer may be given once.")
    return shaping, unknown


def _choice(shaping: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    value = shaping.get(name, "")
    if value not in ("", *choices):
        raise Invalid("value", f"{name} takes one of: {', '.join(choices)}.", name)
    return value


def _count(value: str | None) -> int:
    if value is None:
        return DEFAULT_COUNT
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Invalid("value", "_count takes a whole number from 0.", "_count")
    return min(int(value), MAX_COUNT)


def _argument(parameter: Parameter, spelled: str, value: str, base: str) -> Condition:
    modifier = spelled.partition(":")[2]
    values = [_ for _ in _SPLIT.split(value) if _]
    if not values or len(values) > MAX_VALUES:
        raise Invalid("value", f"{parameter.name} takes from 1 to {MAX_VALUES} values.", parameter.name)
    if modifier == "not" and parameter.type == "token":
        return Not(AnyOf(tuple(_token(parameter, v, base) for v in values)))
    if modifier and (parameter.type != "reference" or modifier not in _targets(parameter)):
        raise Invalid("modifier", f"{parameter.name} does not take the modifier :{modifier[:32]}.", spelled[:96])
    if modifier:
        values = [v if "/" in v else f"{modifier}/{v}" for v in values]
    return AnyOf(tuple(_READERS[parameter.type](parameter, v, base) for v in values))


# --- tokens (R4 3.1.1.4.10): code, system|code, |code, system|

Match = Callable[[str], Condition]


@dataclass(frozen=True, slots=True)
class _Codes:
    """One system a token may be of ("": none; `{base}` is the server's address), and what its codes ask for."""

    system: str
    match: Match


def _equals(field: str) -> Match:
    return lambda code: OneOf(field, (code,))


def _one_of(field: str, words: Mapping[str, tuple[str, ...]]) -> Match:
    return lambda code: OneOf(field, words[code]) if code in words else NOTHING


def _uid(code: str) -> Condition:
    return OneOf("study_uid", (code.removeprefix("urn:oid:"),)) if code.startswith("urn:oid:") else NOTHING


def _own_part(code: str) -> Condition:
    return NOTHING if code in BODY_PARTS else OneOf("body_part", (code,))


_STATES: dict[str, tuple[str, ...]] = {
    status: tuple(str(s) for s in AgreementState if STATUS[s] == status) for status in dict.fromkeys(STATUS.values())
}
_TOKENS: dict[tuple[str, str], tuple[_Codes, ...]] = {
    ("ImagingStudy", "identifier"): (_Codes(DICOM_UID, _uid), _Codes("", _equals("accession_number"))),
    ("ImagingStudy", "modality"): (_Codes(DCM, _equals("modality")),),
    ("ImagingStudy", "bodysite"): (
        _Codes(SNOMED, lambda code: OneOf("body_part", parts_coded(code))),
        _Codes(BODY_PART, _own_part),
    ),
    ("ImagingStudy", "series"): (_Codes("", _equals("series_uid")),),
    ("ImagingStudy", "status"): (
        _Codes("http://hl7.org/fhir/imagingstudy-status", lambda code: EVERYTHING if code == "available" else NOTHING),
    ),
    ("Patient", "gender"): (
        _Codes("http://hl7.org/fhir/administrative-gender", _one_of("gender", {g: (s,) for s, g in GENDERS.items()})),
    ),
    ("Consent", "identifier"): (_Codes("{base}/agreements", _equals("agreement")),),
    ("Consent", "status"): (_Codes("http://hl7.org/fhir/consent-state-codes", _one_of("status", _STATES)),),
    ("Organization", "identifier"): (_Codes("{base}/organizations", _equals("party")),),
    ("Endpoint", "identifier"): (_Codes("{base}/datasets", _equals("dataset")),),
    ("Endpoint", "status"): (
        _Codes("http://hl7.org/fhir/endpoint-status", _one_of("status", {s: (s,) for s in ("active", "suspended")})),
    ),
}
"""(resource, parameter) → the systems its tokens are of."""


def _token(parameter: Parameter, value: str, base: str) -> Condition:
    system, bar, code = _bars(value)
    if not code:
        raise Invalid("value", f"{parameter.name} takes a code, also as system|code.", parameter.name)
    if parameter.name == "_id":
        return identified(parameter, code) if not bar else NOTHING
    if parameter.field == "patient_id":
        return _pseudonym(system if bar else None, code, base)
    mine = [c for c in _TOKENS[parameter.resource, parameter.name] if not bar or c.system.replace("{base}", base) == system]
    return AnyOf(tuple(c.match(code) for c in mine))


def _bars(value: str) -> tuple[str, str, str]:
    before, bar, after = re.sub(r"(?<!\\)\|", "\0", value, count=1).partition("\0")
    system, code = (before, after) if bar else ("", before)
    return _ESCAPED.sub(r"\1", system), bar, _ESCAPED.sub(r"\1", code)


def identified(parameter: Parameter, identity: str) -> Condition:
    """The condition that a row has this FHIR id (R4 2.24.0.1), by the `_id` parameter of its resource."""
    if not _ID.fullmatch(identity):
        return NOTHING
    if parameter.field == "entry":
        return OneOf("entry", (int(identity),)) if re.fullmatch(r"[1-9][0-9]{0,17}", identity) else NOTHING
    return OneOf(parameter.field, keys_of(identity))


def _pseudonym(system: str | None, patient_id: str, base: str) -> Condition:
    """A Patient ID with its provider's system is one patient; without a system, every provider's of that pseudonym."""
    if system is None:
        return OneOf("patient_id", (patient_id,))
    prefix = provider_system(base, "")
    return OneOf("patient_key", (patient_key(system.removeprefix(prefix), patient_id),)) if system.startswith(prefix) else NOTHING


# --- references, dates and strings


_REFERENCES: dict[tuple[str, str], dict[str, Match]] = {
    ("ImagingStudy", "patient"): {"Patient": _equals("patient_key")},
    ("ImagingStudy", "subject"): {"Patient": _equals("patient_key")},
    ("Consent", "organization"): {"Organization": lambda key: EVERYTHING if key == REPOSITORY else NOTHING},
    ("Consent", "consentor"): {"Organization": lambda key: OneOf("provider", keys_of(key))},
    ("Provenance", "target"): {
        "Consent": lambda key: OneOf("target_agreement", keys_of(key)),
        "Endpoint": lambda key: OneOf("target_dataset", keys_of(key)),
        "ImagingStudy": _equals("target_study"),
        "Organization": lambda key: OneOf("target_party", keys_of(key)),
    },
}
"""(resource, parameter) → the types it may point to, and what each asks for."""


def _targets(parameter: Parameter) -> Mapping[str, Match]:
    return _REFERENCES[parameter.resource, parameter.name]


def _reference(parameter: Parameter, value: str, base: str) -> Condition:
    targets = _targets(parameter)
    kind, slash, key = value.removeprefix(f"{base}/fhir/R4/").rpartition("/")
    kind = kind if slash else next(iter(targets)) if len(targets) == 1 else ""
    if kind not in targets or not key:
        if "://" in value:
            return NOTHING
        raise Invalid("value", f"{parameter.name} points to one of: {', '.join(f'{t}/id' for t in targets)}.", parameter.name)
    return targets[kind](key)


def _date(parameter: Parameter, value: str, _base: str) -> Condition:
    by_day = parameter.field in FIELDS and FIELDS[parameter.field].kind is Kind.DATE
    return (moments.days if by_day else moments.instants)(parameter.field, value, parameter.name)


def _string(parameter: Parameter, value: str, _base: str) -> Condition:
    """The start of the text, whatever its case and accents; our patterns' own wildcards stand for any one character."""
    return Like(parameter.field, re.sub(r"[*?]", "?", folded(_ESCAPED.sub(r"\1", value))) + "*")


_READERS: dict[str, Callable[[Parameter, str, str], Condition]] = {
    "token": _token,
    "reference": _reference,
    "date": _date,
    "string": _string,
}

# --- links


def self_link(asked: Asked, base: str) -> str:
    """The URL of what was really asked: parameters that were ignored are not in it."""
    return _url(asked, base, asked.used if not asked.after else (*asked.used, (CURSOR, _cursor(asked, asked.after))))


def next_link(asked: Asked, base: str, after: int) -> str:
    """The URL of the page after the row `after`; it holds for this question and this reader only."""
    return _url(asked, base, (*asked.used, (CURSOR, _cursor(asked, after))))


def _url(asked: Asked, base: str, arguments: Arguments) -> str:
    query = "&".join(f"{quote(n, safe=':')}={quote(v, safe='')}" for n, v in arguments)
    return f"{base}/fhir/R4/{asked.resource}" + (f"?{query}" if query else "")


def _bound(resource: str, used: Arguments, reader: str) -> bytes:
    return sha256("\0".join((resource, reader, *(f"{n}={v}" for n, v in used))).encode()).digest()[:16]


def _cursor(asked: Asked, after: int) -> str:
    """A keyset position bound to its question. It opens nothing: every statement is narrowed to what the caller may see."""
    bound = _bound(asked.resource, asked.used, asked.reader)
    body = after.to_bytes(8)
    return urlsafe_b64encode(body + sha256(bound + body).digest()[:16]).decode()


def _after(cursor: str, bound: bytes) -> int:
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii"))
    except (NotBase64, ValueError):
        raw = b""
    if raw[8:] != sha256(bound + raw[:8]).digest()[:16] or raw[0] & 128:
        raise Invalid("cursor", "This is no next link of this search. Follow next links as they are, or start again.", CURSOR)
    return int.from_bytes(raw[:8])
