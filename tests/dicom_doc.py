"""The tables of `docs/dicom-conformance.md`: `python -m tests.dicom_doc` writes them anew, between their marks.

What is served is read from the code; which test shows it is said here, and is there (`test_dicom_doc.py`).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydicom.uid import UID
from pynetdicom import AllStoragePresentationContexts

from mappings.dicom import dimse
from mappings.dicom.accept import choose_retrieve
from mappings.dicom.capabilities import SERVICES
from mappings.dicom.commitment import PUSH_MODEL
from mappings.dicom.pixel_media import choose_pixels
from mappings.dicom.pixels.code_stream import _READERS as DECODED
from mappings.dicom.transfer_syntax import EXPLICIT
from mappings.dicom.transfer_syntax import syntaxes as syntaxes_of
from mappings.fields import FIELDS, Kind
from server.dimse.associations import MAXIMUM_PDU
from server.dimse.request import FIND, GET, MOVE
from tests.test_readme import table

DOCUMENT = Path(__file__).parent.parent / "docs/dicom-conformance.md"
MARK = re.compile(r"(<!-- (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_WEB, _NET, _MAP = "tests/server", "tests/server/test_dimse.py", "tests/mappings/dicom"
_FOUND = f"{_WEB}/test_qido.py::test_an_answer_carries_the_levels_above_that_its_path_does_not_name"
_COUNTED = f"{_WEB}/test_qido.py::test_what_matches_is_counted_at_every_level"
_TOLD = f"{_WEB}/test_retrieve.py::test_metadata_and_pictures_have_tags"
_DRAWN = f"{_WEB}/test_rendered.py::test_a_quality_is_a_number_from_1_to_100"
_SMALL = f"{_WEB}/test_rendered.py::test_a_thumbnail_is_a_small_picture_in_the_window_of_its_object"
_ARCHIVED = f"{_WEB}/test_retrieve.py::test_a_study_and_a_series_come_as_an_archive_of_their_files"
TRANSACTIONS = {
    "StoreInstances": f"{_WEB}/test_store.py::test_the_study_is_retrieved_by_the_url_on_top_and_each_instance_by_its_own",
    "StoreStudyInstances": f"{_WEB}/test_store.py::test_a_study_that_is_named_takes_its_own_instances_and_no_others",
    "SearchForStudies": f"{_WEB}/test_viewers.py::test_the_study_list_of_ohif_is_filled",
    "RetrieveStudy": _ARCHIVED,
    "RetrieveSeries": _ARCHIVED,
    "RetrieveInstance": f"{_WEB}/test_retrieve.py::test_an_object_says_its_digest_alone_and_among_others",
    "RetrieveStudyThumbnail": f"{_WEB}/test_rendered.py::test_a_study_and_a_series_are_shown_by_the_middle_of_their_most_images",
    "RetrieveSeriesThumbnail": f"{_WEB}/test_rendered.py::test_a_study_and_a_series_are_shown_by_the_middle_of_their_most_images",
    "RetrieveFrames": f"{_WEB}/test_pixels.py::test_a_list_of_frames_comes_in_its_order",
    "RetrieveBulkData": f"{_WEB}/test_pixels.py::test_pixel_data_is_bulk_data_whole_or_in_ranges",
}
"""Transaction → the test that shows it; of those that are not here by their kind."""
_KINDS = (("Search", _FOUND), ("Count", _COUNTED), ("Metadata", _TOLD), ("Rendered", _DRAWN), ("Thumbnail", _SMALL))
_MATCHED = {
    Kind.UID: ("one, or a list by `,` or `\\`", f"{_MAP}/test_qido.py"),
    Kind.DATE: ("one, or a range", f"{_MAP}/test_qido.py"),
    Kind.TIME: ("one, or a range", f"{_MAP}/test_qido.py"),
    Kind.CODE: ("one, or `*` and `?`", f"{_MAP}/test_qido.py"),
    Kind.TEXT: ("folded; `*` and `?`", f"{_MAP}/test_qido.py"),
    Kind.NAME: ("folded, by component groups; `*` and `?`; beginnings of words with `fuzzymatching`", f"{_MAP}/test_qido.py"),
    Kind.NUMBER: ("one", f"{_MAP}/test_qido.py"),
}
_ASKED, _GIVEN = f"{_WEB}/test_query.py", f"{_WEB}/test_retrieval.py"
_QUERIES = (
    (FIND, f"{_ASKED}::test_each_level_is_asked_under_patient_root"),
    (MOVE, f"{_GIVEN}::test_movescu_has_a_study_sent_to_a_storescp"),
    (GET, f"{_GIVEN}::test_each_level_brings_what_it_names_and_counts_it"),
)
CLASSES = (
    ("Verification", "SCP", f"{_NET}::test_a_registered_sender_is_echoed_and_leaves_no_batch"),
    (
        f"Storage: the {len(AllStoragePresentationContexts)} classes of PS3.4 annex B.5",
        "SCP",
        f"{_NET}::test_every_storage_class_is_taken_in_every_syntax",
    ),
    *((UID(model).name, "SCP", test) for models, test in _QUERIES for model in models),
    ("the storage classes, of what is retrieved", "SCU", f"{_GIVEN}::test_an_object_comes_in_the_syntax_that_was_accepted"),
    (
        UID(PUSH_MODEL).name,
        "SCP",
        f"{_WEB}/test_commitment.py::test_what_was_stored_is_confirmed_on_an_association_of_ours_that_calls_as_the_ae_it_was_sent_to",
    ),
)
POLICIES = (
    ("largest PDU taken", f"{MAXIMUM_PDU} bytes", f"{_NET}::test_every_storage_class_is_taken_in_every_syntax"),
    (
        "operations at once",
        "1, no asynchronous window",
        f"{_NET}::test_messages_that_do_not_wait_for_answers_end_the_association",
    ),
    (
        "who is taken",
        "registered AE titles, each from its addresses, or with its certificate",
        f"{_NET}::test_who_is_not_registered_is_rejected_with_the_reason",
    ),
    (
        "by TLS",
        "1.2 and 1.3 on a port of its own; AE titles bound to a certificate",
        f"{_WEB}/test_tls.py::test_who_is_bound_to_a_certificate_shows_it_wherever_it_calls",
    ),
    (
        "of one AE title at once",
        "as many as it was given",
        f"{_NET}::test_an_ae_title_has_its_own_limit_of_associations_over_all_processes",
    ),
    (
        "extended negotiation",
        "of queries: relational, date-time, fuzzy names",
        f"{_WEB}/test_query.py::test_what_is_done_of_extended_negotiation_is_agreed_and_no_more",
    ),
    ("implementation", "class UID and version in the A-ASSOCIATE-AC", f"{_NET}::test_an_association_says_who_accepted_it"),
    (
        "choice of syntax",
        "lossless compressed, compressed, plain",
        f"{_NET}::test_compressed_wins_over_explicit_and_explicit_over_implicit",
    ),
    (
        "idle associations",
        "end sooner while places are scarce",
        f"{_NET}::test_an_idle_association_ends_sooner_while_places_are_scarce",
    ),
)


def transactions() -> str:
    """Each DICOMweb transaction, where and in which media types, and the test that shows it."""
    rows = [
        (
            name,
            f"{method} `{path}`",
            ", ".join(f"`{kind}`" for kind in asked.answers),
            _listed(asked.statuses),
            f"`{shown(name)}`",
        )
        for (path, method), (name, asked) in SERVICES.items()
    ]
    return table(("transaction", "resource", "answered as", "status", "test"), *rows)


def shown(name: str) -> str:
    """The test of a transaction."""
    return TRANSACTIONS.get(name) or next(test for word, test in _KINDS if word in name)


def keys() -> str:
    """Each key that is matched, at its level."""
    rows = [
        (str(f.level), f"{f.keyword} `{f.tag}`", _MATCHED[f.kind][0], f"`{_MATCHED[f.kind][1]}`")
        for f in FIELDS.values()
        if f.keyword
    ]
    return table(("level", "key", "matched", "test"), *rows)


def classes() -> str:
    """The SOP classes of the network."""
    return table(("SOP class", "role", "test"), *((name, role, f"`{test}`") for name, role, test in CLASSES))


def policies() -> str:
    """How associations are taken."""
    return table(("association", "policy", "test"), *((name, said, f"`{test}`") for name, said, test in POLICIES))


def syntaxes() -> str:
    """Each transfer syntax that is stored, in the order of preference, how a frame of it is sent, and whether it is drawn."""
    rows = [
        (
            UID(uid).name,
            f"`{uid}`",
            f"`{choose_pixels('', uid, alone=False).media_type}`",
            _explicit(uid),
            "yes" if _is_drawn(uid) else "no",
        )
        for uid in dimse.TRANSFER_SYNTAXES
    ]
    return table(("transfer syntax", "UID", "a frame is sent as", "an object in Explicit VR LE", "drawn"), *rows)


def _explicit(uid: str) -> str:
    """Who gets a whole object that is stored so in Explicit VR Little Endian."""
    if choose_retrieve("", [uid]).syntaxes[uid] == EXPLICIT:
        return "unless another is named"
    return "if named" if EXPLICIT in syntaxes_of(uid) else "no"


def _is_drawn(uid: str) -> bool:
    return uid in DECODED or not UID(uid).is_encapsulated


def statuses() -> str:
    """What a C-STORE is answered, by rule."""
    rows = [("0000", "taken, known already, or waiting for review", "")]
    rows += [(f"{code:04X}", f"`{rule}`", "may be sent again" if code == dimse._RETRY else "") for rule, code in _refusals()]
    rows += [("A700", "no room, or an answer that can't be had now", "may be sent again")]
    return table(("status", "rule", ""), *rows)


def _refusals() -> Iterator[tuple[str, int]]:
    yield from sorted(dimse._REJECTED.items(), key=lambda each: (each[1], each[0]))


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


TABLES: dict[str, Callable[[], str]] = {
    made.__name__: made for made in (transactions, keys, classes, policies, syntaxes, statuses)
}


def filled(text: str) -> str:
    """The document with every table as it is now."""
    return MARK.sub(lambda mark: f"{mark[1]}\n{TABLES[mark[2]]()}\n\n{mark[4]}", text)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))
