"""Who may do what, as people of organisations."""

import pytest

from consent.person import ACTS, Act, Actor, PersonRole, Span, may


def acting(*roles: PersonRole, party: str | None = "clinic") -> Actor:
    return Actor("person:ada", party, frozenset(roles))


@pytest.mark.parametrize("act", list(Act))
def test_who_has_no_role_does_nothing(act: Act) -> None:
    assert not may(acting(), act, "clinic")


@pytest.mark.parametrize("role", list(PersonRole))
@pytest.mark.parametrize("act", list(Act))
def test_a_role_reaches_its_own_organisation_or_all_and_no_further(role: PersonRole, act: Act) -> None:
    span = ACTS[role].get(act)
    assert may(acting(role), act, "clinic") is (span is not None)
    assert may(acting(role), act, "another") is (span is Span.ALL)
    assert may(acting(role, party=None), act, None) is (span is Span.ALL)


def test_roles_add_up() -> None:
    both = acting(PersonRole.RESEARCHER, PersonRole.SIGNATORY)
    assert may(both, Act.SIGN, "clinic")
    assert not may(both, Act.COUNTERSIGN, "clinic")
