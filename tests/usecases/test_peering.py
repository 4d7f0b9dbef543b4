"""Who is registered as a peer of the DICOM network is bound by something, and nothing goes by TLS to whoever answers."""

import pytest

from mappings.failures import Conflict, Invalid
from server.usecases.identify import AeTitle, Rejection, identify
from server.usecases.peering import MOST_ASSOCIATIONS, Peering
from server.usecases.sender import add_sender, list_senders
from tests import builders

NAME = "ab" * 32


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"peering": Peering()}, "network-missing"),
        ({"network": "10.0.0.0/8", "peering": Peering(tls=True)}, "tls-unbound"),
        ({"network": "10.0.0.0/8", "scp": "10.0.0.1:104", "peering": Peering(tls=True)}, "tls-unbound"),
        ({"peering": Peering(certificates=[NAME], tls=True)}, "tls-unbound"),
        ({"network": "10.0.0.0/8", "peering": Peering(associations=0)}, "associations"),
        ({"network": "10.0.0.0/8", "peering": Peering(associations=MOST_ASSOCIATIONS + 1)}, "associations"),
    ],
)
def test_a_peer_that_nothing_binds_is_not_registered(built, given, code):
    with pytest.raises(Invalid) as refused:
        add_sender(built, builders.ACTOR, "LUNG", "X", **given)
    assert refused.value.code == code


def test_a_sender_that_shows_its_certificate_is_known_from_anywhere_and_only_once(built):
    shown = Peering(certificates=[NAME], associations=MOST_ASSOCIATIONS)
    add_sender(built, builders.ACTOR, "LUNG", "X", peering=shown)
    with pytest.raises(Conflict):
        add_sender(built, builders.ACTOR, "LUNG", "X", peering=shown)
    assert [(row.network, row.certificates, row.associations) for row in list_senders(built)][-1] == (
        "",
        (NAME,),
        MOST_ASSOCIATIONS,
    )
    known = identify(built, AeTitle("LUNG", "X", "2001:db8::1", frozenset({"cd" * 32, NAME})))
    assert (known.registration.aet, known.associations) == ("X", MOST_ASSOCIATIONS)
    for certificate in (frozenset(), frozenset({"cd" * 32})):
        with pytest.raises(Exception, match="shows a certificate") as refused:
            identify(built, AeTitle("LUNG", "X", "2001:db8::1", certificate))
        assert refused.value.code == Rejection.OTHER_CERTIFICATE
