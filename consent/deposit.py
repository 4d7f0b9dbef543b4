"""Decides what becomes of a presented file: the deposit rules, in the order in which they name a verdict.

Each rule is a row: what it costs when the file says nothing about de-identification, what it costs when it is declared (or the
sender attested it), the sentence a provider reads, sixty-four characters for a DIMSE Error Comment (0000,0902), and the standard.
What the door says (a stopped agreement) or custody (known already) is a rule like any other, but decides alone.
No sentence holds a value from a file, another provider's name or the state of another's data.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from consent.conditions import Conditions
from consent.policy import Decision


class Outcome(StrEnum):
    """What becomes of a presented file; DUPLICATE appears in reports only."""

    PASS = "pass"  # noqa: S105 (no password)
    REVIEW = "review"
    REJECT = "reject"
    DUPLICATE = "duplicate"


class Code(StrEnum):
    """The stable code of each rule: in answers, receipts and reports, so none is ever renamed."""

    NOT_DICOM = "not-dicom"
    UID_MISSING = "uid-missing"
    UID_ILLEGAL = "uid-illegal"
    STRUCTURE_BROKEN = "structure-broken"
    STUDY_NOT_YOURS = "study-not-yours"
    BLOCKED = "blocked"
    CONTENT_CONFLICT = "content-conflict"
    NOT_DECLARED = "not-declared"
    PERSON_NAME = "person-name"
    BIRTH_DATE = "birth-date"
    ADDRESS = "address"
    TELEPHONE = "telephone"
    OTHER_IDS = "other-ids"
    INSTITUTION = "institution"
    STAFF = "staff"
    PATIENT_DETAIL = "patient-detail"
    PRIVATE_UNKNOWN = "private-unknown"
    OVERLAY = "overlay"
    CURVE = "curve"
    PREAMBLE = "preamble"
    BURNED_IN = "burned-in"
    MODALITY_NOT_AGREED = "modality-not-agreed"
    CLASS_NOT_AGREED = "class-not-agreed"
    CANCER_NOT_AGREED = "cancer-not-agreed"
    PRIVATE = "private"
    WORD_UNCODED = "word-uncoded"
    DECLARED = "declared"
    ATTESTED = "attested"
    KNOWN = "known"
    WAITING = "waiting"
    RELEASED = "released"
    AGREEMENT_INACTIVE = "agreement-inactive"
    AGREEMENT_EXPIRED = "agreement-expired"
    NODE_NOT_LINKED = "node-not-linked"
    NODE_READ_ONLY = "node-read-only"
    COMMAND_DISAGREES = "command-disagrees"
    OTHER_STUDY = "other-study"
    RETRY_LATER = "retry-later"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about a file: the rule it touches and where, as a tag path such as (0040,0275)[0].(0040,1102), never a value."""

    rule: str
    where: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table; `short` fits an LO of 64 characters. One that decides `alone` weighs nothing in the file."""

    code: Code
    outcome_undeclared: Outcome
    outcome_declared: Outcome
    sentence: str
    short: str
    standard: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, the rule that names it, every finding that asks for more than a warning, and the warnings; in table order."""

    outcome: Outcome
    rule: str
    findings: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


_PASS, _REVIEW, _REJECT, _DUPLICATE = Outcome.PASS, Outcome.REVIEW, Outcome.REJECT, Outcome.DUPLICATE

# Worst outcome wins; among equals the first row names the rule.
RULES: tuple[Rule, ...] = (
    Rule(
        Code.NOT_DICOM,
        _REJECT,
        _REJECT,
        "The file has no readable DICOM file header (preamble, DICM, file meta with a transfer syntax), so it was not taken. "
        "Nothing else was affected. Export it again as a DICOM Part 10 file, or send it by DIMSE.",
        "Not a DICOM Part 10 file",
        "PS3.10 §7.1",
    ),
    Rule(
        Code.UID_MISSING,
        _REJECT,
        _REJECT,
        "The object lacks its SOP Class, SOP Instance, Study or Series Instance UID, so it can't be stored. "
        "Export it again from its source.",
        "SOP Class, SOP Instance, Study or Series UID is missing",
        "PS3.3 §C.12.1, §C.7.2.1, §C.7.3.1",
    ),
    Rule(
        Code.UID_ILLEGAL,
        _REJECT,
        _REJECT,
        "An identifier of the object (SOP Class, SOP Instance, Study or Series Instance UID) is not a legal UID: digits and "
        "dots, at most 64, no empty part, no leading zero. De-identify again with a tool that writes legal UIDs.",
        "A UID is illegal: digits and dots, 64 at most, no leading zero",
        "PS3.5 §9.1",
    ),
    Rule(
        Code.STRUCTURE_BROKEN,
        _REJECT,
        _REJECT,
        "The object's elements can't be followed to its end: it is cut short, or a length, an order of tags or an item is "
        "wrong. Export it again; this copy is incomplete or damaged.",
        "Structure broken: cut short, or a wrong length, tag or item",
        "PS3.5 §7.1, §7.5",
    ),
    Rule(
        Code.STUDY_NOT_YOURS,
        _REJECT,
        _REJECT,
        "The object's study can't be added to through this dataset. Nothing was stored. If it is yours, ask the operator.",
        "Study can't be added to through this dataset; ask the operator",
        "repository rule: a study belongs to one dataset",
    ),
    Rule(
        Code.BLOCKED,
        _REJECT,
        _REJECT,
        "This object or its study was withdrawn or refused in your dataset before, so it is not taken again. "
        "Ask the operator to lift the block if it should come back.",
        "Withdrawn or refused before; ask the operator to lift the block",
        "repository rule: withdrawn data stays out",
    ),
    Rule(
        Code.CONTENT_CONFLICT,
        _REJECT,
        _REJECT,
        "The SOP Instance UID is already held with different content. The held copy was kept. "
        "If the new one is right, withdraw the old study first (accord withdraw --replace).",
        "SOP Instance UID is held with other content; old copy was kept",
        "PS3.4 §B.2.3, PS3.5 §9",
    ),
    Rule(
        Code.NOT_DECLARED,
        _REVIEW,
        _PASS,
        "The object carries no statement of de-identification and its sender has attested none, so it waits in quarantine. If "
        "it was cleaned, state it in (0012,0062) to (0012,0064), or let the operator record your attestation.",
        "Held: no statement of de-identification in (0012,0062-0064)",
        "PS3.15 §E.1.1, PS3.3 §C.7.1.1",
    ),
    Rule(
        Code.PERSON_NAME,
        _REJECT,
        _REVIEW,
        "A name of a person still looks like a name. Declared as de-identified it waits in quarantine, otherwise it is refused. "
        "Replace the name by a pseudonym and send again; nested sequences count too.",
        "A person's name is present; replace it by a pseudonym",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.BIRTH_DATE,
        _REJECT,
        _REVIEW,
        "A full birth date is present. Declared as de-identified the object waits in quarantine, otherwise it is refused. "
        "Empty the date or keep the year only (month and day 0101) and send again.",
        "A full birth date is present; empty it or keep the year",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.ADDRESS,
        _REJECT,
        _REVIEW,
        "A person's address is present. Declared as de-identified the object waits in quarantine, otherwise it is refused. "
        "Remove it and send again; nested sequences count too.",
        "A person's address is present; remove it",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.TELEPHONE,
        _REJECT,
        _REVIEW,
        "A person's telephone number or other way to reach them is present. Declared as de-identified the object waits in "
        "quarantine, otherwise it is refused. Remove it and send again; nested sequences count too.",
        "A person's telephone number is present; remove it",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.OTHER_IDS,
        _REJECT,
        _REVIEW,
        "Another identifier of the patient is present (other patient ids, medical record or insurance). Declared as "
        "de-identified the object waits in quarantine, otherwise it is refused. Remove it and send again.",
        "Other identifiers of the patient are present; remove them",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.INSTITUTION,
        _REVIEW,
        _REVIEW,
        "The name, address or department of an institution is present, so the object waits in quarantine. "
        "Remove it and send again, or ask the operator to look at it.",
        "Held: an institution is named",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.STAFF,
        _REVIEW,
        _REVIEW,
        "A physician, operator or other member of staff is named, so the object waits in quarantine. "
        "Remove the name and send again, or ask the operator to look at it.",
        "Held: a physician, operator or other staff is named",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.PATIENT_DETAIL,
        _REVIEW,
        _REVIEW,
        "The patient's military rank, branch of service or location in the hospital is present, so the object waits in "
        "quarantine. Remove it and send again, or ask the operator to look at it.",
        "Held: military rank, service or location of the patient",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.PRIVATE_UNKNOWN,
        _REVIEW,
        _REVIEW,
        "A private attribute of an unknown maker holds text, so the object waits in quarantine: nobody can say what it tells. "
        "Remove private attributes that are not known to be safe and send again.",
        "Held: a private attribute of an unknown creator holds text",
        "PS3.15 §E.3.10",
    ),
    Rule(
        Code.OVERLAY,
        _REVIEW,
        _REVIEW,
        "An overlay plane may hold text about a person, so the object waits in quarantine. "
        "Remove the overlays and send again, or ask the operator to look at them.",
        "Held: an overlay may show text",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.CURVE,
        _REVIEW,
        _REVIEW,
        "Curve data (50xx) may hold labels about a person, so the object waits in quarantine. Remove the curves and send again.",
        "Held: curve data is present",
        "PS3.15 Table E.1-1",
    ),
    Rule(
        Code.PREAMBLE,
        _REVIEW,
        _REVIEW,
        "The 128 bytes before DICM are not empty and may hold anything, so the object waits in quarantine. "
        "Write zeros there and send again.",
        "Held: the file preamble is not empty",
        "PS3.10 §7.1",
    ),
    Rule(
        Code.BURNED_IN,
        _REVIEW,
        _REVIEW,
        "The picture says, or is of a kind that makes likely, that text is burned into its pixels; it waits in quarantine. Look "
        "at it and state (0028,0301) NO if it is clean, or send it again cleaned.",
        "Held: text may be burned into the picture",
        "PS3.15 §E.3.1, PS3.3 §C.7.6.1",
    ),
    Rule(
        Code.MODALITY_NOT_AGREED,
        _REVIEW,
        _REVIEW,
        "The object is of a modality that the agreement of this dataset does not name, so it waits in quarantine. "
        "Send what was agreed, or have the agreement changed.",
        "Held: the agreement does not name this modality",
        "repository rule: data as agreed",
    ),
    Rule(
        Code.CLASS_NOT_AGREED,
        _REVIEW,
        _REVIEW,
        "The object is of a SOP Class that the agreement of this dataset does not name, so it waits in quarantine. "
        "Send what was agreed, or have the agreement changed.",
        "Held: the agreement does not name this SOP Class",
        "repository rule: data as agreed",
    ),
    Rule(
        Code.CANCER_NOT_AGREED,
        _REVIEW,
        _REVIEW,
        "The agreement names cancers, and this dataset's condition is not among them or was not stated; so the object "
        "waits in quarantine. Have the dataset's condition stated, or the agreement changed.",
        "Held: the dataset's condition is not one the agreement names",
        "repository rule: data as agreed",
    ),
    Rule(
        Code.PRIVATE,
        _PASS,
        _PASS,
        "Private attributes of a known maker, or without text, are present. The object was taken; check they are safe to share.",
        "Taken, with private attributes",
        "PS3.15 §E.3.10",
    ),
    Rule(
        Code.WORD_UNCODED,
        _PASS,
        _PASS,
        "The body part or the manufacturer is said in words that have no code here, so neither the catalogue nor a federated "
        "search tells it. The object was taken. Write a defined term of DICOM, or ask the operator to state it for the dataset.",
        "Taken; its body part or manufacturer is in words without code",
        "PS3.16 Annex L, PS3.3 §C.7.5.1",
    ),
    Rule(
        Code.DECLARED,
        _PASS,
        _PASS,
        "The object says that it is de-identified, and nothing in it says otherwise. It was taken.",
        "Taken: de-identification is declared",
        "PS3.15 §E.1.1",
    ),
    Rule(
        Code.ATTESTED,
        _PASS,
        _PASS,
        "The agreement attests that this sender de-identifies what it sends, and nothing in the object says otherwise. "
        "It was taken.",
        "Taken: de-identification is attested for this sender",
        "PS3.15 §E.1.1",
    ),
    # What the door or custody says, rather than the file: each decides alone.
    Rule(
        Code.KNOWN,
        _DUPLICATE,
        _DUPLICATE,
        "The same content is already held. The first copy stays; nothing to do.",
        "Already held with the same content; nothing to do",
        "PS3.4 §B.2.3",
        alone=True,
    ),
    Rule(
        Code.WAITING,
        _REVIEW,
        _REVIEW,
        "The same content waits in quarantine already, since the batch that is named, whose report says why. It is not held "
        "until the operator has released it. Sending it again changes nothing; a corrected object takes its place.",
        "Waits for review already",
        "PS3.4 §B.2.3",
        alone=True,
    ),
    Rule(
        Code.RELEASED,
        _PASS,
        _PASS,
        "The operator looked at the object and released it from quarantine. It is held and can be found.",
        "Released from quarantine by the operator",
        "repository rule: a person decides what waits",
        alone=True,
    ),
    Rule(
        Code.AGREEMENT_INACTIVE,
        _REJECT,
        _REJECT,
        "The agreement of this dataset is not active, so the repository takes no images. "
        "Go to the agreement, or ask the operator.",
        "The agreement of this dataset is not active",
        "repository rule: data only under an active agreement",
        alone=True,
    ),
    Rule(
        Code.AGREEMENT_EXPIRED,
        _REJECT,
        _REJECT,
        "The agreement of this dataset is outside its period, so the repository takes no images. Renew it, or ask the operator.",
        "The agreement of this dataset is outside its period",
        "repository rule: data only under an active agreement",
        alone=True,
    ),
    Rule(
        Code.NODE_NOT_LINKED,
        _REJECT,
        _REJECT,
        "The node that should keep this dataset is not linked, so nothing was stored. Ask the operator, then send again.",
        "The node of this dataset is not linked",
        "repository rule: a stopped node takes nothing",
        alone=True,
    ),
    Rule(
        Code.NODE_READ_ONLY,
        _REJECT,
        _REJECT,
        "The node of this dataset is an archive that is only read, so nothing was stored. "
        "Store it in that archive; from there it is brought in.",
        "The node of this dataset is only read; store it there",
        "repository rule: an archive of others is filled by them",
        alone=True,
    ),
    Rule(
        Code.COMMAND_DISAGREES,
        _REJECT,
        _REJECT,
        "The C-STORE command names another SOP Class or SOP Instance UID than the object it came with, so it was not taken. "
        "Send it again with a sender that reads its objects.",
        "SOP Class or Instance UID of command and data set differ",
        "PS3.7 §9.3.1.1, PS3.4 Table B.2-1",
        alone=True,
    ),
    Rule(
        Code.OTHER_STUDY,
        _REJECT,
        _REJECT,
        "The object is of another study than the one it was sent to, so it was not taken. "
        "Send it to its own study, or without naming one.",
        "Object is of another study than the one it was sent to",
        "PS3.18 §10.5.1",
        alone=True,
    ),
    Rule(
        Code.RETRY_LATER,
        _REJECT,
        _REJECT,
        "Another transfer of the same SOP Instance UID is under way. Nothing was stored of this one; "
        "send it again in some minutes.",
        "Another transfer of this object is under way; send it again",
        "repository rule: one transfer at a time",
        alone=True,
    ),
)

BY_CODE: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in RULES})
_ROW: Mapping[str, int] = MappingProxyType({rule.code: row for row, rule in enumerate(RULES)})


def sentence(rule: str) -> str:
    """What happened, because of which rule, and what to do; KeyError for a code that has no rule."""
    return BY_CODE[rule].sentence


def short(rule: str) -> str:
    """The same in at most 64 characters, for (0000,0902) Error Comment; KeyError for a code that has no rule."""
    return BY_CODE[rule].short


def stop(decision: Decision) -> Code | None:
    """The rule by which nothing is taken for a dataset, from what policy decided on a deposit; None where it permits it."""
    return None if decision.allowed else _STOPS.get(decision.rule, Code.AGREEMENT_INACTIVE)


_STOPS = MappingProxyType({"agreement-out-of-period": Code.AGREEMENT_EXPIRED, "node-not-linked": Code.NODE_NOT_LINKED})


def outside(conditions: Conditions, modality: str, sop_class: str, stated: Collection[str]) -> list[Finding]:
    """What of an object, or of what is `stated` of its dataset's condition, the agreement does not name; it waits for review.

    Where the agreement names nothing of a kind, anything of it may come.
    """
    found = {
        Finding(Code.MODALITY_NOT_AGREED, "(0008,0060)"): not conditions.modalities or modality in conditions.modalities,
        Finding(Code.CLASS_NOT_AGREED, "(0008,0016)"): not conditions.sop_classes or sop_class in conditions.sop_classes,
        Finding(Code.CANCER_NOT_AGREED, ""): not conditions.cancers or (bool(stated) and conditions.cancers.issuperset(stated)),
    }
    return [finding for finding, is_agreed in found.items() if not is_agreed]


def verdict(declared: bool, attested: bool, findings: Iterable[Finding]) -> Verdict:
    """The verdict on one file from its facts; attested counts as declared. KeyError for a finding whose rule is not in RULES.

    A finding that decides alone names the verdict; it is listed only where it refuses, or says where.
    """
    weighing = sorted(set(findings), key=_order)
    if alone := next((finding for finding in weighing if BY_CODE[finding.rule].alone), None):
        outcome = BY_CODE[alone.rule].outcome_declared
        return Verdict(outcome, alone.rule, (alone,) if outcome is _REJECT or alone.where else (), ())
    if declared or attested:
        return _weighed(Code.DECLARED if declared else Code.ATTESTED, weighing, trusted=True)
    return _weighed(Code.NOT_DECLARED, sorted({*weighing, Finding(Code.NOT_DECLARED, "(0012,0062)")}, key=_order), trusted=False)


def _weighed(basis: Code, findings: Sequence[Finding], *, trusted: bool) -> Verdict:
    weighed = [(finding, _outcome(finding, trusted)) for finding in findings]
    serious = tuple(finding for finding, outcome in weighed if outcome is not _PASS)
    warnings = tuple(finding for finding, outcome in weighed if outcome is _PASS)
    for level in (_REJECT, _REVIEW):
        for finding, outcome in weighed:
            if outcome is level:
                return Verdict(level, finding.rule, serious, warnings)
    return Verdict(_PASS, basis, serious, warnings)


def _outcome(finding: Finding, trusted: bool) -> Outcome:
    rule = BY_CODE[finding.rule]
    return rule.outcome_declared if trusted else rule.outcome_undeclared


def _order(finding: Finding) -> tuple[int, str]:
    return _ROW[finding.rule], finding.where
