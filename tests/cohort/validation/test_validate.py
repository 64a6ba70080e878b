"""The validation report: each fault is planted and found, and faultless images are not reported."""

import io
import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dpmed_core.cohort.intake.importer import import_manifest, import_source
from dpmed_core.cohort.report import ImportReport, Severity
from dpmed_core.cohort.sources.catalogue import ImportRequest, open_source
from dpmed_core.cohort.validation.inputs import PixelMeasures, ValidationInputs
from dpmed_core.cohort.validation.label_noise import candidates, neighbour_estimates, separation
from dpmed_core.cohort.validation.near_duplicates import SAME_CORRELATION, candidate_pairs, normalised
from dpmed_core.errors import SpecError
from dpmed_core.phantoms.chest.population import draw_population
from dpmed_core.phantoms.chest.radiograph import render_radiograph
from dpmed_core.runs.plan import plan_runs
from dpmed_core.training.spec import PrivacyUnit
from tests.conftest import KEY

N_IMAGES = 40


@pytest.fixture(scope="module")
def pictures():
    """Forty different synthetic radiographs of 160 x 160 pixels, 8 bits."""
    population = draw_population(N_IMAGES, seed=3, variant="demo")
    images = [render_radiograph(population.iloc[i], i, size=160, seed=3, variant="demo") for i in range(N_IMAGES)]
    return [np.rint(image * 255).astype(np.uint8) for image in images]


@pytest.fixture
def cohort(tmp_path, store, write_manifest):
    """A function that imports images with their rows and returns the first check of each name."""

    def add(pictures, rows, **options):
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"{i}.png")
        full = [{"image": f"{i}.png", "patient_id": f"p{i}", "age": 50, "sex": "F", "mass": i % 2, **row} for i, row in enumerate(rows)]
        manifest = write_manifest(folder / "manifest.csv", full)
        report = import_manifest(store, "images", manifest=manifest, images_dir=None, findings=("mass",), workers=0, **options)
        assert ImportReport.from_fields(json.loads(json.dumps(report.to_fields()))) == report == store.report("images")
        found = {}
        for check in report.checks:
            found.setdefault(check.name, check)
        return found

    return add


def test_identical_images_are_counted_by_patient_by_part_and_by_label(cohort, pictures):
    parts = ["train"] * 20 + ["validation"] * 5 + ["test"] * 15
    rows = [{"split": part} for part in parts]
    pictures = list(pictures)
    pictures[2] = pictures[0]  # both in training, same label, another patient
    pictures[5] = pictures[4]  # both in training, contradictory labels, same patient
    rows[5]["patient_id"] = "p4"
    pictures[21] = pictures[7]  # in validation and in training
    found = cohort(pictures, rows)
    assert found["identical_images_in_train"].count == 2
    assert found["identical_images_in_train"].groups == ((2, 4), (6, 7))
    assert found["identical_images_of_one_patient"].groups == ((6, 7),)
    assert found["identical_images_across_patients"].groups == ((2, 4), (9, 23))
    assert found["identical_images_in_validation_and_train"].count == 1
    assert found["conflicting_labels"].rows == (6, 7)
    assert "identical_images_in_test_and_train" not in found
    assert found["identical_images_across_patients"].outside_guarantee and not found["identical_images_of_one_patient"].outside_guarantee


def test_many_test_images_in_the_training_part_prevent_training(cohort, pictures, store):
    rows = [{"split": "train"}] * 20 + [{"split": "test"}] * 20
    pictures = [*pictures[:20], pictures[0], pictures[1], *pictures[22:]]
    found = cohort(pictures, rows)
    assert found["identical_images_in_test_and_train"].severity is Severity.BLOCKING
    blocked = store.load("images")
    assert len(blocked.blocking) == 1
    with pytest.raises(
        SpecError, match=r"cannot be trained on: 2 test images are identical, pixel by pixel, to an image of the training part"
    ):
        plan_runs(blocked, key=KEY, recipe="probe", epsilons=[1.0], n_seeds=1, delta=None, unit=PrivacyUnit.PATIENT)


@pytest.mark.parametrize("values", [dict.fromkeys(range(N_IMAGES), 1), dict.fromkeys(range(N_IMAGES), "")])
def test_a_cohort_in_which_no_finding_varies_prevents_training(cohort, pictures, values):
    found = cohort(pictures, [{"mass": values[i]} for i in range(N_IMAGES)])
    assert found["nothing_to_learn"].severity is Severity.BLOCKING


def compressed(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize(
    "changed",
    [
        compressed,
        lambda picture: np.rint(picture * 0.8 + 20).astype(np.uint8),
        lambda picture: np.asarray(Image.fromarray(picture).resize((301, 301), Image.Resampling.BICUBIC)),
        lambda picture: np.clip(picture + np.random.default_rng(0).normal(0, 4, picture.shape), 0, 255).astype(np.uint8),
    ],
    ids=["compressed", "brightness", "size", "noise"],
)
def test_the_same_image_exported_differently_is_near_identical(cohort, pictures, changed):
    found = cohort([*pictures, changed(pictures[8])], [{}] * (N_IMAGES + 1))
    assert found["near_identical_images_across_patients"].groups == ((10, N_IMAGES + 2),)
    assert "identical_images_across_patients" not in found


def test_different_images_are_not_near_identical(cohort, pictures):
    assert not [name for name in cohort(pictures, [{}] * N_IMAGES) if "identical" in name]


def test_candidates_are_those_of_comparing_all_pairs():
    rng = np.random.default_rng(0)
    bases = rng.normal(size=(300, 16, 16))
    copies = bases[:40] + rng.normal(0, 0.1, (40, 16, 16))
    vectors = normalised(np.concatenate([bases, copies]))
    everywhere = np.argwhere(np.triu(vectors @ vectors.T >= 0.98, 1))
    assert len(everywhere) == 40
    assert sorted(map(tuple, candidate_pairs(vectors))) == sorted(map(tuple, everywhere))


def test_constant_nearly_constant_and_saturated_images_are_reported(cohort, pictures):
    clipped = np.where(pictures[0] > 127, 255, 0).astype(np.uint8)
    faint = (100 + np.arange(160 * 160).reshape(160, 160) % 5).astype(np.uint8)
    found = cohort([*pictures[2:], np.full((160, 160), 7, np.uint8), clipped, faint], [{}] * (N_IMAGES + 1))
    assert found["constant_images"].rows == (N_IMAGES,)
    assert found["saturated_images"].rows == (N_IMAGES + 1,)
    assert found["nearly_constant_images"].rows == (N_IMAGES + 2,)


def test_unknown_values_rows_left_out_and_patients_of_two_sexes_are_reported_with_their_rows(cohort, pictures):
    rows = [{} for _ in range(N_IMAGES)]
    rows[0], rows[1], rows[2] = {"age": ""}, {"sex": ""}, {"mass": ""}
    rows[3], rows[4] = {"patient_id": "both", "sex": "F"}, {"patient_id": "both", "sex": "M"}
    rows[5], rows[6] = {"mass": "7"}, {"age": "abc"}
    found = cohort(pictures, rows)
    assert (found["unknown_age"].rows, found["unknown_sex"].rows, found["unlabelled_images"].rows) == ((2, 8), (3,), (4,))
    assert found["ages_not_read"].rows == (8,)
    assert found["patients_with_two_sexes"].groups == ((5, 6),)
    assert found["rows_left_out"].rows == (7,)


def test_patients_in_two_parts_are_reported_with_all_their_rows(cohort, pictures):
    rows = [{"split": "train"} for _ in range(N_IMAGES)]
    rows[3] |= {"patient_id": "both"}
    rows[9] |= {"patient_id": "both", "split": "test"}
    rows[10] |= {"split": "test"}
    found = cohort(pictures, rows)
    assert found["patients_in_two_splits"].groups == ((5, 11),)


def test_a_finding_too_rare_in_a_subgroup_is_reported_with_the_subgroup(cohort, pictures):
    rows = [{"split": "test" if i % 2 else "train", "mass": i % 4 // 2, "sex": "M" if i < 20 else "F"} for i in range(N_IMAGES)]
    rows += [{"split": "test", "mass": 0, "sex": "other", "image": "0.png", "age": 85}] * 3
    found = cohort(pictures, rows)
    assert found["rare_in_subgroup"].sentence.endswith("without it: Other, 80+ years.")
    assert found["rare_in_subgroup"].rows == (42, 43, 44)


def test_a_finding_too_rare_in_the_test_patients_is_reported(cohort, pictures):
    # 12 of 40 images have it, enough for `rare_finding`; but of the test patients 3 have it, too few to evaluate on.
    found = cohort(pictures, in_ten_test_patients(lambda i: i < 6 or i >= 34))
    assert found["rare_in_test"].sentence.startswith("Mass cannot be evaluated, whatever is trained: it is present in 3 test patients and")
    assert found["rare_in_test"].count == 3 and "rare_finding" not in found


def test_a_finding_in_five_of_ten_test_patients_can_be_evaluated(cohort, pictures):
    assert "rare_in_test" not in cohort(pictures, in_ten_test_patients(lambda i: i < 10 or i >= 30))


def in_ten_test_patients(has_mass):
    """Rows of patients with two images each, the first ten of them test patients."""
    return [{"split": "test" if i < 20 else "train", "mass": int(has_mass(i)), "patient_id": f"p{i // 2}"} for i in range(N_IMAGES)]


def inputs_of(thumbnails, labels, patients):
    n = len(thumbnails)
    cases = pd.DataFrame({"patient_id": patients, "age": 50.0, "sex": "female", "split": None, "mass": labels})
    measured = PixelMeasures(thumbnails, np.full(n, 255, np.uint8), np.zeros(n, np.float32))
    return ValidationInputs(cases, ("mass",), (), np.arange(n), np.zeros((n, 32), np.uint8), np.full(n, "train"), None, measured)


def test_flipped_labels_are_found_by_similar_images():
    """Two classes of images with 5 % of the labels flipped: most flipped labels are named, and few others."""
    rng = np.random.default_rng(1)
    truth = rng.random(600) < 0.4
    prototypes = rng.normal(size=(2, 16, 16))
    thumbnails = np.clip(128 + 30 * (prototypes[truth.astype(int)] + rng.normal(0, 1.5, (600, 16, 16))), 0, 255).astype(np.uint8)
    flipped = rng.random(600) < 0.05
    labels = (truth ^ flipped).astype(np.float32)
    inputs = inputs_of(thumbnails, labels, [f"p{i}" for i in range(600)])
    estimate = neighbour_estimates(inputs, labels[:, None])[:, 0]
    named = candidates(estimate, labels)
    assert named[flipped].mean() > 0.9
    assert named[~flipped].mean() < 0.05


def test_similar_images_of_the_same_patient_are_not_used():
    rng = np.random.default_rng(2)
    thumbnails = np.repeat(rng.integers(0, 256, (100, 16, 16), dtype=np.uint8), 5, axis=0)
    labels = np.repeat(rng.integers(0, 2, 100), 5).astype(np.float32)
    inputs = inputs_of(thumbnails, labels, np.repeat([f"p{i}" for i in range(100)], 5))
    assert abs(separation(neighbour_estimates(inputs, labels[:, None])[:, 0], labels) - 0.5) < 0.1


@pytest.mark.real
def test_pneumoniamnist_repeats_17_training_images_and_shares_8_with_validation(real_cohorts, store):
    request = ImportRequest(real_cohorts / "pneumoniamnist" / "pneumoniamnist.npz")
    report = import_source(store, "pneumonia", open_source("medmnist", request), workers=0)
    counts = {check.name: check.count for check in report.checks}
    assert counts["identical_images_in_train"] == 17
    assert counts["identical_images_in_validation_and_train"] == 8
    assert "identical_images_in_test_and_train" not in counts
    assert "near_identical_images_across_patients" not in counts, SAME_CORRELATION
    assert all(set(asdict(check)) for check in report.checks)
