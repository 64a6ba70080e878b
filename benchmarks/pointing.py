"""The pointing game on the demo cohort: do explanation maps of private and non-private networks point at the lesions?

Networks of recipe `paper` are trained on the demo's training patients. Maps are computed for held-out radiographs with an obvious finding,
one per patient. They are compared with a random point in the thorax, with the best point that is the same for all radiographs, and with a
network of random weights. The kind and the layer of the maps were chosen on the demo of seed 0; by default, the demo of seed 1 is measured,
whose patients had no part in that choice.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.averaged_grad_cam import averaged_grad_cam
from benchmarks.lesions import LOCALISED_FINDINGS, lesion_mask, thorax_mask, widened
from benchmarks.pointing_game import pointing
from dpmed_core.cohort.demo.radiograph import add_demo_radiograph
from dpmed_core.cohort.schema import Cohort
from dpmed_core.cohort.split import assign_parts
from dpmed_core.engine.inference_task import UNTRAINED_SEED
from dpmed_core.engine.training_task import work_on
from dpmed_core.explanations.attribution import attribution
from dpmed_core.explanations.methods import methods_of
from dpmed_core.installation import Installation
from dpmed_core.keyed_hash import keyed_hex
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph
from dpmed_core.runs.plan import plan_runs
from dpmed_core.settings import Settings
from dpmed_core.training.encoders.network_input import IMAGE_SIDE
from dpmed_core.training.fitted import Explainable, StoredModel
from dpmed_core.training.inference import rebuild
from dpmed_core.training.scores import held_out_rows
from dpmed_core.training.spec import PrivacyUnit

N_IMAGES, EPSILON = 1600, 8.0
OBVIOUS_SEVERITY = 0.35
"""Fainter lesions are left out: a network that does not detect them cannot point at them."""
AVERAGED = "grad-cam, gradients averaged as published"
SEED, CONFIRMING = "POINTING_SEED", 1
"""Environment variable with the seed of the demo, and its default."""
FOLDER = "POINTING_DATA_DIR"
"""Environment variable with a data folder in which the demo and its runs are kept and reused; by default they are temporary."""


def rows() -> list[dict[str, object]]:
    """One row per network, method and finding, and one for all findings together."""
    kept, seed = os.environ.get(FOLDER), int(os.environ.get(SEED, CONFIRMING))
    name = f"demo-of-seed-{seed}"
    with tempfile.TemporaryDirectory() as temporary:
        installation = Installation.open(Settings(data_dir=Path(kept or temporary)))
        if name not in installation.cohorts.names():
            add_demo_radiograph(installation.cohorts, name=name, n_cases=N_IMAGES, seed=seed)
        cohort = installation.cohorts.load(name)
        networks = dict(_networks(installation, cohort))
        lesions = _obvious_lesions(installation, cohort, seed)
        return [row for title, network in networks.items() for row in _rows(title, network, cohort, lesions)]


def _networks(installation: Installation, cohort: Cohort) -> Iterator[tuple[str, Explainable]]:
    """The trained networks and one with random weights, each with a title."""
    specs = plan_runs(cohort, key=installation.key, recipe="paper", epsilons=[EPSILON], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)
    for spec in specs:
        run_id = installation.runs.ask(spec, cohort_name=cohort.name).run_id
        work_on(installation.settings, run_id)
        result = installation.runs.result(run_id)
        weights = installation.runs.weights(run_id)
        fitted = rebuild(StoredModel(result, weights, installation.settings.encoders_dir, cohort.modality))
        yield (result.guarantee.sentence() if result.guarantee else "without privacy"), fitted.explainable()
        if result.guarantee is None:
            yield "random weights", fitted.untrained(UNTRAINED_SEED)


def _obvious_lesions(installation: Installation, cohort: Cohort, seed: int) -> pd.DataFrame:
    """Obvious lesions of held-out radiographs, one radiograph per patient and finding, with the columns row, finding, lesion and thorax."""
    population = draw_population(N_IMAGES, seed=seed)
    split = assign_parts(cohort, seed=0, key=installation.key)
    radiographs = _images_of(population, cohort, held_out_rows(split), installation.key, seed)
    lines = []
    for finding in LOCALISED_FINDINGS:
        obvious = (population[finding] == 1) & (population[f"severity_{finding}"] >= OBVIOUS_SEVERITY)
        of_patient = population.loc[[index for index in radiographs if obvious[index]]].drop_duplicates("patient").index
        for index in map(int, of_patient):
            radiograph = population.loc[index]
            lesion = lesion_mask(radiograph, index, finding=finding, size=IMAGE_SIDE, seed=seed)
            lines.append(
                {
                    "row": radiographs[index],
                    "finding": finding,
                    "patient": int(radiograph["patient"]),
                    "lesion": widened(lesion),
                    "thorax": thorax_mask(radiograph, index, size=IMAGE_SIDE, seed=seed),
                }
            )
    return pd.DataFrame(lines)


def _images_of(population: pd.DataFrame, cohort: Cohort, rows: NDArray[np.intp], key: bytes, seed: int) -> dict[int, int]:
    """Row of the population -> row of the cohort, for each of `rows`: matched by patient and, among the patient's images, by pixels."""
    of_patient: dict[str, list[int]] = {}
    for row in rows:
        of_patient.setdefault(str(cohort.cases["patient_id"].iloc[row]), []).append(int(row))
    found = {}
    for index, patient in enumerate(population["patient"]):
        candidates = of_patient.get(keyed_hex(key, "patient", f"phantom-{patient}"), [])
        if not candidates:
            continue
        radiograph = render_radiograph(population.iloc[index], index, size=cohort.images.shape[1], seed=seed, variant="demo") * 255
        differences = [float(np.abs(radiograph - cohort.images[row]).max()) for row in candidates]
        assert min(differences) <= 1, "the cohort does not hold the radiographs of this population"
        found[index] = candidates[int(np.argmin(differences))]
    return found


def _rows(name: str, network: Explainable, cohort: Cohort, lesions: pd.DataFrame) -> Iterator[dict[str, object]]:
    """The results of one network, by method and finding."""
    masks, fields = np.stack(list(lesions["lesion"])), np.stack(list(lesions["thorax"]))
    # For all findings together, one random radiograph per patient: the interval of the hit rate assumes independent cases.
    one_per_patient = lesions.sample(frac=1, random_state=0).drop_duplicates("patient").index.to_numpy()
    for method in (AVERAGED, *(card.name for card in methods_of("paper"))):
        maps = np.stack([_map(network, cohort, int(row), str(finding), method) for row, finding in lesions[["row", "finding"]].to_numpy()])
        for finding in (*LOCALISED_FINDINGS, "all"):
            chosen = one_per_patient if finding == "all" else np.flatnonzero(lesions["finding"] == finding)
            game = pointing(maps[chosen], masks[chosen], fields[chosen])
            yield {"network": name, "method": method, "finding": finding, **asdict(game), "above_chance": game.is_above_chance}


def _map(network: Explainable, cohort: Cohort, row: int, finding: str, method: str) -> NDArray[np.float32]:
    """The explanation map of one case, `[rows, columns]`."""
    image, finding_index = np.asarray(cohort.images[row : row + 1]), cohort.findings.index(finding)
    if method != AVERAGED:
        return attribution(network, image, finding_index=finding_index, method=method)[0]
    return np.asarray(averaged_grad_cam(network, network.to_input(image).float(), finding_index).detach()[0, 0].numpy())
