"""Numbers of a guarantee are never printed smaller than they are."""

import numpy as np
import pytest

from dpmed_core.phrases import delta_text, epsilon_text, rounded_up


@pytest.mark.parametrize(("delta", "said"), [(1.4e-5, "1.4e-05"), (1e-5, "1e-05"), (1e-6, "1e-06"), (1.401e-5, "1.5e-05")])
def test_a_delta_is_printed_rounded_up(delta, said):
    assert delta_text(delta) == said


@pytest.mark.parametrize(("epsilon", "said"), [(1.2349, "1.24"), (0.9999, "1"), (8, "8"), (12.341, "12.4"), (0.30000000000000004, "0.3")])
def test_an_epsilon_is_printed_rounded_up(epsilon, said):
    assert epsilon_text(epsilon) == said


def test_no_number_is_printed_below_itself():
    for value in np.random.default_rng(0).lognormal(0, 5, 2000):
        for digits in (1, 2, 3):
            assert value * (1 - 1e-11) <= rounded_up(float(value), digits) <= value * (1 + 10.0 ** (1 - digits))
