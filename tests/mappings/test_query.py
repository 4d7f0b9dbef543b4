"""One text for one question, however it is written down."""

import pytest

from mappings.query import EVERYTHING, NOTHING, AllOf, AnyOf, Between, Like, Not, OneOf, canonical

CT, MR, OLD, MAKER = (
    OneOf("modality", ("CT",)),
    OneOf("modality", ("MR",)),
    Between("age", 60, None),
    Like("manufacturer", "ge *"),
)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (AnyOf((CT, OLD)), AnyOf((OLD, CT))),
        (AnyOf((CT, OLD)), AnyOf((OLD, CT, OLD))),
        (AnyOf((CT, OLD, MR)), AnyOf((MR, AnyOf((CT, AnyOf((OLD,))))))),
        (AllOf((CT, OLD)), AllOf((AllOf((OLD,)), AnyOf((CT, CT))))),
        (AnyOf((CT, NOTHING)), CT),
        (Not(AnyOf((CT, OLD))), Not(AnyOf((OLD, CT)))),
        (OneOf("modality", ("CT", "MR")), OneOf("modality", ("MR", "CT", "MR"))),
        (OneOf("number", (1, 2)), OneOf("number", (2, 1))),
        (AnyOf((AllOf((CT, OLD)), AllOf((MR, MAKER)))), AnyOf((AllOf((MAKER, MR)), AllOf((OLD, CT))))),
    ],
)
def test_order_repetition_and_nesting_make_no_other_question(one, same):
    assert canonical(one) == canonical(same)


def test_other_questions_have_other_texts():
    asked = [
        EVERYTHING,
        NOTHING,
        CT,
        MR,
        Not(CT),
        OLD,
        Between("age", None, 60),
        Between("age", 60, 60),
        MAKER,
        Like("manufacturer", "ge"),
        OneOf("body_part", ("CT",)),
        OneOf("modality", ("CT", "MR")),
        OneOf("modality", ("CT', 'MR",)),
        AnyOf((CT, OLD)),
        AllOf((CT, OLD)),
        AllOf((CT, Not(OLD))),
        AnyOf((AllOf((CT, OLD)), MR)),
        AllOf((AnyOf((CT, MR)), OLD)),
        AllOf((CT, MAKER, OLD)),
        AllOf((CT, AllOf((MAKER, OLD)))),  # in two series, where the one before is in one
    ]
    assert len({canonical(condition) for condition in asked}) == len(asked)
