"""The parts of `python -m benchmarks device`, one module each; `rows(place)` yields rows as they are measured."""
