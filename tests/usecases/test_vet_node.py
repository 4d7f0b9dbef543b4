"""Whether a node may be used, and what the operator should know of one that may."""

from types import SimpleNamespace

import pytest
from sqlalchemy import update

from adapters.sql import tables as t
from mappings.failures import Conflict, Invalid, Unavailable
from server.usecases import vet_node
from server.usecases.node import add_node
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit


@pytest.mark.parametrize(
    ("version", "warned"), [("1.10.1", True), ("1.12.11", True), ("1.13.0", False), ("1.14.2", False), ("", False)]
)
def test_an_orthanc_without_its_security_fixes_is_warned_of(version, warned):
    row = SimpleNamespace(name="ward", kind="orthanc")
    assert (vet_node.find_warning(row, version) is not None) is warned


def test_a_folder_has_no_such_version():
    assert vet_node.find_warning(SimpleNamespace(name="ward", kind="folder"), "folder") is None


def test_an_orthanc_is_set_to_no_place_where_its_objects_are_not(built, orthanc, tmp_path, free_port):
    """Its address was wrong, or it moved: a look first, and nothing is changed where that finds something wrong."""
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text(f"{orthanc.user}:{orthanc.password}\n")
    wrong.write_text("accord:wrong\n")
    place = {"kind": "orthanc", "hosting": "central", "url": orthanc.url, "secret_file": str(secret)}
    add_node(built, ACTOR, "moving", **place)
    for given in (
        {"url": f"http://127.0.0.1:{free_port}"},
        {"secret_file": str(wrong)},
        {"secret_file": str(tmp_path / "absent")},
    ):
        with pytest.raises((Unavailable, Invalid)):
            vet_node.vet_set(built, "moving", **given)
    vet_node.vet_set(built, "moving", url=orthanc.url.replace("127.0.0.1", "localhost"))
    builders.seed(built, alias="FAR", provider="hospital-f", node="moving")
    deposit(built, made("1.2.88.1.1", study="1.2.88"), builders.batch(built, "FAR", provider="hospital-f"))
    vet_node.vet_set(built, "moving", allow=["transcoding"])
    with built.store.write() as connection:
        connection.execute(update(t.custody).where(t.custody.c.sop_uid == "1.2.88.1.1").values(place="0" * 40 + "-"))
    with pytest.raises(Conflict, match="Nothing that rests on node moving is found"):
        vet_node.vet_set(built, "moving", url=orthanc.url)
