"""Whoever asks the federation's door as often as it likes recovers small counts no better than who knows the margins."""

from unittest.mock import patch

from consent import disclosure
from tests.reconstruction import attack, build, crossed, from_margins, recovered

POINTS = 0.05


def test_small_cells_are_recovered_no_better_than_from_the_margins(tmp_path):
    """Four hundred questions with deposits in between; all of five thousand: `benchmarks.attack_reconstruction`."""
    world = build(tmp_path, datasets=12, people=160)
    attack(world, 400, every=25)
    found = recovered(world, crossed, from_margins)
    assert found.small > 400
    assert found.attacker <= found.margins + POINTS
    assert 0 < max(map(len, world.heard.values())) <= world.runtime.settings.budget_questions
    world.runtime.close()


def test_the_same_attack_succeeds_where_every_question_is_answered_without_noise(tmp_path):
    world = build(tmp_path, datasets=2, people=160, budget_questions=10_000)
    with patch.object(disclosure, "noise", lambda *_: 0):
        attack(world, 120)
        found = recovered(world, crossed, from_margins)
    assert found.attacker > found.margins + 4 * POINTS
    world.runtime.close()
