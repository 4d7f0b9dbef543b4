"""What a certificate is called: its own fingerprint, and its subject under the authority that signed it, and no other."""

import pytest

from mappings.certificate import MOST_NAMES, names, read_names
from mappings.failures import Invalid
from tests.certificates import certificate

HEX = "ab" * 32


def test_a_certificate_is_called_by_its_fingerprint_and_its_subject_under_who_signed_it(tmp_path):
    ours, theirs = (certificate(tmp_path, name, authority=True) for name in ("ours", "theirs"))
    pacs = certificate(tmp_path, "pacs", issuer=ours)
    named = names(pacs.der, [ours.own, theirs.own])
    assert named == {pacs.fingerprint.lower(), f"{ours.fingerprint.lower()} CN=pacs,O=Test"}
    assert set(read_names([], "CN=pacs,O=Test", ours.fingerprint)) < named


def test_an_authority_of_the_same_name_is_another(tmp_path):
    ours, imitated = (certificate(tmp_path / folder, "ours", authority=True) for folder in ("a", "b"))
    forged = certificate(tmp_path / "b", "pacs", issuer=imitated)
    assert names(forged.der, [ours.own]) == {forged.fingerprint.lower()}


def test_a_device_may_be_its_own_authority(tmp_path):
    alone = certificate(tmp_path, "alone")
    assert f"{alone.fingerprint.lower()} CN=alone,O=Test" in names(alone.der, [alone.own])


def test_what_is_no_certificate_to_this_reader_has_a_fingerprint_alone(tmp_path):
    assert len(names(b"0", [certificate(tmp_path, "a").own])) == 1


@pytest.mark.parametrize(
    "text", [HEX, HEX.upper(), ":".join(["AB"] * 32), f"SHA256 Fingerprint={':'.join(['AB'] * 32)}", f"sha256 Fingerprint={HEX}"]
)
def test_a_fingerprint_is_read_as_openssl_prints_it(text):
    assert read_names([text]) == (HEX,)


@pytest.mark.parametrize(
    ("fingerprints", "subject", "authority", "code"),
    [
        (["ab"], None, None, "certificate-fingerprint"),
        (["g" * 64], None, None, "certificate-fingerprint"),
        ([], "CN=pacs", None, "certificate-subject"),
        ([], None, HEX, "certificate-subject"),
        ([], "pacs", HEX, "certificate-subject"),
        ([f"{n:064x}" for n in range(MOST_NAMES + 1)], None, None, "certificate-many"),
    ],
)
def test_what_names_no_certificate_is_refused(fingerprints, subject, authority, code):
    with pytest.raises(Invalid) as refused:
        read_names(fingerprints, subject, authority)
    assert refused.value.code == code
