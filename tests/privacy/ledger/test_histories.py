"""Random histories against a bookkeeper of its own; many more by `python -m benchmarks.ledger_histories`."""

from benchmarks.ledger_histories import differences


def test_the_ledger_says_what_an_independent_bookkeeper_says():
    assert max(map(abs, differences(12))) < 1e-9
