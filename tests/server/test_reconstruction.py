"""Whoever asks the federation's door as often as it likes recovers small counts no better than who knows the margins."""

from unittest.mock import patch

from consent import disclosure
from tests.reconstruction import attack, build, crossed, from_margins, recovered, recovered_by_equality

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


def test_equal_answers_do_not_prove_that_nobody_is_between_them(tmp_path):
    """Noise that stuck to the people alone told two questions of the same people as such."""
    world = build(tmp_path, datasets=12, people=160)
    found = recovered_by_equality(world)
    assert found.attacker <= found.margins + POINTS
    world.runtime.close()


def test_that_attack_succeeds_where_noise_sticks_to_the_people_alone(tmp_path):
    world, really = build(tmp_path, datasets=6, people=160), disclosure.noise
    with patch.object(disclosure, "noise", lambda key, _question, *rest: really(key, "", *rest)):
        found = recovered_by_equality(world)
    assert found.attacker > found.margins + 2 * POINTS
    world.runtime.close()


def test_the_same_attack_succeeds_where_every_question_is_answered_without_noise(tmp_path):
    world = build(tmp_path, datasets=2, people=160, budget_questions=10_000)
    with patch.object(disclosure, "noise", lambda *_: 0):
        attack(world, 120)
        found = recovered(world, crossed, from_margins)
    assert found.attacker > found.margins + 4 * POINTS
    world.runtime.close()
