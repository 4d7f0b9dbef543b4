"""What a provider may agree to: actions, purposes, access class, listing and visibility, as closed lists; what may come in."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a caller may do with data; a set, of which none implies another."""

    DISCOVER = "discover"
    QUERY = "query"
    PREVIEW = "preview"
    VIEW = "view"
    PROCESS = "process"
    EXPORT = "export"
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    GOVERN = "govern"


class Purpose(StrEnum):
    """The only purposes data is shared for; a claim of the token, never a parameter of a question."""

    AI_RESEARCH = "AIRESEARCH"
    AI_TRAINING = "AITRAIN"
    FEDERATED_LEARNING = "FEDLEARN"


CLINICAL_PURPOSES = frozenset({"TREAT", "ETREAT", "CLINTRCH", "CLINTRL", "CAREMGT", "PATRQT", "HOPERAT", "HPAYMT"})
"""HL7 v3 PurposeOfUse codes that would put data to clinical or administrative use; refused by name for every caller."""


class AccessClass(StrEnum):
    """`default`: any approved user under the agreement. `conditional`: a permit for the dataset is needed as well."""

    DEFAULT = "default"
    CONDITIONAL = "conditional"


class Visibility(StrEnum):
    """Which pictures a user may look at: none, reduced previews, or full views (which include previews)."""

    NONE = "none"
    PREVIEW = "preview"
    FULL = "full"


GRANTABLE = frozenset({Action.QUERY, Action.PROCESS, Action.EXPORT})
"""Actions a provider grants by name; looking is granted by visibility, discovery by listing."""


@dataclass(frozen=True, slots=True, order=True)
class DataUse:
    """A data-use term that a provider chose, by its code in `consent.data_use`, with what it names: diseases, places, users."""

    code: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is written: `IRB`, `DS=MONDO:0005233;MONDO:0007254`."""
        return f"{self.code}={';'.join(self.values)}" if self.values else self.code


_PREVIEW, _VIEW, _EXPORT, _DISCOVER = Action.PREVIEW, Action.VIEW, Action.EXPORT, Action.DISCOVER


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one agreement version, as its provider ticked them. What is not in them is not permitted.

    `modalities` (DICOM's codes), `sop_classes` (UIDs) and `cancers` (a dataset's `condition`) say what may come in without being
    looked at; none of one kind: any. `deviations` is what was agreed beyond all this, in the repository's words.
    `external`: also users of external organisations, not of beneficiaries alone. `federated`: harvested,
    and counted in federated search.
    """

    access_class: AccessClass
    listed: bool
    actions: frozenset[Action]
    visibility: Visibility
    purposes: frozenset[Purpose]
    data_use: tuple[DataUse, ...] = ()
    cancers: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    sop_classes: frozenset[str] = frozenset()
    deviations: str = ""
    external: bool = False
    federated: bool = False

    @property
    def granted(self) -> frozenset[Action]:
        """The actions ticked by name that users may have. In the course of training nothing leaves (terms, clause 6).

        So export is for AI research and under conditions only; ticked without these, it grants nothing.
        """
        may_leave = self.access_class is AccessClass.CONDITIONAL and Purpose.AI_RESEARCH in self.purposes
        return self.actions if may_leave else self.actions - {Action.EXPORT}

    def permit(self, action: Action) -> bool:
        """Whether the provider agreed to this action at all, for whichever user, purpose and permit."""
        if action is _PREVIEW:
            return self.visibility is not Visibility.NONE
        if action is _VIEW:
            return self.visibility is Visibility.FULL
        return action in (self.granted if action is _EXPORT else self.actions) or action is _DISCOVER
