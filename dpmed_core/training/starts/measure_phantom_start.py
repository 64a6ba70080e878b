"""Making the start that ships with DPMed: the last part of `make encoder`.

The network's outputs are taken over synthetic radiographs of the variant that it was trained on, of other patients, changed lightly as in
its training. Their mean and spread are the scale on which an output counts (`phantom_start`).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dpmed_core.files import write_json
from dpmed_core.imaging.modality import Modality
from dpmed_core.phantoms.chest.population import FINDINGS, draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiographs
from dpmed_core.settings import load_settings
from dpmed_core.training.encoders.augmentation import augment_lightly
from dpmed_core.training.encoders.card import read_card
from dpmed_core.training.encoders.network_input import IMAGE_SIDE, to_tensor
from dpmed_core.training.encoders.phantom_outputs import NETWORK, output_names
from dpmed_core.training.encoders.radiograph_encoder import load_encoder
from dpmed_core.training.starts.phantom_start import start_file

SEED, N_IMAGES, AT_ONCE = 11, 3000, 250
EITHER_SIDE: Mapping[str, str] = {
    "pleural_effusion": "pleural_effusion",
    "effusion": "pleural_effusion",
    "pneumonic_infiltrates": "pneumonic_infiltrates",
    "atelectasis": "atelectasis",
}
"""Findings of either side, by the phantoms' finding that has sides; "effusion" is what public cohorts call a pleural effusion."""


def outputs_by_finding() -> dict[str, tuple[str, ...]]:
    """The outputs that speak of each finding of the start.

    >>> outputs_by_finding()["effusion"]
    ('pleural_effusion_right', 'pleural_effusion_left')
    """
    either = {name: (f"{of_side}_right", f"{of_side}_left") for name, of_side in EITHER_SIDE.items()}
    return {**{name: (name,) for name in FINDINGS}, **either}


def main(encoders_dir: Path | None = None, *, n_images: int = N_IMAGES) -> None:
    """Draw radiographs, take the outputs, and write the start's file."""
    folder = encoders_dir or load_settings().encoders_dir
    card = read_card(folder, Modality.RADIOGRAPH)
    population = draw_population(n_images, seed=SEED, variant="encoder")
    radiographs = render_radiographs(population, size=IMAGE_SIDE, seed=SEED, variant="encoder")
    outputs = _outputs(folder, radiographs)
    names = output_names(card)
    findings = [
        _row(name, of, outputs[:, [names.index(one) for one in of]].max(axis=1), population[list(of)].to_numpy().max(axis=1))
        for name, of in outputs_by_finding().items()
    ]
    document = {
        "encoder": card.digest,
        "data": "procedural chest radiographs of DPMed alone, of the encoder variant of its phantoms; no radiograph of any patient",
        "licence": "as DPMed",
        "n_images": n_images,
        "n_patients": int(population["patient"].nunique()),
        "outputs": list(names),
        "findings": findings,
    }
    write_json(start_file(folder), document)


@torch.no_grad()
def _outputs(folder: Path, radiographs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the network says of radiographs that are changed lightly, `[n, n_outputs]`."""
    torch.manual_seed(SEED)
    network = load_encoder(folder, Modality.RADIOGRAPH).networks[NETWORK]
    parts = [radiographs[start : start + AT_ONCE] for start in range(0, len(radiographs), AT_ONCE)]
    said = torch.cat([network(augment_lightly(to_tensor(part, size=IMAGE_SIDE))) for part in parts])
    return np.asarray(said.numpy(), dtype=np.float64)


def _row(name: str, outputs: tuple[str, ...], logit: NDArray[np.float64], present: NDArray[np.float64]) -> dict[str, object]:
    """What the start's file says of a finding."""
    return {
        "name": name,
        "outputs": list(outputs),
        "mean": round(float(logit.mean()), 4),
        "spread": round(float(logit.std()), 4),
        "auroc": round(float(roc_auc_score(present, logit)), 4),
        "n_positive": int(present.sum()),
    }


if __name__ == "__main__":
    main()
