"""`docs/oauth.md`: each test that it names is there."""

import re

import pytest

from tests.running import TOP

NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (TOP / "docs/oauth.md").read_text())))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_the_checklist_names_is_a_test(file, name):
    assert f"def {name}(" in (TOP / file).read_text()
