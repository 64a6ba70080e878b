"""A measurement is kept and read back as it was; damage is named; what may be released is about nobody."""

import json

import numpy as np
import pytest

from dpmed_core.errors import CohortError
from dpmed_core.privacy.exposure.aggregates import EVERYBODY, aggregates
from dpmed_core.privacy.exposure.exposure_rows import Arm, exposure_rows
from dpmed_core.privacy.exposure.group_exposure import WITHHELD
from dpmed_core.privacy.exposure.measurement import FILE, Measurement, read_measurement, write_measurement
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit

OF = "fingerprint"
ARMS = [Arm(PrivacyUnit.PATIENT, None), Arm(PrivacyUnit.PATIENT, PrivacyTarget(1.0, 1e-5))]


@pytest.fixture
def measurement(images):
    drawn = np.arange(images.n_patients)
    members = {("sex", "female"): drawn < 15, ("sex", "male"): drawn >= 15, ("copd", "with"): drawn < 4, ("copd", "without"): drawn >= 4}
    rows, aucs = exposure_rows(images, ARMS, members, n_trainings=60, rng=np.random.default_rng(0))
    return Measurement("probe", 3, 0, 60, tuple(rows), aucs)


def test_a_measurement_is_read_back_as_it_was(measurement, tmp_path):
    assert read_measurement(tmp_path, fingerprint=OF) is None
    write_measurement(tmp_path, measurement, fingerprint=OF)
    found = read_measurement(tmp_path, fingerprint=OF)
    assert found.rows == measurement.rows and np.allclose(found.aucs, measurement.aucs, atol=1e-6)
    assert found.aucs.shape == (2, 40) and found.row("patient", 1.0, 1e-5).worst_auc == measurement.aucs[1].max()
    assert found.row("patient", 2.0, 1e-5) is None and found.at("patient", None, None) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace("0.5", "0.6", 1),
        lambda text: json.dumps({**{k: v for k, v in json.loads(text).items() if k != "seal"}, "aucs": [[0.5]]}),
        lambda text: json.dumps({**{k: v for k, v in json.loads(text).items() if k != "seal"}, "rows": [{}]}),
    ],
    ids=["emptied", "cut", "no object", "changed", "fewer patients", "no row"],
)
def test_damage_is_named_in_one_sentence(measurement, tmp_path, damage):
    write_measurement(tmp_path, measurement, fingerprint=OF)
    (tmp_path / FILE).write_text(damage((tmp_path / FILE).read_text()))
    with pytest.raises(CohortError, match=r"cannot be read.*[Mm]easure it again"):
        read_measurement(tmp_path, fingerprint=OF)


def test_another_cohorts_measurement_is_not_taken_for_ones_own(measurement, tmp_path):
    write_measurement(tmp_path, measurement, fingerprint="another")
    with pytest.raises(CohortError, match="another's"):
        read_measurement(tmp_path, fingerprint=OF)


def test_aggregates_tell_of_no_single_patient_and_of_no_small_cell(measurement):
    table = aggregates(measurement)
    assert len(table) == 2 * (1 + 4) and not [name for name in table.columns if "worst" in name]
    small = table[table["verdict"] == WITHHELD]
    assert set(small["attribute"]) == {"copd"} and small["n_patients"].isna().all() and small["mean_auc"].isna().all()
    for row, (_, line) in zip(measurement.rows, table[table["group"] == EVERYBODY].iterrows(), strict=True):
        n = round(row.share_nearly_certain * 40)
        shown = line["n_at_least_0.9"]
        assert np.isnan(shown) if n in (*range(1, 5), *range(36, 40)) else shown == n
