"""Stops over HTTP: datasets withdrawn and restored, who is blocked, what two persons decide on, what parties are told."""

from consent.conditions import Action
from consent.person import Act
from mappings.api import stops as s
from server.usecases import exclusion, notice, proposal, told
from server.usecases.purge import read_receipts
from server.usecases.restore import restore_study
from server.usecases.withdraw_dataset import restore_dataset, withdraw_dataset
from server.web.api import MOST_BODY, Api
from server.web.context import caller, runtime

MOST_PROPOSED = 2 << 20
"""Bytes: a document, each character of it escaped."""
_STUDY, _DATASET = "/api/studies/<uid:study>", "/api/datasets/<alias>"


def door() -> Api:
    """The routes of stops, proposals and notices."""
    routes = Api("stops")
    routes.row("GET", f"{_STUDY}/stop", s.StopTold, scope="ImagingStudy.r")(study_stop)
    routes.row("GET", f"{_DATASET}/stop", s.StopTold, anonymous=True)(dataset_stop)
    routes.row("GET", f"{_STUDY}/receipts", s.ReceiptsTold, scope="ImagingStudy.r")(receipts)
    for rule, view, answer, body, act, scope, status in (
        (f"{_STUDY}/restoration", restore_one, s.RestoredTold, s.ReasonAsked, Act.WITHDRAW, "ImagingStudy.d", 202),
        (f"{_DATASET}/withdrawal", withdraw, s.WithdrawnTold, s.WithdrawAsked, Act.WITHDRAW, "ImagingStudy.d", 200),
        (f"{_DATASET}/restoration", restore, s.DatasetTold, s.ReasonAsked, Act.WITHDRAW, "ImagingStudy.d", 200),
        ("/api/exclusions", exclude, s.ExclusionTold, s.ExcludeAsked, Act.BLOCK, "Consent.u", 201),
        ("/api/exclusions/lift", lift, s.ExclusionTold, s.LiftAsked, Act.BLOCK, "Consent.u", 200),
        ("/api/proposals", propose, s.ProposalTold, s.ProposeAsked, None, "Consent.u", 201),
        ("/api/proposals/<key>/confirmation", confirm, s.DoneTold, None, None, "Consent.u", 200),
        ("/api/proposals/<key>/refusal", decline, s.DoneTold, s.DeclineAsked, None, "Consent.u", 200),
        ("/api/notices", announce, s.AnnouncedTold, s.AnnounceAsked, Act.ANNOUNCE, "Consent.u", 201),
        ("/api/notices/<int:number>/acknowledgement", acknowledge, s.AcknowledgedTold, None, None, "Consent.u", 200),
    ):
        action = Action.WITHDRAW if act is Act.WITHDRAW else Action.GOVERN
        most = MOST_PROPOSED if body is s.ProposeAsked else MOST_BODY
        routes.row("POST", rule, answer, scope=scope, act=act, action=action, body=body, status=status, most=most)(view)
    routes.row("GET", "/api/exclusions", s.ExclusionsTold, scope="Consent.s", act=Act.BLOCK)(exclusions)
    routes.row("GET", "/api/proposals", s.ProposalsTold, scope="Consent.s")(proposals)
    routes.row("GET", "/api/notices", s.NoticesTold, scope="Consent.s")(notices)
    return routes


def study_stop(study: str) -> s.StopTold:
    """Tell since when a study is stopped or withdrawn, to whom that is told; 404 to others, and of what is not."""
    return s.tell_stop(told.study_stop(runtime(), caller(), study))


def dataset_stop(alias: str) -> s.StopTold:
    """Tell since when a dataset is stopped or withdrawn: to anybody, where it was listed."""
    return s.tell_stop(told.dataset_stop(runtime(), caller(), alias))


def receipts(study: str) -> s.ReceiptsTold:
    """Tell what the record keeps of a study's purge, to its provider."""
    found = read_receipts(runtime(), caller().actor, study)
    return s.ReceiptsTold(
        study=study,
        receipts=[
            s.ReceiptTold(at=r.at, dataset=r.dataset, files=list(r.files), takers=list(r.takers), taken=r.taken) for r in found
        ],
    )


def restore_one(study: str, asked: s.ReasonAsked) -> s.RestoredTold:
    """Undo one's own withdrawal of a study within its grace; a job brings its objects back."""
    objects = restore_study(runtime(), caller().subject.id, study, caller(), asked.reason)
    return s.RestoredTold(study=study, objects=objects)


def withdraw(alias: str, asked: s.WithdrawAsked) -> s.WithdrawnTold:
    """Take a whole dataset out of sight, from the next statement on."""
    why = {"reason": asked.reason, "circumstance": asked.circumstance}
    return s.WithdrawnTold(dataset=alias, until=withdraw_dataset(runtime(), caller().actor, alias, **why))


def restore(alias: str, asked: s.ReasonAsked) -> s.DatasetTold:
    """Undo one's own side's withdrawal of a dataset within its grace."""
    restore_dataset(runtime(), caller().actor, alias, reason=asked.reason)
    return s.DatasetTold(dataset=alias)


def exclude(asked: s.ExcludeAsked) -> s.ExclusionTold:
    """Block an organisation or a client, from the next request on."""
    named = str(asked.kind), asked.key
    exclusion.exclude(runtime(), caller().actor, *named, circumstance=asked.circumstance, reason=asked.reason)
    return s.ExclusionTold(kind=named[0], key=asked.key, circumstance=asked.circumstance)


def lift(asked: s.LiftAsked) -> s.ExclusionTold:
    """Let somebody in again."""
    exclusion.lift_exclusion(runtime(), caller().actor, str(asked.kind), asked.key, reason=asked.reason)
    return s.ExclusionTold(kind=str(asked.kind), key=asked.key)


def exclusions() -> s.ExclusionsTold:
    """List who is blocked."""
    rows = exclusion.list_exclusions(runtime(), caller().actor)
    return s.ExclusionsTold(
        exclusions=[s.ExclusionTold(kind=str(r.kind), key=r.key, circumstance=r.circumstance, at=r.at, by=r.actor) for r in rows]
    )


def propose(asked: s.ProposeAsked) -> s.ProposalTold:
    """Propose what two persons decide on."""
    return s.tell_proposal(proposal.propose(runtime(), caller().actor, asked.act, asked.arguments, asked.reason))


def confirm(key: str) -> s.DoneTold:
    """Confirm, as another person, what was proposed: it is done as it stands."""
    return s.DoneTold(key=key, done=proposal.confirm(runtime(), caller().actor, key))


def decline(key: str, asked: s.DeclineAsked) -> s.DoneTold:
    """Decline what was proposed."""
    proposal.refuse(runtime(), caller().actor, key, asked.reason)
    return s.DoneTold(key=key, done="It was declined.")


def proposals() -> s.ProposalsTold:
    """List what waits for a second person, of the acts that the caller may do."""
    return s.ProposalsTold(proposals=[s.tell_proposal(one) for one in proposal.list_proposals(runtime(), caller().actor)])


def announce(asked: s.AnnounceAsked) -> s.AnnouncedTold:
    """Tell one organisation, or every one, of a change or of something that ends."""
    said = str(asked.kind), asked.title, asked.text, asked.party, asked.effective
    key = notice.announce(runtime(), caller().actor, *said, address=asked.address, until=asked.until)
    return s.AnnouncedTold(notice=key)


def acknowledge(number: int) -> s.AcknowledgedTold:
    """Say that one's organisation has read a notice."""
    notice.acknowledge(runtime(), caller().actor, number)
    return s.AcknowledgedTold(id=number)


def notices() -> s.NoticesTold:
    """List the newest notices to the caller's organisation."""
    return s.NoticesTold(notices=[s.tell_notice(one) for one in notice.list_notices(runtime(), caller().actor)])
