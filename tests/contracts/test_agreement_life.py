"""An agreement's life on both databases: applied for, drafted, signed by both sides, changed, stopped; nothing open unsigned."""

from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from itertools import count

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from adapters.sql import governance
from adapters.sql import tables as t
from consent.agreement import MOVES, AgreementState, Side
from consent.person import Actor, PersonRole
from consent.signature import CODE_TRIES, CODES_AN_HOUR, Declarations, DeclaredDocument, undeclared
from mappings.failures import Conflict, Failure, Forbidden, Invalid, NotFound, Throttled, TooLarge, Unavailable
from server.usecases import signing
from server.usecases.agreement import act_on_agreement, move_agreement, read_agreement
from server.usecases.application import MOST_OPEN, apply_for_agreement
from server.usecases.dataset import add_dataset
from server.usecases.declared import find_due
from server.usecases.draft import draft_version
from server.usecases.node import add_node
from server.usecases.signing import send_code, sign, verify_agreement
from tests.agreed import CONTENT, DECLARED, DOCUMENTS, LOCAL, MANAGER, OPERATOR, SIGNATORY, STRANGER, agreed, sending, signed
from tests.builders import ACTOR, Clock, runtime, seed

S = AgreementState
ASKED = {"contacts": "Mara, mara@hospital-a.example", "data": "200 chest CT", "deviations": "No preview, please."}


@pytest.fixture
def world(tmp_path, database):
    """A repository with a node, terms and two hospitals, one of which shares already, and its outbox."""
    opened = runtime(tmp_path, url=database, clock=Clock())
    seed(opened)
    seed(opened, alias="LIVER", provider="hospital-b")
    yield sending(opened)
    opened.close()


def stage(built, key="DSA-NEW"):
    return read_agreement(built, key).standing


def entries(built):
    with built.store.read() as connection:
        return list(connection.execute(select(t.ledger_body.c.kind).order_by(t.ledger_body.c.id)).scalars())


def test_an_agreement_is_applied_for_drafted_proposed_signed_and_countersigned(world):
    built, outbox = world
    before = len(entries(built))
    apply_for_agreement(built, MANAGER, "DSA-NEW", **ASKED)
    assert (stage(built).state, read_agreement(built, "DSA-NEW").content) == (S.APPLIED, None)
    assert read_agreement(built, "DSA-NEW").application.deviations == "No preview, please."
    assert draft_version(built, OPERATOR, "DSA-NEW", CONTENT) == 1
    assert act_on_agreement(built, MANAGER, "DSA-NEW", "propose") is S.PROPOSED
    assert signed(built, outbox, SIGNATORY, "DSA-NEW") is S.SIGNED
    assert signed(built, outbox, OPERATOR, "DSA-NEW", name="Olga Operator") is S.ACTIVE
    verified = verify_agreement(built, "DSA-NEW")
    assert (verified.broken, verified.is_imported) == ((), False)
    provider, repository = verified.cited.signatures
    assert (provider.side, provider.name, provider.declarations) == (Side.PROVIDER, "Sam Signer", DECLARED)
    assert (repository.side, repository.sha256) == (Side.REPOSITORY, provider.sha256)
    assert entries(built)[before:] == [f"govern.agreement.{verb}" for verb in ("apply", "add", "propose", "sign", "countersign")]
    assert [person for person, *_ in outbox.sent] == [SIGNATORY.id, OPERATOR.id]


def test_what_is_changed_is_signed_again_and_what_is_in_force_goes_on_until_then(world):
    built, outbox = world
    with built.store.read() as connection:
        counted = governance.counter(connection)
    change = replace(
        CONTENT, visibility="full", access_class="conditional", data_use=("IRB", "GS=EU"), actions=("query", "process")
    )
    assert draft_version(built, MANAGER, "DSA-LUNG", change) == 2
    for act in ("propose", "sign"):
        signed(built, outbox, SIGNATORY, "DSA-LUNG") if act == "sign" else act_on_agreement(built, MANAGER, "DSA-LUNG", act)
        facts = fact(built)
        assert (facts.version, facts.state, facts.conditions.data_use) == (1, S.ACTIVE, ())
    assert read_agreement(built, "DSA-LUNG").change == 2
    assert signed(built, outbox, OPERATOR, "DSA-LUNG", name="Olga Operator") is S.ACTIVE
    facts = fact(built)
    assert (facts.version, facts.state, [str(term) for term in facts.conditions.data_use]) == (2, S.ACTIVE, ["GS=EU", "IRB"])
    assert read_agreement(built, "DSA-LUNG").change is None
    with built.store.read() as connection:
        assert governance.counter(connection) > counted
    assert read_agreement(built, "DSA-LUNG@1").content.conditions.data_use == ()


def fact(built):
    with built.store.read() as connection:
        return next(each for each in built.governance.current(connection).facts if each.alias == "LUNG")


def test_a_change_that_is_refused_or_drafted_anew_leaves_what_is_in_force(world):
    built, outbox = world
    draft_version(built, MANAGER, "DSA-LUNG", CONTENT)
    act_on_agreement(built, MANAGER, "DSA-LUNG", "propose")
    signed(built, outbox, SIGNATORY, "DSA-LUNG")
    assert draft_version(built, OPERATOR, "DSA-LUNG", CONTENT) == 3
    with pytest.raises(Conflict, match="that is draft can't be countersigned"):
        send_code(built, OPERATOR, "DSA-LUNG")
    act_on_agreement(built, OPERATOR, "DSA-LUNG", "refuse", "another time")
    assert (fact(built).version, stage(built, "DSA-LUNG").change) == (1, None)
    assert draft_version(built, OPERATOR, "DSA-LUNG", CONTENT) == 4, "a number is given once"


def test_a_stop_is_told_as_a_stop_while_a_change_is_agreed_on(world):
    built, _ = world
    draft_version(built, MANAGER, "DSA-LUNG", CONTENT)
    assert act_on_agreement(built, MANAGER, "DSA-LUNG", "suspend") is S.SUSPENDED
    assert move_agreement(built, ACTOR, "DSA-LUNG", "suspend") is S.SUSPENDED
    assert act_on_agreement(built, MANAGER, "DSA-LUNG", "propose") is S.PROPOSED


def test_what_is_in_force_stays_on_its_node(world):
    built, _ = world
    add_node(built, ACTOR, "other", kind="folder", hosting="central", url="other")
    with pytest.raises(Conflict, match="rests on central"):
        draft_version(built, OPERATOR, "DSA-LUNG", replace(CONTENT, node="other"))


def proposed(built, **content):
    apply_for_agreement(built, MANAGER, "DSA-NEW", **ASKED)
    draft_version(built, OPERATOR, "DSA-NEW", replace(CONTENT, **content))
    act_on_agreement(built, MANAGER, "DSA-NEW", "propose")


def test_each_part_of_a_version_is_signed_and_changing_any_breaks_it(world):
    """As somebody would who owns the database: every column is written over, where its guards are taken away."""
    built, outbox = world
    everything = {
        "data_use": ("GRU",), "cancers": ("CLIN1000057",), "modalities": ("CT",), "sop_classes": ("1.2.840.10008.5.1.4.1.1.2",),
        "deviations": "None.", "documents": (f"guidelines 1.0.0 {'ab' * 32}",), "ends": built.clock() + timedelta(days=9),
    }  # fmt: skip
    proposed(built, **everything)
    signed(built, outbox, SIGNATORY, "DSA-NEW")
    signed(built, outbox, OPERATOR, "DSA-NEW", name="Olga Operator")
    columns = t.agreement_version.c
    left = {"id", "agreement", "version", "at", "node", "terms", "replaces"}
    other = {"listed": False, "starts": 5, "ends": 6, "access_class": "conditional", "visibility": "full", "text": b"We keep.",
             "actions": "process", "purposes": "AITRAIN", "hosting": "federated", "data_use": "HMB", "means": "file",
             "documents": f"guidelines 1.0.0 {'cd' * 32}", "circumstances": "security",
             "external": True, "federated": True}  # fmt: skip
    for column in columns:
        if column.name in left:
            continue
        kept = peek(built, column)
        poke(built, column, other.get(column.name, "X"))
        assert len(verify_agreement(built, "DSA-NEW").broken) == 2, column.name
        poke(built, column, kept)
        assert verify_agreement(built, "DSA-NEW").broken == (), column.name
    for table, column, value in (
        (t.terms, "sha256", "00"), (t.terms, "version", "9.0.0"), (t.node, "name", "elsewhere"), (t.party, "key", "hospital-x"),
        (t.agreement, "key", "DSA-NEW"),
    ):  # fmt: skip
        row = {"party": t.party.c.key == "hospital-a", "agreement": t.agreement.c.key == "DSA-NEW"}.get(
            table.name, table.c.id == 1
        )
        with unguarded(built) as connection:
            kept = connection.execute(select(table.c[column]).where(row)).scalar_one()
            connection.execute(table.update().where(row).values(**{column: value}))
        is_same = kept == value
        assert (len(verify_agreement(built, "DSA-NEW").broken) == 2) is not is_same, (table.name, column)
        with unguarded(built) as connection:
            now = {"party": t.party.c.key == value, "agreement": t.agreement.c.key == value}.get(table.name, table.c.id == 1)
            connection.execute(table.update().where(now).values(**{column: kept}))
    assert verify_agreement(built, "DSA-NEW").broken == ()


@contextmanager
def unguarded(built):
    """A writing transaction in which the database guards nothing."""
    with built.store.write() as connection:
        if not built.store.is_sqlite:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for name, sql in connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
                connection.info.setdefault("guards", []).append(sql)
        yield connection
        for sql in connection.info.pop("guards", ()):
            connection.execute(text(sql))


def of_new(table):
    agreement = select(t.agreement.c.id).where(t.agreement.c.key == "DSA-NEW").scalar_subquery()
    return table.c.agreement == agreement


def peek(built, column):
    with built.store.read() as connection:
        return connection.execute(select(column).where(of_new(column.table))).scalars().first()


def poke(built, column, value):
    with unguarded(built) as connection:
        connection.execute(column.table.update().where(of_new(column.table)).values({column.name: value}))


@pytest.mark.parametrize("column", ["name", "person", "declarations", "at", "sha256"])
def test_a_signature_that_was_written_over_is_told_by_the_ledger(world, column):
    built, outbox = world
    proposed(built)
    signed(built, outbox, SIGNATORY, "DSA-NEW")
    signed(built, outbox, OPERATOR, "DSA-NEW", name="Olga Operator")
    poke(built, t.agreement_signature.c[column], {"declarations": '{"words":[],"documents":[]}', "at": 7}.get(column, "forged"))
    assert any("as the ledger has it" in said for said in verify_agreement(built, "DSA-NEW").broken)


def test_the_database_refuses_to_change_a_signature(world):
    built, outbox = world
    proposed(built)
    signed(built, outbox, SIGNATORY, "DSA-NEW")
    with built.store.write() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(t.agreement_signature.update().values(name="Somebody Else"))


def test_what_was_signed_on_paper_is_imported_by_the_repository_alone(world):
    built, _ = world
    verified = verify_agreement(built, "DSA-LUNG")
    assert (verified.is_imported, verified.broken, verified.cited.signatures) == (True, (), ())
    proposed(built)
    with pytest.raises(Conflict, match="activated by the repository"):
        move_agreement(built, ACTOR, "DSA-NEW", "activate", Side.PROVIDER)
    assert verify_agreement(built, "DSA-NEW").broken == ("The provider has not signed it.", "The repository has not signed it.")


def test_a_document_is_told_of_from_its_reminder_on_and_when_it_has_expired(world):
    built, outbox = world
    proposed(built)
    signed(built, outbox, SIGNATORY, "DSA-NEW")
    signed(built, outbox, OPERATOR, "DSA-NEW", name="Olga Operator")
    assert find_due(built) == ()
    for day, says in ((DOCUMENTS[0].remind, "expires on 2028-01-01"), (DOCUMENTS[0].expires + timedelta(days=1), "has expired")):
        built.clock.at = datetime.combine(day, time(), UTC)
        (due,) = find_due(built)
        assert due.sentence == f"The ethics document of DSA-NEW (hospital-a) {says}: its provider renews it."
    move_agreement(built, ACTOR, "DSA-NEW", "terminate", circumstance="breach")
    assert find_due(built) == ()


# --- codes


def test_a_code_is_one_persons_for_one_content_for_minutes_and_once(world):
    built, outbox = world
    proposed(built)
    said = {"name": "Sam Signer", "declarations": DECLARED}
    other = Actor("person:sue", "hospital-a", frozenset({PersonRole.SIGNATORY}))
    send_code(built, SIGNATORY, "DSA-NEW")
    for actor, code in ((other, outbox.code), (SIGNATORY, "22222-22222"), (SIGNATORY, ""), (SIGNATORY, "é")):
        with pytest.raises(Forbidden, match="Ask for another"):
            sign(built, actor, "DSA-NEW", code=code, **said)
    built.clock.on(15 * 60)
    with pytest.raises(Forbidden):
        sign(built, SIGNATORY, "DSA-NEW", code=outbox.code, **said)
    send_code(built, SIGNATORY, "DSA-NEW")
    first = outbox.code
    send_code(built, SIGNATORY, "DSA-NEW")
    with pytest.raises(Forbidden):
        sign(built, SIGNATORY, "DSA-NEW", code=first, **said)
    draft_version(built, OPERATOR, "DSA-NEW", CONTENT)
    act_on_agreement(built, OPERATOR, "DSA-NEW", "propose")
    with pytest.raises(Forbidden):
        sign(built, SIGNATORY, "DSA-NEW", code=outbox.code, **said)
    send_code(built, SIGNATORY, "DSA-NEW")
    assert sign(built, SIGNATORY, "DSA-NEW", code=outbox.code.lower().replace("-", " "), **said) is S.SIGNED
    with pytest.raises(Conflict):
        sign(built, SIGNATORY, "DSA-NEW", code=outbox.code, **said)


def test_a_code_is_tried_a_few_times_and_sent_a_few_times(world):
    built, outbox = world
    proposed(built)
    said = {"name": "Sam Signer", "declarations": DECLARED}
    send_code(built, SIGNATORY, "DSA-NEW")
    for _ in range(CODE_TRIES):
        with pytest.raises(Forbidden):
            sign(built, SIGNATORY, "DSA-NEW", code="22222-22222", **said)
    with pytest.raises(Forbidden):
        sign(built, SIGNATORY, "DSA-NEW", code=outbox.code, **said)
    for _ in range(CODES_AN_HOUR - 1):
        send_code(built, SIGNATORY, "DSA-NEW")
    with pytest.raises(Throttled):
        send_code(built, SIGNATORY, "DSA-NEW")
    assert len(outbox.sent) == CODES_AN_HOUR


def test_a_code_is_kept_by_its_digest_and_told_to_nobody(world, caplog):
    built, outbox = world
    proposed(built)
    send_code(built, SIGNATORY, "DSA-NEW")
    with built.store.read() as connection:
        (row,) = connection.execute(select(t.signing_code)).all()
    letters = outbox.code.replace("-", "")
    assert not any(letters in str(value) or letters.encode() in (value if isinstance(value, bytes) else b"") for value in row)
    assert letters not in caplog.text
    assert letters not in repr(read_agreement(built, "DSA-NEW"))


def test_where_nothing_is_sent_nothing_is_kept(world):
    built, _ = world
    proposed(built)
    silent = replace(built, settings=msgspec.structs.replace(built.settings, mail_host=""))
    with pytest.raises(Unavailable, match="mails nothing"):
        send_code(silent, SIGNATORY, "DSA-NEW")
    with built.store.read() as connection:
        assert connection.execute(select(t.signing_code)).all() == []


# --- what is refused

EXPIRED = replace(DOCUMENTS[0], expires=DOCUMENTS[0].expires.replace(year=2025), remind=None)
UNDECLARED = {
    "nothing": Declarations(),
    "a word less": replace(DECLARED, words=DECLARED.words - {"own-backup"}),
    "a word more": replace(DECLARED, words=DECLARED.words | {"honest"}),
    "no ethics": replace(DECLARED, documents=DOCUMENTS[1:]),
    "no dpia": replace(DECLARED, documents=DOCUMENTS[:1]),
    "expired": replace(DECLARED, documents=(EXPIRED, *DOCUMENTS[1:])),
    "reminded late": replace(
        DECLARED, documents=(replace(DOCUMENTS[0], remind=DOCUMENTS[0].expires.replace(year=2029)), DOCUMENTS[1])
    ),
    "too many": replace(DECLARED, documents=DOCUMENTS * 6),
    "no owner": replace(DECLARED, documents=(replace(DOCUMENTS[0], owner=""), DOCUMENTS[1])),
    "a long name": replace(DECLARED, documents=(replace(DOCUMENTS[0], name="x" * 201), DOCUMENTS[1])),
    "another kind": replace(DECLARED, documents=(*DOCUMENTS, DeclaredDocument("poem", "x", "y"))),
}


@pytest.mark.parametrize("declared", UNDECLARED.values(), ids=UNDECLARED)
def test_a_provider_signs_only_with_every_declaration(declared):
    today = Clock()().date()
    assert undeclared(Side.PROVIDER, declared, today)
    assert undeclared(Side.PROVIDER, DECLARED, today) is None
    assert undeclared(Side.REPOSITORY, DECLARED, today)


def test_who_may_not_does_not(world):
    built, outbox = world
    with pytest.raises(Forbidden):
        apply_for_agreement(built, OPERATOR, "DSA-NEW", **ASKED)
    with pytest.raises(Forbidden):
        apply_for_agreement(built, Actor("person:x", "hospital-a", frozenset({PersonRole.RESEARCHER})), "DSA-NEW", **ASKED)
    proposed(built)
    for act in (
        lambda: send_code(built, STRANGER, "DSA-NEW"),
        lambda: act_on_agreement(built, STRANGER, "DSA-NEW", "refuse"),
        lambda: draft_version(built, STRANGER, "DSA-NEW", CONTENT),
    ):
        with pytest.raises(NotFound):
            act()
    for act in (
        lambda: send_code(built, MANAGER, "DSA-NEW"),
        lambda: act_on_agreement(built, MANAGER, "DSA-NEW", "terminate"),
        lambda: act_on_agreement(built, SIGNATORY, "DSA-NEW", "activate"),
    ):
        with pytest.raises(Failure):
            act()
    signed(built, outbox, SIGNATORY, "DSA-NEW")
    with pytest.raises(Forbidden, match="a person's"):
        send_code(built, LOCAL, "DSA-NEW")
    both = Actor(SIGNATORY.id, None, frozenset({PersonRole.OPERATOR}))
    send_code(built, both, "DSA-NEW")
    with pytest.raises(Conflict, match="does not sign for the repository"):
        sign(built, both, "DSA-NEW", name="Sam Signer", code=outbox.code)
    with pytest.raises(Conflict, match="signature"):
        move_agreement(built, ACTOR, "DSA-NEW", "countersign")


def test_a_file_is_signed_where_it_is_asked_for_and_kept_by_its_hash(world, monkeypatch):
    built, outbox = world
    proposed(built, means="file")
    with pytest.raises(Invalid, match="signed in a file"):
        signed(built, outbox, SIGNATORY, "DSA-NEW")
    monkeypatch.setattr(signing, "MOST_FILE", 10)
    with pytest.raises(TooLarge):
        signed(built, outbox, SIGNATORY, "DSA-NEW", file=b"x" * 11)
    signed(built, outbox, SIGNATORY, "DSA-NEW", file=b"signed")
    (signature,) = read_agreement(built, "DSA-NEW").signatures
    assert signature.file_sha256 == sha256(b"signed").hexdigest()


def test_a_file_where_none_is_asked_for_is_refused(world):
    built, outbox = world
    proposed(built)
    with pytest.raises(Invalid, match="without a file"):
        signed(built, outbox, SIGNATORY, "DSA-NEW", file=b"signed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"contacts": ""}, {"data": " "}, {"data": "x" * 5001}, {"contacts": "x" * 1001}, {"deviations": "x" * 5001},
        {"data": "a\x00b"},
    ],
    ids=str,
)  # fmt: skip
def test_an_application_is_text_of_a_bounded_size(world, wrong):
    with pytest.raises(Invalid):
        apply_for_agreement(world[0], MANAGER, "DSA-NEW", **(ASKED | wrong))


def test_applications_of_one_organisation_have_an_end(world):
    built, _ = world
    for number in range(MOST_OPEN):
        apply_for_agreement(built, MANAGER, f"DSA-{number}", **ASKED)
    with pytest.raises(Conflict, match="wait at once"):
        apply_for_agreement(built, MANAGER, "DSA-MORE", **ASKED)
    act_on_agreement(built, OPERATOR, "DSA-0", "refuse")
    apply_for_agreement(built, MANAGER, "DSA-MORE", **ASKED)
    with pytest.raises(Conflict, match="Draft it"):
        add_dataset(built, ACTOR, "NEW", "DSA-MORE", "New")


@pytest.mark.parametrize(
    "wrong",
    [
        {"data_use": ("CC",)}, {"data_use": ("NMDS",)}, {"data_use": ("IRB",)}, {"data_use": ("TS",)}, {"data_use": ("XX",)},
        {"data_use": ("GRU", "GRU")}, {"data_use": ("GRU",) * 24}, {"cancers": ("a b",)}, {"modalities": ("ct",)},
        {"modalities": ("CT",) * 101}, {"sop_classes": ("1",)}, {"sop_classes": ("x",)}, {"deviations": "x" * 5001},
        {"text": "x" * 200_001}, {"documents": ("guidelines 1 ab",)}, {"documents": (f"a 1.0.0 {'ab' * 32}",) * 21},
        {"circumstances": ("whim",)}, {"means": "wax"}, {"actions": ("export",)},
    ],
    ids=str,
)  # fmt: skip
def test_what_contradicts_itself_or_has_no_end_is_not_drafted(world, wrong):
    built, _ = world
    with pytest.raises(Invalid):
        draft_version(built, OPERATOR, "DSA-LUNG", replace(CONTENT, **wrong))
    assert stage(built, "DSA-LUNG").change is None


def test_the_repositorys_stop_cites_what_the_agreement_lists(world):
    built, outbox = world
    proposed(built)
    signed(built, outbox, SIGNATORY, "DSA-NEW")
    signed(built, outbox, OPERATOR, "DSA-NEW", name="Olga Operator")
    for cited in (None, "discontinuity"):
        with pytest.raises(Invalid, match="breach, security"):
            act_on_agreement(built, OPERATOR, "DSA-NEW", "suspend", None, cited)
    assert act_on_agreement(built, OPERATOR, "DSA-NEW", "suspend", None, "breach") is S.SUSPENDED
    assert act_on_agreement(built, MANAGER, "DSA-NEW", "suspend") is S.SUSPENDED
    act_on_agreement(built, OPERATOR, "DSA-NEW", "resume")
    assert act_on_agreement(built, MANAGER, "DSA-NEW", "resume") is S.ACTIVE


# --- whatever is done, in whatever order

ACTORS = (MANAGER, SIGNATORY, OPERATOR, LOCAL, STRANGER)
VERBS = ("draft", "sign", "sign", "sign with another's code", *(verb for verb in MOVES if verb != "terminate"), "terminate")
WAY = (("sign", SIGNATORY), ("sign", OPERATOR), ("propose", MANAGER), ("draft", OPERATOR), ("activate", OPERATOR))
STEP = st.sampled_from(WAY) | st.tuples(st.sampled_from(VERBS), st.sampled_from(ACTORS))


def test_no_order_of_acts_opens_data_without_a_version_that_both_sides_signed_or_that_was_imported(world):
    built, outbox = world
    reached, numbers = set(), count()

    @settings(max_examples=40, deadline=None, database=None)
    @given(steps=st.lists(STEP, min_size=10, max_size=25))
    @example(steps=[("sign", SIGNATORY), ("sign", OPERATOR)])
    @example(steps=[("activate", OPERATOR)])
    def acts_in_any_order(steps):
        key = f"DSA-{next(numbers)}"
        apply_for_agreement(built, MANAGER, key, **ASKED)
        for verb, actor in [("draft", OPERATOR), ("propose", MANAGER), *steps]:
            do(built, outbox, key, verb, actor)
            cited = read_agreement(built, key)
            if cited.standing.state is S.ACTIVE:
                verified = verify_agreement(built, key)
                assert verified.is_imported or {each.side for each in verified.cited.signatures} == set(Side)
                assert verified.broken == ()
                reached.add((verified.is_imported, cited.version > 1))
        do(built, outbox, key, "refuse", OPERATOR)

    acts_in_any_order()
    assert {(True, False), (False, False)} <= reached


def do(built, outbox, key, verb, actor):
    """Do it, if it may be done."""
    built.clock.on(720)
    declared = {} if actor.party is None else {"declarations": DECLARED}
    cited = "breach" if verb in ("suspend", "terminate") and actor.party is None else None
    with suppress(Failure):
        match verb:
            case "draft":
                draft_version(built, actor, key, CONTENT)
            case "sign":
                signed(built, outbox, actor, key)
            case "sign with another's code":
                sign(built, actor, key, name="Some Body", code=outbox.code if outbox.sent else "", **declared)
            case _:
                act_on_agreement(built, actor, key, verb, None, cited)


def test_the_way_of_the_property_reaches_what_it_is_about(world):
    built, outbox = world
    apply_for_agreement(built, MANAGER, "DSA-NEW", **ASKED)
    draft_version(built, OPERATOR, "DSA-NEW", CONTENT)
    assert agreed(built, outbox, "DSA-NEW") is S.ACTIVE
