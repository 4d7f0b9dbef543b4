"""Accord's codes beside the standard's that are wider: data of which a ConceptMap is made.

A code of ours is narrower than the one it stands beside, so that neither may be read for the other: what is permitted for AI
research is not permitted for all research, and who may look at a picture may not therefore have whatever can be accessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from consent.conditions import Action, Purpose
from mappings.fhir.systems import ACT_REASON, ACTION, CONSENT_ACTION, PURPOSE


@dataclass(frozen=True, slots=True)
class Narrower:
    """A system of ours, a wider one of the standard's, and for each code of ours the wider one (R4's equivalence `wider`)."""

    source: str
    target: str
    wider: Mapping[str, str]


PURPOSES = Narrower(PURPOSE, ACT_REASON, {str(purpose): "HRESCH" for purpose in Purpose})
"""All of them are healthcare research."""
ACTIONS = Narrower(
    ACTION,
    CONSENT_ACTION,
    {
        Action.QUERY: "access",
        Action.PREVIEW: "access",
        Action.VIEW: "access",
        Action.PROCESS: "use",
        Action.EXPORT: "disclose",
    },
)
"""Those that an agreement grants; processing is done where the data rests, and discloses nothing."""
NARROWER = {"purpose": PURPOSES, "action": ACTIONS}
"""Each by the name of its system."""
