"""The table of `docs/terms.md`: `python -m tests.terms_doc` writes it anew, between its marks.

Each clause of the terms of use, in our words, with what the software does about it, the line that does it, and the tests that go
red without that line. `python -m benchmarks.clauses` switches every line off in turn and sees that they do.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.dicom_doc import MARK
from tests.test_readme import table

TOP = Path(__file__).parent.parent
DOCUMENT = TOP / "docs/terms.md"


@dataclass(frozen=True, slots=True)
class Switch:
    """A line that enforces something, as it stands once in its file, and what stands in its place to switch it off."""

    file: str
    line: str
    off: str


@dataclass(frozen=True, slots=True)
class Clause:
    """What the terms say, what the software does, and how that is shown; without a switch: not executed, and `does` says why."""

    topic: str
    says: str
    does: str
    switch: Switch | None = None
    tests: tuple[str, ...] = ()


_POLICY, _CONDITIONS, _DEPOSIT = "consent/policy.py", "consent/conditions.py", "consent/deposit.py"
_DECIDED, _MATRIX = "tests/consent/test_policy.py", "tests/server/test_matrix.py"
_TOLD = "test_a_stop_is_told_to_whom_the_decision_without_it_said_yes_and_to_nobody_else"
_BY_RULE = f"{_DECIDED}::test_no_is_said_by_its_rule"

CLAUSES = (
    Clause(
        "Agreement",
        "Data is shared under a concluded Data Sharing Agreement only.",
        "Unless the agreement is active, nothing under it goes in or out.",
        Switch(_POLICY, "    if facts.state is not _ACTIVE:", "    if False:"),
        (_BY_RULE, "tests/server/test_batches.py"),
    ),
    Clause(
        "Agreement",
        "An agreement has a period.",
        "Outside it nothing goes in or out, from that moment on.",
        Switch(_POLICY, "    if now < facts.starts or (facts.ends is not None and now >= facts.ends):", "    if False:"),
        (_BY_RULE,),
    ),
    Clause(
        "Purpose",
        "Use is for AI research, AI training and federated learning.",
        "Each user's request has one purpose of this closed list, which its token carries; the provider may exclude one.",
        Switch(_POLICY, "    if purpose not in facts.conditions.purposes:", "    if False:"),
        (_BY_RULE, f"{_MATRIX}::test_for_a_purpose_that_is_not_agreed_there_are_no_images_and_the_rule_is_said"),
    ),
    Clause(
        "No diagnosis",
        "Nothing here is for diagnosis or other clinical use.",
        "Clinical purposes are refused by name, whoever asks; every face says so.",
        Switch(_POLICY, "    if purpose.upper() in CLINICAL_PURPOSES:", "    if False:"),
        (f"{_DECIDED}::test_every_clinical_purpose_is_refused_with_the_sentence_that_nothing_here_is_for_diagnosis",),
    ),
    Clause(
        "Users",
        "Only approved data users may use the data.",
        "An organisation that is not approved sees no dataset and gets no token.",
        Switch(_POLICY, "    if not subject.approved:", "    if False:"),
        (_BY_RULE, f"{_MATRIX}::test_an_organisation_that_is_not_approved_sees_no_dataset"),
    ),
    Clause(
        "Users",
        "A user has accepted the terms.",
        "Who has not accepted them gets no token, and four lines to read.",
        Switch("server/usecases/issue_token.py", "        if is_behind(asker, facts, runtime.clock()):", "        if False:"),
        ("tests/server/test_oauth.py::test_who_is_not_approved_or_did_not_accept_the_terms_gets_no_token",),
    ),
    Clause(
        "Renewed consent",
        "External users reach a provider's data only where it agreed to that.",
        "Unless the agreement says external, users of external organisations see none of it.",
        Switch(_POLICY, "        if not facts.conditions.external:", "        if False:"),
        (_BY_RULE, "tests/contracts/test_renewal.py"),
    ),
    Clause(
        "Renewed consent",
        "New terms need the provider's renewed yes; silence is never consent.",
        "From the moment new terms take effect external users are denied until it accepts; beneficiaries go on as before.",
        Switch(_POLICY, "        if facts.renewal is not None and now >= facts.renewal:", "        if False:"),
        ("tests/consent/test_truth_table.py", "tests/contracts/test_renewal.py"),
    ),
    Clause(
        "Renewed consent",
        "A user has accepted the terms that data is shared under.",
        "The version an agreement is under, or a later one declared to contain it; per dataset, in every decision.",
        Switch(_POLICY, '    return None if _has_accepted(subject, facts, now) else "terms-behind"', "    return None"),
        ("tests/consent/test_truth_table.py",),
    ),
    Clause(
        "Data use",
        "A provider's data-use terms hold: what they exclude, and what needs evidence.",
        "Matched as three values, the worst wins; what must be shown is shown by a permit.",
        Switch(
            _POLICY,
            "    if facts.conditions.data_use and (rule := _data_use_refusal(subject, purpose, facts, now)):",
            "    if False:",
        ),
        (_BY_RULE,),
    ),
    Clause(
        "Federation",
        "Counts for the federation, and harvest, are a separate yes.",
        "A dataset whose provider did not agree is neither counted nor harvested.",
        Switch(
            _POLICY,
            '    return None if reach is Reach.LISTED or facts.conditions.federated else "not-federated"',
            "    return None",
        ),
        (_BY_RULE,),
    ),
    Clause(
        "Signatures",
        "What was signed is what is in force.",
        "A signature binds the hash of every part of a version; written over, it no longer verifies.",
        Switch("consent/signature.py", '        "conditions": dict(_conditions(content.conditions)),', ""),
        ("tests/contracts/test_agreement_life.py::test_each_part_of_a_version_is_signed_and_changing_any_breaks_it",),
    ),
    Clause(
        "De-identified data",
        "Only de-identified, conformant data goes in.",
        "What names a person is refused; what may tell of somebody waits in quarantine, and no search finds it.",
        Switch("server/usecases/keep.py", "    if target.quarantined:\n        return\n", ""),
        (
            "tests/usecases/test_take.py",
            "tests/usecases/test_deliver.py",
        ),
    ),
    Clause(
        "No download",
        "In the course of AI training nothing leaves.",
        "For training and federated learning bytes are processed at the node; export is for research.",
        Switch(_POLICY, "    if purpose != Purpose.AI_RESEARCH:", "    if False:"),
        (f"{_DECIDED}::test_bytes_leave_for_research_under_conditions_by_a_permit_that_names_it_and_never_else",),
    ),
    Clause(
        "No download",
        "For research, download needs the provider's yes, under conditions.",
        "Export needs the conditional class, and a permit that names it.",
        Switch(
            _POLICY,
            "    return None if holding(facts.permits, subject.party, now, export=True, evidence=evidence)"
            ' else "export-not-permitted"',
            "    return None",
        ),
        (_BY_RULE,),
    ),
    Clause(
        "Looking",
        "Pictures are shown where the provider agreed to that.",
        "Visibility is none, reduced previews, or full views; none is implied by another action.",
        Switch(_CONDITIONS, "            return self.visibility is not Visibility.NONE", "            return True"),
        ("tests/consent/test_agreement.py::test_pictures_are_granted_by_visibility_alone",),
    ),
    Clause(
        "Different conditions",
        "By default approved users may use shared data; a provider may list it under different conditions.",
        "In the conditional class a permit for the dataset is needed; the refusal says whom to ask.",
        Switch(
            _POLICY,
            "    if facts.conditions.access_class is _CONDITIONAL and not holding(facts.permits, subject.party, now):",
            "    if False:",
        ),
        (_BY_RULE, f"{_MATRIX}::test_a_conditional_dataset_needs_a_permit_until_it_is_revoked_or_over"),
    ),
    Clause(
        "Record",
        "All transactions are tracked.",
        "A use is recorded durably before its first byte; what can't be recorded gives none.",
        Switch("server/usecases/deliver.py", "        _record(runtime, use)\n        self.objects", "        self.objects"),
        (f"{_MATRIX}::test_what_can_not_be_recorded_gives_no_byte_at_any_door",),
    ),
    Clause(
        "Record",
        "The record can't be changed unseen.",
        "Entries are leaves of a Merkle tree that the database refuses to change, and that anybody recomputes.",
        Switch(
            "adapters/sql/migrations/versions/0001_first.py",
            "CREATE TRIGGER ledger_leaf_kept BEFORE DELETE ON ledger_leaf"
            " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
            "SELECT 1",
        ),
        ("tests/contracts/test_ledger.py::test_the_database_refuses_to_change_what_is_ordered_or_kept",),
    ),
    Clause("Record", "Tracking by blockchain.", "Not yet: no chain is written to; the tree is the repository's own."),
    Clause(
        "Right to stop",
        "The operator may cut a node off at once.",
        "Its state is asked in every statement and decision: the next request gives nothing.",
        Switch(_POLICY, '    return None if facts.node_state is _LINKED else "node-not-linked"', "    return None"),
        (_BY_RULE,),
    ),
    Clause(
        "Right to stop",
        "A provider may take its data back.",
        "It withdraws a study, a pseudonym or a dataset; what is stopped can still be taken out.",
        Switch(_POLICY, "    if action is not _WITHDRAW and (stop", "    if (stop"),
        (f"{_DECIDED}::test_what_is_stopped_is_stopped_for_everyone_but_who_takes_it_out",),
    ),
    Clause(
        "Right to stop",
        "What was stopped is told to who may know of it, and to nobody else.",
        "410 with date and *provider*, *repository* or *replaced* where the decision without the stop says yes; else 404.",
        Switch(
            "consent/told.py",
            "    return any(decide(subject, asked, purpose, without, now)",
            "    return True or any(decide(subject, asked, purpose, without, now)",
        ),
        (
            "tests/consent/test_told.py",
            f"{_MATRIX}::{_TOLD}",
            "tests/server/test_retrieval.py::test_that_a_study_was_stopped_is_told_to_who_could_have_it_and_to_nobody_else",
        ),
    ),
    Clause(
        "Right to stop",
        "Who has used what was stopped is told.",
        "Any use in the record is enough, whatever is agreed now; over HTTP and on the DICOM network.",
        Switch("consent/told.py", "    if used:", "    if False:"),
        (
            "tests/consent/test_told.py",
            "tests/usecases/test_stops.py::test_who_has_used_a_study_is_told_when_it_is_withdrawn_though_it_may_ask_for_nothing_now",
        ),
    ),
    Clause(
        "Right to stop",
        "What was withdrawn goes after a grace, hidden meanwhile, and whoever withdrew has it back until then.",
        "Seven days by setting; nothing is deleted before its day.",
        Switch("server/usecases/withdraw.py", "now + timedelta(days=runtime.settings.grace_days))", "now)"),
        ("tests/usecases/test_stops.py",),
    ),
    Clause(
        "Right to stop",
        "A deletion leaves a receipt.",
        "An entry of the record with the SHA-256 of each file, and who had taken the study.",
        Switch("server/usecases/purge.py", "            _write_receipt(runtime, connection, study, purged)", "            pass"),
        ("tests/usecases/test_stops.py::test_what_is_withdrawn_rests_until_its_grace_is_over_and_then_goes_with_a_receipt",),
    ),
    Clause(
        "Right to stop",
        "The operator may refuse a user or an organisation.",
        "Who is blocked gets no token, no next answer and no next object; its data stays its agreement's.",
        Switch(
            "consent/exclusion.py",
            "    return subject.id in exclusions.callers or subject.party in exclusions.parties",
            "    return False",
        ),
        ("tests/usecases/test_stops.py", "tests/server/test_api_stops.py"),
    ),
    Clause(
        "Two persons",
        "What can't be undone is decided by two persons; to stop, one is enough.",
        "Who proposed a purge, a release of what undeclared would be rejected, a document, an external organisation or new keys"
        " never confirms it.",
        Switch("consent/proposal.py", "    if decider.id == proposal.proposer:", "    if False:"),
        ("tests/usecases/test_two_persons.py", "tests/server/test_api_stops.py"),
    ),
    Clause(
        "Two persons",
        "An account of the machine is no second person.",
        "Whoever confirms is signed in.",
        Switch("consent/proposal.py", "    if not decider.id.startswith(PERSON):", "    if False:"),
        ("tests/usecases/test_two_persons.py",),
    ),
    Clause(
        "Notices",
        "A new version of the terms is brought to those whom it is about.",
        "Every organisation has a notice, and providers who are asked one that says what until when.",
        Switch("server/usecases/terms.py", "    _tell(runtime, connection, actor, terms, set(asked.values()))", ""),
        ("tests/usecases/test_notice.py::test_a_version_is_brought_to_those_who_are_asked_and_to_the_others",),
    ),
    Clause(
        "Notices",
        "Discontinuities are announced before they are effective.",
        "A notice of one that has no later moment is refused.",
        Switch(
            "server/usecases/notice.py",
            "    if kind == NoticeKind.DISCONTINUITY and (effective is None or effective <= now):",
            "    if False:",
        ),
        ("tests/usecases/test_notice.py::test_who_announces_is_the_operator_and_what_ends_is_said_before",),
    ),
    Clause(
        "Notices",
        "Discontinuities are announced where they will be met.",
        "The answers of an address that ends say since when and when (RFC 9745, RFC 8594); in an outage, when it is over.",
        Switch("server/web/announced.py", "    if ends is not None:", "    if False:"),
        ("tests/server/test_announced.py",),
    ),
    Clause(
        "Notices",
        "Ethics approvals and impact assessments are kept valid.",
        "Both sides are reminded once of each document named at signing when it is due, and once when it has expired.",
        Switch(
            "server/usecases/remind.py",
            "for each in (*_ending(runtime), *map(_of_document, find_due(runtime))))",
            "for each in _ending(runtime))",
        ),
        ("tests/usecases/test_remind.py::test_both_sides_are_told_when_a_document_is_due_and_when_it_has_expired_once_each",),
    ),
    Clause(
        "Publications",
        "Of published work title and short summary are told, and nothing else.",
        "Any other member of what is sent is refused by name.",
        Switch(
            "mappings/api/shapes.py",
            "class Asked(Struct, kw_only=True, forbid_unknown_fields=True):",
            "class Asked(Struct, kw_only=True):",
        ),
        ("tests/server/test_api.py::test_of_published_work_nothing_but_title_summary_and_doi_is_taken",),
    ),
    Clause(
        "Publications",
        "More than that by consent of both.",
        "A DOI is told while provider and repository want the same one.",
        Switch(
            "consent/publication.py",
            "        return self.doi_of_provider if self.doi_of_provider == self.doi_of_repository else None",
            "        return self.doi_of_provider or self.doi_of_repository",
        ),
        ("tests/usecases/test_publication.py",),
    ),
    Clause(
        "Hosting",
        "Where data is hosted is its provider's choice, and availability is not promised.",
        "Each dataset says so by API, beside that it is never for diagnosis.",
        Switch(
            "consent/disclaimer.py",
            "    return HOSTED[hosting], AVAILABILITY, NEVER_FOR_DIAGNOSIS",
            "    return (NEVER_FOR_DIAGNOSIS,)",
        ),
        ("tests/usecases/test_publication.py::test_a_dataset_says_where_it_is_hosted_and_what_is_not_promised",),
    ),
    Clause(
        "No diagnosis",
        "Every face says it.",
        "A test walks pages, descriptions for programs, manifests of exports, the help of the command line and the README.",
        Switch("mappings/dicom/capabilities.py", '    SubElement(application, "doc").text = NEVER_FOR_DIAGNOSIS', ""),
        ("tests/server/test_faces.py",),
    ),
)


def clauses() -> str:
    """Each clause, what is done about it, where, and what shows it."""
    rows = [
        (
            each.topic,
            each.says,
            each.does,
            f"`{each.switch.file}`" if each.switch else "–",
            "<br>".join(f"`{t}`" for t in each.tests),
        )
        for each in CLAUSES
    ]
    return table(("", "the terms", "the software", "enforced in", "tests"), *rows)


def filled(text: str) -> str:
    """The document with its table as it is now."""
    return MARK.sub(lambda mark: f"{mark[1]}\n{clauses()}\n\n{mark[4]}", text)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))
