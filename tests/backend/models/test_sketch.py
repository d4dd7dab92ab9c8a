"""What a net takes is counted before its weights are here."""

import pytest

from backend.models import sketch
from backend.models.sketch import count_operations, count_weights, estimate_seconds, measure_speed


def test_operations_of_a_net_are_those_that_are_published():
    """open_clip's own table of models gives a ViT-B-32's image side 4.41 billion multiplications with an addition each."""
    assert count_operations("ViT-B-32") == pytest.approx(2 * 4.41e9, rel=0.01)
    assert count_weights("ViT-B-32") == 151_277_313


def test_seconds_are_operations_by_the_speed_of_this_machine(monkeypatch):
    monkeypatch.setattr(sketch, "measure_speed", lambda device: 1e9)
    assert estimate_seconds("ViT-B-32") == pytest.approx(count_operations("ViT-B-32") / 1e9)


def test_speed_is_measured_once():
    assert measure_speed("cpu") == measure_speed("cpu") > 1e6


@pytest.mark.parametrize("architecture", ["roberta-ViT-B-32", "no-such-net"])
def test_net_that_is_described_elsewhere_has_neither(architecture):
    assert count_operations(architecture) is None
    assert estimate_seconds(architecture) is None
    assert count_weights(architecture) is None
