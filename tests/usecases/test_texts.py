"""Names and descriptions are looked up by their trigrams, on both databases, and found without PostgreSQL's extension as well."""

import pytest
from sqlalchemy import make_url, select, text, update

from adapters.sql import migrate, rarest, search, texts
from adapters.sql import tables as t
from adapters.sql.store import Store
from consent.policy import VisibleDatasets
from mappings.dicom.qido import read_query
from mappings.fields import fold_name
from mappings.query import AnyOf, Level, Like, OneOf, Query
from server.usecases.withdraw import withdraw_study
from tests.builders import ACTOR
from tests.usecases.test_sight import deposit

NAMES = {"1.2.1": "doe^jane", "1.2.2": "doe^john", "1.2.3": "yamada^tarou=山田^太郎", "1.2.4": 'o"neill^x', "1.2.5": "al"}
EVERYBODY = VisibleDatasets(frozenset({1}), None)


@pytest.fixture
def held(anywhere):
    """Five studies with names such as the de-identified do not have, each described by itself."""
    deposit(anywhere, *((uid, uid, {"StudyDescription": f"Chest {uid}", "SeriesDescription": f"axial {uid}"}) for uid in NAMES))
    with anywhere.store.write() as connection:
        for uid, name in NAMES.items():
            connection.execute(update(t.study).where(t.study.c.study_uid == uid).values(patient_name=fold_name(name)))
    return anywhere


def looked_up(runtime, condition):
    """The studies that the look-up names; None where there is none."""
    with runtime.store.read() as connection:
        rows = texts.studies_with(connection, condition)
        if rows is None:
            return None
        found = rarest.few_studies(connection, Query(Level.STUDY, condition))
        return set(connection.execute(select(t.study.c.study_uid).where(t.study.c.id.in_(found))).scalars())


@pytest.mark.parametrize(
    ("condition", "studies"),
    [
        (Like("patient_name", "doe^j*"), ["1.2.1", "1.2.2"]),
        (Like("patient_name", "山田*"), ["1.2.3"]),
        (Like("patient_name", "*arou*"), ["1.2.3"]),
        (Like("patient_name", "al*"), ["1.2.5"]),
        (Like("patient_name", '*"neill*'), ["1.2.4"]),
        (Like("patient_name", "*doe*jan?"), ["1.2.1"]),
        (Like("patient_name", "nobody*"), []),
        (AnyOf((Like("patient_name", "doe^john"), Like("patient_name", "doe^john=*"))), ["1.2.2"]),
        (AnyOf((Like("patient_name", "*john*"), Like("patient_name", "*tarou*"))), ["1.2.2", "1.2.3"]),
        (OneOf("description", ("chest 1.2.4",)), ["1.2.4"]),
        (Like("description", "*est 1.2.5"), ["1.2.5"]),
        (Like("series_description", "*xial 1.2.1*"), ["1.2.1"]),
        (Like("patient_name", "*oe*"), None),
        (Like("patient_name", "a*"), None),
        (Like("patient_name", "*doe\0*"), None),
        (Like("patient_name", "doe\0*"), None),
        (AnyOf((Like("patient_name", "*john*"), Like("description", "*1.2.5*"))), ["1.2.2", "1.2.5"]),
        (AnyOf((Like("patient_name", "*john*"), Like("series_description", "*axial*"))), None),
        (AnyOf((Like("patient_name", "*john*"), Like("patient_name", "*x*"))), None),
        (Like("patient_id", "*1.2*"), None),
    ],
    ids=str,
)
def test_a_text_of_three_characters_is_looked_up_and_names_all_that_have_it(held, condition, studies):
    assert looked_up(held, condition) == (None if studies is None else set(studies))


def test_what_is_looked_up_follows_what_is_kept(held):
    with held.store.write() as connection:
        connection.execute(update(t.study).where(t.study.c.study_uid == "1.2.1").values(description="knee"))
    assert looked_up(held, Like("description", "*knee*")) == {"1.2.1"}
    assert looked_up(held, Like("description", "*chest 1.2.1*")) == set()
    withdraw_study(held, ACTOR, "1.2.2")
    assert looked_up(held, Like("patient_name", "*john*")) == set()
    assert looked_up(held, Like("series_description", "*1.2.2*")) == set()


@pytest.mark.parametrize("asked", ["doe*", "*oe^j*", "DOE^JANE", "*山田*", "*nobody*"])
def test_what_many_have_is_found_as_what_few_have(held, asked, monkeypatch):
    query, _ = read_query(Level.STUDY, [("PatientName", asked)])

    def found():
        with held.store.read() as connection:
            return search.fragments(connection, query, EVERYBODY, held.clock())

    few = found()
    monkeypatch.setattr(rarest, "FEW_BY_TEXT", 0)
    assert found() == few


def test_without_the_extension_a_database_is_made_and_names_are_found(postgresql):
    """As for a role that owns the tables and may add nothing to the database."""
    url = make_url(postgresql())
    owner = Store(url.render_as_string(hide_password=False))
    with owner.write() as connection:
        connection.execute(text("CREATE ROLE plain LOGIN PASSWORD 'plain'"))
        connection.execute(text("GRANT ALL ON SCHEMA public TO plain"))
    owner.close()
    store = Store(url.set(username="plain", password="plain").render_as_string(hide_password=False))
    try:
        migrate.upgrade(store)
        with store.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'")).scalar_one() == 0
            rows = texts.studies_with(connection, Like("patient_name", "*john*"))
            assert connection.execute(rows).all() == []
    finally:
        store.close()
