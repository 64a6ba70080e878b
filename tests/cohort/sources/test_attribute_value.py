"""Attributes from one value of a manifest's column."""

import numpy as np
import pytest
from PIL import Image

from dpmed_core.cohort.sources.manifest import read_manifest
from dpmed_core.errors import CohortError

TABLE = "image,patient_id,mass,copd,View,a=b\n1.png,p1,0,1,AP,1\n1.png,p2,1,0,pa,0\n1.png,p3,1,,,1\n1.png,p4,0,0, ap ,0\n"


@pytest.fixture
def read(tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "1.png")
    (tmp_path / "m.csv").write_text(TABLE)

    def named(*comorbidities):
        source = read_manifest(tmp_path / "m.csv", images_dir=None, findings=("mass",), comorbidities=comorbidities)
        return source.comorbidities, [[row.values[name] for name in source.comorbidities] for row in source.rows], source.notes

    return named


def test_one_value_of_a_column_is_an_attribute(read):
    names, values, _ = read("copd", "view=AP", "view=PA")
    assert names == ("copd", "view_ap", "view_pa")
    np.testing.assert_array_equal(values, [[1, 1, 0], [0, 0, 1], [np.nan, np.nan, np.nan], [0, 1, 0]])


def test_a_column_of_that_very_name_is_meant_first(read):
    assert read("a=b")[:2] == (("a=b",), [[1], [0], [1], [0]])


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("view=lateral",), "No row has 'lateral' in column 'view'"),
        (("projection=AP",), "no column 'projection'"),
        (("view=",), "names no column and value"),
        (("=AP",), "names no column and value"),
        (("view=AP", "view=ap"), "'view_ap' is named or occurs twice"),
    ],
)
def test_what_no_row_has_is_refused(read, named, message):
    with pytest.raises(CohortError, match=message):
        read(*named)
