"""MedMNIST: the arrays of a published .npz, in miniature."""

import numpy as np
import pytest

from dpmed_core.cohort.intake.importer import import_source
from dpmed_core.cohort.schema import Part
from dpmed_core.cohort.sources.medmnist import read_medmnist
from dpmed_core.errors import CohortError

SIZES = {"train": 12, "val": 4, "test": 5}


@pytest.fixture
def write_npz(tmp_path):
    """A function that writes a file in MedMNIST's layout with so many columns of labels and classes."""

    def write(name, *, side=28, channels=None, columns=1, classes=2, save=np.savez_compressed, **changes):
        rng, arrays = np.random.default_rng(0), {}
        for part, count in SIZES.items():
            shape = (count, side, side) if channels is None else (count, side, side, channels)
            arrays[f"{part}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
            arrays[f"{part}_labels"] = rng.integers(0, classes, (count, columns), dtype=np.uint8)
        path = tmp_path / f"{name}.npz"
        save(path, **{**arrays, **changes})
        return path, arrays

    return write


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_labels_and_parts_are_those_of_the_file(store, write_npz, save):
    path, arrays = write_npz("pneumoniamnist_128", side=128, save=save)
    report = import_source(store, "images", read_medmnist(path))
    cohort = store.load("images")
    assert report.n_imported == report.n_patients == 21 and not cohort.patients_known
    assert cohort.findings == ("pneumonia",) and cohort.has_own_split
    stored = {image.tobytes(): case for image, case in zip(cohort.images, cohort.cases.itertuples(), strict=True)}
    for part, stored_part in zip(SIZES, (Part.TRAIN, Part.VALIDATION, Part.TEST), strict=True):
        for pixels, label in zip(arrays[f"{part}_images"], arrays[f"{part}_labels"], strict=True):
            case = stored[pixels.tobytes()]
            assert case.pneumonia == label.item() and case.split == stored_part


def test_small_images_are_enlarged_and_the_report_says_so(store, write_npz):
    report = import_source(store, "images", read_medmnist(write_npz("pneumoniamnist")[0]))
    warnings = " ".join(report.warnings)
    assert "28 x 28 pixels and are stored with 128 x 128 pixels, enlarged" in warnings
    assert "the privacy guarantee holds for single images only" in warnings
    assert store.load("images").images.shape == (21, 128, 128)


def test_several_classes_become_one_finding_each(write_npz):
    path, arrays = write_npz("octmnist", classes=4)
    source = read_medmnist(path)
    assert source.findings == ("choroidal_neovascularisation", "macular_oedema", "drusen", "normal")
    for row, label in zip(source.rows, arrays["train_labels"], strict=False):
        assert list(row.values.values()) == [float(label.item() == number) for number in range(4)]


def test_several_labels_are_kept(write_npz):
    path, arrays = write_npz("chestmnist_64", side=64, columns=14)
    source = read_medmnist(path, findings=("hernia", "mass"))
    assert source.findings == ("hernia", "mass")
    assert [list(row.values.values()) for row in source.rows[:12]] == arrays["train_labels"][:, [13, 4]].tolist()


def test_of_two_classes_the_disease_is_the_finding(write_npz):
    path, arrays = write_npz("breastmnist")
    source = read_medmnist(path)
    assert source.findings == ("malignant",)
    assert [row.values["malignant"] for row in source.rows[:12]] == (1 - arrays["train_labels"][:, 0].astype(int)).tolist()


def test_a_file_with_an_unknown_name_gets_the_given_names_of_classes(write_npz):
    assert read_medmnist(write_npz("ours", classes=3)[0]).findings == ("class_0", "class_1", "class_2")
    assert read_medmnist(write_npz("ours", classes=3)[0], findings=("a", "b", "c")).findings == ("a", "b", "c")
    assert read_medmnist(write_npz("ours")[0], findings=("disease",)).findings == ("disease",)


def test_colour_becomes_luminance(store, write_npz):
    path, arrays = write_npz("dermamnist_128", side=128, channels=3, classes=7)
    report = import_source(store, "images", read_medmnist(path))
    assert any("luminance" in warning for warning in report.warnings)
    weights = arrays["train_images"][0] @ np.array([0.299, 0.587, 0.114])
    assert min(np.abs(image - weights).max() for image in store.load("images").images.astype(float)) <= 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"train_images": np.array([{"any": "object"}], dtype=object)}, "Python objects"),
        ({"val_images": np.zeros((4, 28, 28, 28), np.uint8)}, "two-dimensional"),
        ({"val_images": np.zeros((4, 28, 28), np.float32)}, "8-bit"),
        ({"val_labels": np.zeros((3, 1), np.uint8)}, "do not fit"),
        ({"test_labels": np.array([["a"]] * 5)}, "do not fit"),
        ({"test_labels": np.full((5, 1), -1)}, "negative"),
    ],
)
def test_another_layout_is_refused(write_npz, change, reason):
    with pytest.raises(CohortError, match=reason):
        read_medmnist(write_npz("pneumoniamnist", **change)[0])


def test_an_unknown_finding_is_refused_with_the_known_ones(write_npz):
    with pytest.raises(CohortError, match="no finding 'mass': it has normal, pneumonia"):
        read_medmnist(write_npz("pneumoniamnist")[0], findings=("mass",))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(write_npz, share):
    path, _ = write_npz("pneumoniamnist")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CohortError, match="cannot be read"):
        read_medmnist(path)


@pytest.mark.real
def test_the_real_file_is_imported_completely(store, real_cohorts):
    source = read_medmnist(real_cohorts / "pneumoniamnist" / "pneumoniamnist.npz")
    report = import_source(store, "images", source)
    cohort = store.load("images")
    assert (report.n_imported, report.n_patients) == (5030, 5030)
    assert cohort.cases["split"].value_counts().to_dict() == {"train": 3882, "test": 624, "validation": 524}
    assert int(cohort.cases["pneumonia"].sum()) == 3494 + 389 + 390
