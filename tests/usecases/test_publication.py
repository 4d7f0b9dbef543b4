"""Publications: title and short summary by either side, a DOI where both say the same; and what is disclaimed of a dataset."""

import pytest

from adapters.sql import jobs
from consent.disclaimer import AVAILABILITY
from consent.person import Actor, PersonRole
from consent.policy import NEVER_FOR_DIAGNOSIS
from consent.publication import MOST_DOI, MOST_SUMMARY, MOST_TITLE
from consent.subject import ANONYMOUS, Role
from mappings.failures import Conflict, Forbidden, Gone, Invalid, NotFound
from server.usecases import publication
from server.usecases.agreement import move_agreement
from server.usecases.dataset import add_dataset
from server.usecases.listed import read_dataset
from server.usecases.node import add_node
from server.usecases.notice import list_notices
from server.usecases.publication import add_publication, list_publications, remove_publication, want_doi
from server.usecases.runtime import Caller
from tests import builders
from tests.builders import ACTOR, OPERATOR
from tests.usecases.test_stops import entries

MANAGER = Actor("person:mara", "hospital-a", frozenset({PersonRole.DATA_MANAGER}))
STRANGER = Actor("person:eve", "hospital-b", frozenset({PersonRole.DATA_MANAGER, PersonRole.SIGNATORY}))
RESEARCHER = Actor("person:rita", "hospital-a", frozenset({PersonRole.RESEARCHER}))
ANYBODY = Caller(ANONYMOUS)
SAID, DOI = ("Lung CT at scale", "A model of 120 patients."), "10.1000/182"


def told(runtime, caller=ANYBODY):
    return [(one.title, one.summary, one.doi, one.doi_of_provider) for one in list_publications(runtime, caller, "LUNG")]


@pytest.mark.parametrize(("one", "other"), [(MANAGER, OPERATOR), (OPERATOR, MANAGER)])
def test_a_doi_is_told_when_both_sides_say_the_same_and_no_longer(anywhere, one, other):
    key = add_publication(anywhere, one, "LUNG", *SAID, DOI).key
    assert told(anywhere) == [(*SAID, None, None)]
    for said, shown in (("10.1000/183", None), (DOI, DOI), (None, None)):
        assert want_doi(anywhere, other, "LUNG", key, said).doi == shown
        assert told(anywhere) == [(*SAID, shown, shown)]


def test_what_one_side_wants_is_read_by_who_acts_for_a_side(built):
    add_publication(built, MANAGER, "LUNG", *SAID, DOI)
    sides = [Caller(builders.subject(Role.PROVIDER), actor=MANAGER), Caller(builders.subject(Role.OPERATOR), actor=OPERATOR)]
    others = [ANYBODY, builders.caller(), Caller(builders.subject(Role.PROVIDER, party="hospital-b"), actor=STRANGER)]
    assert [told(built, who)[0][3] for who in (*sides, *others)] == [DOI, DOI, None, None, None]


def test_the_other_side_has_a_notice_the_record_an_entry_and_the_catalogue_is_made_anew(built):
    builders.described(built)
    key = add_publication(built, MANAGER, "LUNG", *SAID, DOI).key
    add_publication(built, OPERATOR, "LUNG", "Another", "It is short.")
    want_doi(built, OPERATOR, "LUNG", key, DOI)
    remove_publication(built, OPERATOR, "LUNG", key)
    assert [each.text.splitlines()[0] for each in list_notices(built, OPERATOR)] == [SAID[0]]
    assert [each.text.splitlines()[0] for each in list_notices(built, MANAGER)] == ["Another"]
    kinds = [f"govern.publication.{verb}" for verb in ("add", "doi", "remove")]
    assert [[(e["title"], e.get("doi")) for e in entries(built, kind)] for kind in kinds] == [
        [(SAID[0], None), ("Another", None)],
        [(SAID[0], DOI)],
        [(SAID[0], DOI)],
    ]
    assert [row[0] for row in told(built)] == ["Another"]
    with built.store.read() as connection:
        assert jobs.is_open(connection, "describe")


@pytest.mark.parametrize(
    ("title", "summary", "doi"),
    [
        ("", "x", None),
        (" ", "x", None),
        ("x", "", None),
        ("x\ny", "x", None),
        ("x", "x\x00", None),
        ("x" * (MOST_TITLE + 1), "x", None),
        ("x", "x" * (MOST_SUMMARY + 1), None),
        ("x", "x", "https://doi.org/10.1000/182"),
        ("x", "x", "10.1000/ä"),
        ("x", "x", "10.1000/1 2"),
        ("x", "x", "10.1000/"),
        ("x", "x", f"10.1000/{'1' * MOST_DOI}"),
    ],
)
def test_what_is_no_title_summary_or_doi_is_refused(built, title, summary, doi):
    with pytest.raises(Invalid):
        add_publication(built, MANAGER, "LUNG", title, summary, doi)
    if doi:
        key = add_publication(built, MANAGER, "LUNG", title, summary).key
        with pytest.raises(Invalid):
            want_doi(built, MANAGER, "LUNG", key, doi)
    assert [row[2:] for row in told(built)] == ([(None, None)] if doi else [])


def test_there_are_so_many_of_a_dataset(built, monkeypatch):
    monkeypatch.setattr(publication, "MOST", 2)
    keys = [add_publication(built, MANAGER, "LUNG", f"Work {n}", "Short.").key for n in range(2)]
    with pytest.raises(Conflict, match="2 publications"):
        add_publication(built, OPERATOR, "LUNG", *SAID)
    remove_publication(built, MANAGER, "LUNG", keys[0])
    add_publication(built, OPERATOR, "LUNG", *SAID)


@pytest.mark.parametrize(("actor", "refused"), [(STRANGER, NotFound), (RESEARCHER, Forbidden)])
def test_nobody_else_tells_of_work_or_takes_it_back(built, actor, refused):
    key = add_publication(built, MANAGER, "LUNG", *SAID).key
    for act in (
        lambda: add_publication(built, actor, "LUNG", *SAID),
        lambda: want_doi(built, actor, "LUNG", key, DOI),
        lambda: remove_publication(built, actor, "LUNG", key),
    ):
        with pytest.raises(refused):
            act()
    assert told(built) == [(*SAID, None, None)]


def test_a_work_is_of_its_own_dataset(built):
    add_dataset(built, ACTOR, "CHEST", "DSA-LUNG", "Chest")
    key = add_publication(built, MANAGER, "LUNG", *SAID).key
    for act in (lambda: want_doi(built, MANAGER, "CHEST", key, DOI), lambda: remove_publication(built, MANAGER, "CHEST", key)):
        with pytest.raises(NotFound):
            act()


def test_who_may_not_know_of_a_dataset_hears_of_no_work_on_it_nor_where_it_is(built):
    builders.seed(built, alias="CHEST", provider="hospital-b", listed=False)
    add_publication(built, OPERATOR, "CHEST", *SAID)
    for alias in ("CHEST", "NONE", "a\0b"):
        for ask in (list_publications, read_dataset):
            with pytest.raises(NotFound, match="or none that you may know of"):
                ask(built, ANYBODY, alias)
    move_agreement(built, ACTOR, "DSA-LUNG", "suspend")
    for ask in (list_publications, read_dataset):
        with pytest.raises(Gone):
            ask(built, ANYBODY, "LUNG")


@pytest.mark.parametrize(("hosting", "where"), [("central", "central node"), ("federated", "node of its provider's")])
def test_a_dataset_says_where_it_is_hosted_and_what_is_not_promised(built, hosting, where):
    if hosting == "federated":
        add_node(built, ACTOR, "edge", kind="folder", hosting=hosting, url="edge")
    builders.seed(built, alias="CHEST", provider="hospital-c", node="central" if hosting == "central" else "edge")
    shown = read_dataset(built, ANYBODY, "CHEST")
    assert (shown.alias, shown.provider, shown.hosting) == ("CHEST", "Hospital-C", hosting)
    assert where in shown.disclaimers[0]
    assert shown.disclaimers[1:] == (AVAILABILITY, NEVER_FOR_DIAGNOSIS)
