"""What an agreement does not name waits for review, with the rule that says so, at each file that comes."""

import pytest

from consent.deposit import sentence
from mappings.report import to_text
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.dataset import add_dataset, set_dataset
from server.usecases.report import report
from server.usecases.take import take
from tests.builders import ACTOR, batch, made

MR = "1.2.840.10008.5.1.4.1.1.4"


def agreed(built, **content):
    """A dataset NEW under an agreement that says this."""
    add_agreement(built, ACTOR, "DSA-NEW", provider="hospital-a", node="central", terms="1.0.0", **content)
    for verb in ("propose", "activate"):
        move_agreement(built, ACTOR, "DSA-NEW", verb)
    add_dataset(built, ACTOR, "NEW", "DSA-NEW", "New")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({}, "declared"),
        ({"modalities": ("CT", "MR")}, "declared"),
        ({"modalities": ("CT",)}, "modality-not-agreed"),
        ({"sop_classes": (MR,)}, "declared"),
        ({"sop_classes": ("1.2.840.10008.5.1.4.1.1.2",)}, "class-not-agreed"),
        ({"cancers": ("CLIN1000057",)}, "cancer-not-agreed"),
    ],
)
def test_what_is_not_named_waits(built, content, rule):
    agreed(built, **content)
    taken = take(built, batch(built, "NEW"), "a", made())
    assert (str(taken.outcome), taken.rule) == ("pass" if rule == "declared" else "review", rule)


@pytest.mark.parametrize(("stated", "rule"), [("CLIN1000057", "declared"), ("CLIN1000058", "cancer-not-agreed")])
def test_a_cancer_is_what_is_stated_of_the_dataset(built, stated, rule):
    agreed(built, cancers=("CLIN1000057",))
    set_dataset(built, ACTOR, "NEW", {"condition": stated})
    assert take(built, batch(built, "NEW"), "a", made()).rule == rule


def test_what_is_of_no_modality_is_of_none_that_is_named(built):
    agreed(built, modalities=("MR",))
    assert take(built, batch(built, "NEW"), "a", made(Modality=None)).rule == "modality-not-agreed"


def test_a_name_of_a_person_weighs_more(built):
    agreed(built, modalities=("CT",))
    into = batch(built, "NEW")
    assert take(built, into, "a", made(PatientName="Doe^Jane")).rule == "person-name"
    (file,) = report(built, None, into.key).files
    assert {found for found, _ in file.findings} == {"person-name", "modality-not-agreed"}


def test_words_without_code_are_taken_and_told_to_who_sent_them(built):
    """By their place alone: free text may hold a name."""
    agreed(built)
    into = batch(built, "NEW")
    taken = take(built, into, "a", made(BodyPartExamined="SMITH LEFT", Manufacturer="Acme"))
    assert (str(taken.outcome), taken.rule) == ("pass", "declared")
    said = report(built, None, into.key)
    (file,) = said.files
    assert file.findings == (("word-uncoded", "(0008,0070)"), ("word-uncoded", "(0018,0015)"))


def test_the_report_in_words_says_what_words_without_code_come_to(built):
    agreed(built)
    into = batch(built, "NEW")
    for number in range(3):
        take(built, into, f"{number}", made(f"1.2.3.1.{number}", BodyPartExamined="SMITH LEFT"))
    told = "".join(to_text(report(built, None, into.key)))
    assert sentence("word-uncoded").split(". ")[0] in " ".join(told.split())
    assert "3 files" in told
    assert "SMITH" not in told
