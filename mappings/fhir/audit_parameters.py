"""The search parameters of AuditEvent: how an answered request is asked for by what it says of itself and what it showed."""

import re
from collections.abc import Iterable

from consent.access import Interaction
from consent.party import REPOSITORY
from mappings.fhir.audit_event import ASKED, EXPORTED, OUTCOMES
from mappings.fhir.parameters import Match, Parameter, always_if, coded, equals, moment, one_of, reference, token
from mappings.fhir.systems import ACTION, AUDIT_ACTION, AUDIT_OUTCOME, AUDIT_TYPE, CALLER, DCM, LIFECYCLE, RESTFUL
from mappings.query import EVERYTHING, NOTHING, Between, Condition, Like, Not, OneOf

_EXPORT = OneOf("action", tuple(EXPORTED))
_DEEDS = {"E": tuple(sorted(ASKED)), "R": tuple(i for i in Interaction if i not in ASKED)}
_STATUS = Match(lambda outcome: Between("status", *OUTCOMES[outcome]) if outcome in OUTCOMES else NOTHING, EVERYTHING)


def _if(word: str, condition: Condition) -> Match:
    """What one word asks for."""
    return Match(lambda code: condition if code == word else NOTHING, condition)


def _showed(kind: str) -> Match:
    """Each that is asked for is a search of its own through what was shown, and counts as one; no chain goes that way."""

    def read(identity: str) -> Condition:
        return Like("showed", f"{kind}/{identity}") if re.fullmatch(r"[A-Za-z0-9.-]{1,64}", identity) else NOTHING

    return Match(read, Like("showed", f"{kind}/*"))


def audit_parameters(shown: Iterable[str]) -> tuple[Parameter, ...]:
    """The parameters; `shown` are the types that an answer may have shown."""
    return (
        moment("_lastUpdated", "When it was answered.", "at"),
        moment("date", "When it was answered.", "at"),
        token(
            "type", "rest, or DICOM's Export.", coded(AUDIT_TYPE, _if("rest", Not(_EXPORT))), coded(DCM, _if("110106", _EXPORT))
        ),
        token(
            "subtype",
            "FHIR's interaction, disclose, or the repository's action.",
            coded(RESTFUL, equals("interaction")),
            coded(LIFECYCLE, _if("disclose", _EXPORT)),
            coded(ACTION, equals("action")),
        ),
        token("action", "E (a search) or R.", coded(AUDIT_ACTION, one_of("interaction", _DEEDS))),
        token("outcome", "0, 4 or 8.", coded(AUDIT_OUTCOME, _STATUS)),
        token("altid", "Who asked, as the ledger calls it.", coded("", equals("subject")), sort="subject"),
        reference(
            "agent",
            "Whose server this is; who asked, by `:identifier`.",
            path="agent.who",
            identified=coded(CALLER, equals("subject")),
            always=True,
            Organization=always_if(REPOSITORY),
        ),
        reference("source", "Whose server this is.", path="source.observer", always=True, Organization=always_if(REPOSITORY)),
        reference(
            "entity",
            "What was shown; the request's X-Request-Id, by `:identifier`.",
            path="entity.what",
            identified=coded("", equals("request")),
            always=False,
            **{kind: _showed(kind) for kind in shown},
        ),
        reference("patient", "Who, or whose images, were shown.", path="entity.what", Patient=_showed("Patient")),
    )
