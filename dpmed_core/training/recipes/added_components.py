"""How many components of an added encoder's features a head reads beside the public encoder's; a function of public numbers."""

from dpmed_core.training.encoders.card import ADDED, ADDED_COMPONENTS

FEWEST, SIGNAL_PER_COMPONENT = 16, 4.0
"""Fewest leading components; signal-to-noise ratio that each further one requires: that of the network whose features are as far from
radiographs of patients (`probe_settings.SIGNAL_PER_COMPONENT`, "wide")."""


def with_added(components: tuple[tuple[str, int], ...], encoder: str | None, ratio: float) -> tuple[tuple[str, int], ...]:
    """`components`, and behind them those of the added `encoder`, if a run names one.

    Args:
        components: of the public encoder's features.
        encoder: digest of the added encoder; None for none.
        ratio: signal-to-noise ratio of a private training; infinite without privacy.

    >>> with_added((("narrow", 32),), "0123", 100.0), with_added((("narrow", 32),), None, 100.0)
    ((('narrow', 32), ('added', 25)), (('narrow', 32),))
    """
    return (*components, (ADDED, int(min(ADDED_COMPONENTS, max(FEWEST, ratio / SIGNAL_PER_COMPONENT))))) if encoder else components
