"""What Accord installs is licensed for it: permissive, or LGPL as an unmodified import; no GPL, no AGPL."""

import re
from importlib.metadata import Distribution, distribution

import pytest

REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")
COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser General Public", re.IGNORECASE)


def needed(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """Every distribution that `name` needs on this machine, without extras."""
    if name.lower() not in found:
        found[name.lower()] = distribution(name)
        for requirement in found[name.lower()].requires or []:
            if not re.search(r";.*(extra\s*==|python_version|platform_system|sys_platform|implementation_name)", requirement):
                matched = REQUIREMENT.match(requirement)
                assert matched
                needed(matched[0], found)
    return found


def licence(found: Distribution) -> str:
    """What a distribution says of its licence, in one line; a whole licence text counts by its head."""
    meta = found.metadata
    said = [meta.get("License-Expression", ""), *(meta.get_all("Classifier") or []), (meta.get("License") or "")[:120]]
    other = ("Programming", "Topic", "Development", "Intended")
    return " · ".join(s for s in said if s and ("icen" in s or not s.startswith(other)))


INSTALLED = needed("accord", {}) | needed("psycopg-binary", {})


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_a_package_is_licensed_for_us(name):
    said = licence(INSTALLED[name])
    assert said, f"{name} says nothing of its licence"
    assert not COPYLEFT.search(LESSER.sub("", said)), said


def test_the_check_can_fail():
    assert COPYLEFT.search(LESSER.sub("", "GPL-3.0-only"))
    assert COPYLEFT.search(LESSER.sub("", "License :: OSI Approved :: GNU Affero General Public License v3"))
    assert not COPYLEFT.search(LESSER.sub("", "LGPL-3.0-only"))
