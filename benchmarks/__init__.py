"""Speed against the named peer, as a ratio within one run: `python -m benchmarks NAME`."""
