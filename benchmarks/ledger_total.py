"""The total of a ledger of 10,000 entries on 500 patients, in random overlapping sets, and dp-accounting's total of the same.

Full-batch and sampled mechanisms are mixed. The reference composes what the patient with the most took part in by dp-accounting alone, in
the way its documentation shows, event after event; equal mechanisms are not grouped for it.
"""

import math
import random
import tempfile
import time
from pathlib import Path

import dp_accounting
from dp_accounting.pld import PLDAccountant, privacy_loss_distribution

from dpmed_core.database import Database
from dpmed_core.keyed_hash import installation_key
from dpmed_core.privacy.ledger.book import ENDED, PLANNED, Book
from dpmed_core.privacy.ledger.chain import Chain, read_entries
from dpmed_core.privacy.ledger.charges import ended_body, planned_body
from dpmed_core.privacy.ledger.patients import PatientSet, read_sets, store_set
from dpmed_core.privacy.ledger.totals import PatientTotals, totals
from dpmed_core.settings import Settings
from dpmed_core.training.result import NEIGHBORING_RELATION, PrivacyGuarantee
from dpmed_core.training.spec import PrivacyUnit

N_ENTRIES, N_PATIENTS, N_SETS, DELTA = 10_000, 500, 12, 1e-5
FULL_BATCH = [(60.0, 1.0, 20), (120.0, 1.0, 20), (500.0, 1.0, 25)]
SAMPLED = [(40.0, 0.1, 50), (25.0, 0.05, 80)]
"""Noise multiplier, sample rate and steps of the mechanisms."""
REFERENCE_INTERVAL = 1e-4
"""Finer than the total's own grid, 1e-3 of epsilon, so that the reference takes minutes and is a little smaller."""


def rows() -> list[dict[str, object]]:
    """One row without and one with sampled mechanisms."""
    return [_row("full batch", FULL_BATCH), _row("full batch and sampled", FULL_BATCH + SAMPLED)]


def _row(case: str, mechanisms: list[tuple[float, float, int]]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        chain = Chain(Database(settings), installation_key(settings.data_dir), settings.data_dir)
        taken = _fill(chain, mechanisms, settings.calibrations_dir)
        began = time.perf_counter()
        with chain.database.transaction() as connection:
            book = Book(tuple(read_entries(connection)), read_sets(connection))
        total: PatientTotals = totals(book, delta=DELTA)
        seconds = time.perf_counter() - began
        return {
            "case": case,
            "n_entries": len(book.entries),
            "n_patients": total.n_patients,
            "seconds": seconds,
            "epsilon": total.epsilon,
            "reference_epsilon": max(_reference(own) for own in taken),
        }


def _fill(chain: Chain, mechanisms: list[tuple[float, float, int]], calibrations: Path) -> list[list[tuple[float, float, int]]]:
    """Write the entries, two for each draw; what the patients with the most took part in."""
    chance = random.Random(0)
    patients = [f"{number:016x}" for number in range(N_PATIENTS)]
    sets = [PatientSet(tuple(sorted(chance.sample(patients, chance.randrange(100, 400))))) for _ in range(N_SETS)]
    of_set: list[list[tuple[float, float, int]]] = [[] for _ in sets]
    with chain.appending() as appender:
        names = [store_set(appender.connection, chain.key, one) for one in sets]
        for number in range(N_ENTRIES // 2):
            which, (noise, rate, steps) = chance.randrange(N_SETS), chance.choice(mechanisms)
            of_set[which].append((noise, rate, steps))
            guarantee = PrivacyGuarantee(
                1.0, DELTA, PrivacyUnit.PATIENT, "prv", NEIGHBORING_RELATION, noise, 1.0, rate, steps, N_PATIENTS, 1.0, "pld"
            )
            facts = {"cohort": "c", "recipe": "probe", "unit": "patient", "epsilon": 1.0, "delta": DELTA, "seed": number}
            body = planned_body(
                f"{number:016x}",
                facts,
                draw=f"{number:x}",
                patients=names[which],
                most_images=1,
                guarantee=guarantee,
                steps=steps,
                resumed=0,
                calibrations_dir=calibrations,
            )
            entry = appender.append(PLANNED, body)
            draw = Book((entry,), {}).draws[0]
            appender.append(ENDED, ended_body(draw, steps=steps, how="finished", weights=None, calibrations_dir=calibrations))
    members = [set(one.persons) for one in sets]
    took = {patient: tuple(i for i, one in enumerate(members) if patient in one) for patient in patients}
    # The candidates for the largest total: those in a maximal group of sets.
    groups = set(took.values())
    return [[m for i in own for m in of_set[i]] for own in groups if not any(set(own) < set(other) for other in groups)]


def _reference(taken: list[tuple[float, float, int]]) -> float:
    """Epsilon by dp-accounting; full-batch steps by its exact Gaussian mechanism, mixtures by privacy loss distributions."""
    full = math.sqrt(math.fsum(steps / noise**2 for noise, rate, steps in taken if rate >= 1))
    sampled = sorted({(noise, rate) for noise, rate, _ in taken if rate < 1})
    if not sampled:
        one = privacy_loss_distribution.from_gaussian_mechanism(1 / full, value_discretization_interval=1e-5)
        return float(one.get_epsilon_for_delta(DELTA))
    events = [dp_accounting.GaussianDpEvent(1 / full)]
    for noise, rate in sampled:
        n = sum(steps for s, q, steps in taken if (s, q) == (noise, rate))
        step = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise))
        events.append(dp_accounting.SelfComposedDpEvent(step, n))
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=REFERENCE_INTERVAL)
    return float(accountant.compose(dp_accounting.ComposedDpEvent(events)).get_epsilon(DELTA))
