"""The terms of pages in plain words; `docs/glossary.md` has all of them, with sources."""

TERMS: dict[str, str] = {
    "Privacy budget ε": "How much a model may reveal about each unit of privacy it was trained on. Smaller protects more. The page "
    "Privacy says what a value allows an attacker.",
    "δ": "The small probability by which the limit set by ε may be exceeded.",
    "Unit of privacy": "What is protected as one: a patient with all images, or a single image. The second says less for patients with "
    "several images.",
    "Accountant": "The method that computes ε from the noise that a training added.",
    "Without privacy": "The non-private reference: the same recipe, trained on the same patients without clipping and noise.",
    "AUROC": "The probability that a model gives an image with the finding a higher score than an image without it. 1 is perfect, 0.5 is "
    "chance.",
    "95 % interval": "A range made so that it contains the true value in 95 of 100 such studies. A wide one means few patients or few "
    "training runs.",
    "Cost of privacy": "The value with privacy minus the value without, on the same images.",
    "Missed, false alarm": "An image with the finding that a model calls negative; an image without it that a model calls positive.",
    "Margin": "The largest loss that is still acceptable, chosen before the results are looked at.",
    "Extra loss": "What a group loses through privacy beyond what the other patients lose.",
    "Not enough evidence": "These patients and training runs cannot show a loss, nor rule one out. It does not mean that there is none.",
    "Training run": "One trained model. Several with other seeds show how much chance in training matters.",
    "Exposure": "How well an attacker who sees a model can tell that one patient was in its training data. 0.5 is chance.",
}
"""Each term, and what it means."""
