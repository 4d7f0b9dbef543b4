"""Letting objects out: who may not hears why or nothing, and what leaves is recorded before its first byte."""

from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import select, update

from adapters.nodes.folder import FolderNode
from adapters.sql import tables as t
from consent.conditions import Action
from consent.policy import SENTENCES
from consent.subject import ANONYMOUS, Role
from mappings.dicom.pixels.viewport import Viewport
from mappings.failures import Forbidden, Full, Gone, NotAcceptable, NotFound, Unavailable
from server.usecases import render, search, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.deliver import Wanted, action_of, deliver, deliver_made, grant
from server.usecases.node import move_node
from server.usecases.render import Picture
from server.usecases.runtime import Caller
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made

STUDY = Wanted("1.2.3")
IMAGE = Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1")
USER, INSIDE, PROVIDER, OPERATOR = (builders.caller(r) for r in (Role.USER, Role.INSIDE, Role.PROVIDER, Role.OPERATOR))


@pytest.fixture
def shared(tmp_path, clock):
    """Makes a runtime under an agreement of these conditions, with one study of two images."""
    made_halls = []

    def make(**agreement):
        runtime = builders.runtime(tmp_path, clock=clock)
        builders.seed(runtime, **agreement)
        batch = builders.batch(runtime)
        for n in (1, 2):
            take(runtime, batch, "a", made(f"1.2.3.1.{n}"))
        made_halls.append(runtime)
        return runtime

    yield make
    for runtime in made_halls:
        runtime.close()


def accesses(runtime):
    with runtime.store.read() as connection:
        return [(r.action, r.status, r.count) for r in connection.execute(select(t.access).order_by(t.access.c.id))]


def kinds(runtime):
    with runtime.store.read() as connection:
        found = select(t.ledger_body.c.kind).where(t.ledger_body.c.kind.startswith("use.")).order_by(t.ledger_body.c.id)
        return list(connection.execute(found).scalars())


@pytest.mark.parametrize(
    ("who", "agreement"),
    [
        (Caller(ANONYMOUS), {"listed": False}),
        (builders.caller(approved=False), {}),
        (builders.caller(terms=None), {}),
        (builders.caller(Role.PROVIDER, party="hospital-b"), {}),
    ],
)
def test_what_a_caller_may_not_know_of_is_not_found(shared, who, agreement):
    runtime = shared(**agreement)
    for wanted in (STUDY, Wanted("9.9")):
        with pytest.raises(NotFound) as found:
            grant(runtime, who, wanted, Action.EXPORT)
        assert found.value.sentence == "There is no such study here, or none for you."


@pytest.mark.parametrize(
    ("who", "action", "rule"),
    [
        (USER, Action.EXPORT, "no-download"),
        (USER, Action.PROCESS, "role"),
        (INSIDE, Action.EXPORT, "no-download"),
        (OPERATOR, Action.EXPORT, "role"),
        (Caller(ANONYMOUS), Action.QUERY, "role"),
        (builders.caller(purpose="TREAT"), Action.QUERY, "purpose-clinical"),
    ],
)
def test_what_a_caller_knows_of_and_may_not_have_is_forbidden_by_a_named_rule_and_says_whom_to_ask(shared, who, action, rule):
    runtime = shared()
    with pytest.raises(Forbidden) as refused:
        grant(runtime, who, STUDY, action)
    assert refused.value.code == rule
    assert SENTENCES[rule] in refused.value.sentence
    assert runtime.settings.contact in refused.value.sentence


def test_what_is_quarantined_is_not_found_even_by_its_provider(shared):
    runtime = shared()
    take(runtime, builders.batch(runtime), "a", made("1.2.9.1.1", study="1.2.9", InstitutionName="Hospital"))
    for who in (PROVIDER, USER, OPERATOR):
        with pytest.raises(NotFound):
            search.metadata(runtime, who, Wanted("1.2.9"))


@pytest.mark.parametrize(
    "wanted", [Wanted("1.2.3", "1.2.9"), Wanted("1.2.3", "1.2.3.1", "1.2.9"), Wanted("1.2.3", "1.2.9", "1.2.3.1.1")]
)
def test_a_series_or_instance_that_is_not_there_is_not_found(shared, wanted):
    with pytest.raises(NotFound):
        grant(shared(), PROVIDER, wanted, Action.EXPORT)


def test_bytes_are_processed_inside_and_exported_elsewhere():
    assert [action_of(c.subject) for c in (INSIDE, USER, PROVIDER)] == [Action.PROCESS, Action.EXPORT, Action.EXPORT]


@pytest.mark.parametrize(("who", "action"), [(INSIDE, Action.PROCESS), (PROVIDER, Action.EXPORT)])
def test_what_leaves_is_recorded_first_and_is_what_came(shared, who, action):
    runtime = shared()
    delivery = deliver(runtime, who, STUDY, len)
    assert (accesses(runtime), kinds(runtime)) == ([(str(action), 200, 2)], ["use.opened"])
    assert delivery.form == 2
    sent = [b"".join(chunks) for _, chunks in delivery]
    assert sent == [bytes(made(f"1.2.3.1.{n}")) for n in (1, 2)]
    assert [len(s) for s in sent] == [o.size for o in delivery.objects]


def test_a_use_is_recorded_with_agreement_and_terms(shared):
    runtime = shared()
    deliver(runtime, INSIDE, STUDY, len)
    with runtime.store.read() as connection:
        body = connection.execute(select(t.ledger_body.c.body).where(t.ledger_body.c.kind == "use.opened")).scalar_one()
    assert b'"agreement":"DSA-LUNG@1"' in body
    assert b'"terms":"1.0.0"' in body


def test_a_stream_that_breaks_is_recorded_too(shared):
    runtime = shared()
    sending = iter(deliver(runtime, INSIDE, STUDY, len))
    b"".join(next(sending)[1])
    move_node(runtime, ACTOR, "central", "unlink")
    with pytest.raises(Exception, match="stopped"):
        next(sending)
    assert accesses(runtime) == [("process", 200, 2), ("process", 500, 2)]


class Cut(BytesIO):
    """A node's file that breaks off after its first twenty bytes; the last ten that were read are held back."""

    def read(self, size=-1):
        if self.tell() == 20:
            raise Unavailable("node-unavailable", "-")
        return super().read(min(size, 10))


def test_an_object_that_breaks_in_its_middle_is_recorded_too(shared, monkeypatch):
    runtime = shared()
    monkeypatch.setattr(FolderNode, "open", lambda *_: Cut(bytes(99)))
    delivery = deliver(runtime, INSIDE, STUDY, len)
    _, chunks = next(iter(delivery))
    assert len(next(chunks)) == 10
    with pytest.raises(Unavailable):
        next(chunks)
    assert accesses(runtime) == [("process", 200, 2), ("process", 500, 2)]


def test_a_node_that_is_down_says_so_before_an_answer_begins(shared, monkeypatch):
    runtime = shared()

    def down(*_):
        raise Unavailable("node-unavailable", "-")

    monkeypatch.setattr(FolderNode, "open", down)
    with pytest.raises(Unavailable):
        deliver(runtime, INSIDE, STUDY, len)
    assert accesses(runtime) == [("process", 200, 2), ("process", 500, 2)]


def test_a_form_that_can_not_be_made_is_no_use(shared):
    def refuse(_objects):
        raise NotAcceptable("not-acceptable", "-")

    runtime = shared()
    with pytest.raises(NotAcceptable):
        deliver(runtime, INSIDE, STUDY, refuse)
    assert (accesses(runtime), kinds(runtime)) == ([], [])


@pytest.fixture
def unrecorded(shared, monkeypatch):
    """A runtime whose every durable commit fails, and the files that its node has opened."""
    opened = []
    runtime = shared()
    really, write = FolderNode.open, runtime.store.write

    @contextmanager
    def fails(*, durable=True):
        with write(durable=durable) as connection:
            yield connection
            if durable:
                raise Full("storage-full", "-")

    monkeypatch.setattr(runtime.store, "write", fails)
    monkeypatch.setattr(FolderNode, "open", lambda self, place, *more: opened.append(place) or really(self, place, *more))
    return runtime, opened


def test_without_a_committed_record_there_is_no_delivery_and_no_file_is_opened(unrecorded):
    runtime, opened = unrecorded
    with pytest.raises(Full):
        deliver(runtime, INSIDE, STUDY, len)
    assert (opened, accesses(runtime)) == ([], [])


def test_without_a_committed_record_no_picture_is_handed_over(unrecorded):
    runtime, _ = unrecorded
    for picture in (Picture(), Picture(media_type="image/png")):
        with pytest.raises(Full):
            render.render(runtime, USER, IMAGE, picture)
    with pytest.raises(Full):
        deliver_made(runtime, PROVIDER, IMAGE, Action.EXPORT, lambda *_: b"made")
    assert accesses(runtime) == []


def test_metadata_needs_query_and_is_noted(shared):
    runtime = shared()
    assert len(search.metadata(runtime, USER, STUDY)) == 2
    runtime.accesses.flush()
    assert accesses(runtime) == [("query", 200, 2)]


# --- pictures


@pytest.mark.parametrize(
    ("picture", "action"),
    [
        (Picture(), Action.PREVIEW),
        (Picture(viewport=Viewport(512, 512)), Action.PREVIEW),
        (Picture(viewport=Viewport(513, 512)), Action.VIEW),
        (Picture(viewport=Viewport(512, 513)), Action.VIEW),
        (Picture(viewport=Viewport(512, 512, 1)), Action.VIEW),
        (Picture(viewport=Viewport(512, 512, 0, 0, 64, 64)), Action.VIEW),
        (Picture(media_type="image/png"), Action.VIEW),
        (Picture(window=(40, 400, "LINEAR")), Action.VIEW),
    ],
)
def test_a_small_jpeg_in_its_own_window_is_a_preview_and_anything_else_a_view(picture, action):
    assert picture.action is action


@pytest.mark.parametrize(
    ("visibility", "seen", "rule"),
    [
        ("none", [], "not-visible"),
        ("preview", [Picture()], "preview-only"),
        ("full", [Picture(), Picture(media_type="image/png")], None),
    ],
)
def test_pictures_are_seen_as_visibility_says(shared, visibility, seen, rule):
    runtime = shared(visibility=visibility)
    for picture in (Picture(), Picture(media_type="image/png")):
        if picture in seen:
            assert render.render(runtime, USER, IMAGE, picture)
        else:
            with pytest.raises(Forbidden) as refused:
                render.render(runtime, USER, IMAGE, picture)
            assert refused.value.code == rule


def test_a_preview_is_an_access_row_and_a_view_a_ledger_entry_too(shared):
    runtime = shared()
    assert render.render(runtime, USER, IMAGE, Picture())[:2] == b"\xff\xd8"
    assert (accesses(runtime), kinds(runtime)) == ([("preview", 200, 1)], [])
    assert render.render(runtime, USER, IMAGE, Picture(media_type="image/png"))[:4] == b"\x89PNG"
    assert (accesses(runtime)[1:], kinds(runtime)) == ([("view", 200, 1)], ["use.opened"])


def test_a_frame_that_is_not_there_is_no_picture_and_no_use(shared):
    runtime = shared()
    with pytest.raises((NotAcceptable, NotFound)):
        render.render(runtime, USER, IMAGE, Picture(frame=2))
    assert (accesses(runtime), kinds(runtime)) == ([], [])


def test_what_a_node_has_changed_is_never_taken_for_the_object(shared, clock):
    """Comparing reads the held copy back: bytes that are not its own are the node's trouble, not the sender's."""
    runtime = shared()
    with runtime.store.write() as connection:
        connection.execute(update(t.custody).where(t.custody.c.sop_uid == "1.2.3.1.1").values(file_digest=b"other"))
    with pytest.raises(Unavailable):
        take(runtime, builders.batch(runtime), "a", made(StudyDate="20210101"))


def test_a_study_withdrawn_while_it_is_sent_stops_between_its_objects(shared):
    runtime = shared()
    sent = iter(deliver(runtime, INSIDE, STUDY, len))
    b"".join(next(sent)[1])
    withdraw.withdraw_study(runtime, ACTOR, "1.2.3")
    with pytest.raises(Gone, match="withdrawn"):
        next(sent)


@pytest.mark.parametrize(
    "stop",
    [
        lambda runtime: move_agreement(runtime, ACTOR, "DSA-LUNG", "suspend", reason="asked for"),
        lambda runtime: move_node(runtime, ACTOR, "central", "unlink"),
        lambda runtime: runtime.clock.on(61),
    ],
    ids=["its agreement", "its node", "time alone"],
)
def test_a_study_that_is_stopped_while_it_is_sent_stops_between_its_objects(shared, clock, stop):
    runtime = shared(ends=clock() + timedelta(seconds=60))
    sent = iter(deliver(runtime, INSIDE, STUDY, len))
    b"".join(next(sent)[1])
    stop(runtime)
    with pytest.raises(Gone, match="stopped"):
        next(sent)
    assert accesses(runtime)[-1] == ("process", 500, 2)
