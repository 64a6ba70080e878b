"""A run's specification as text: optional fields that are not used stand in none, so that no earlier run changes its name."""

import json
from dataclasses import replace

from dpmed_core.training.result import RunResult
from dpmed_core.training.spec import PrivacyTarget, PrivacyUnit, RunSpec

SPEC = RunSpec("f" * 16, 0, "probe", 3, PrivacyUnit.PATIENT, PrivacyTarget(8, 1e-5), seed=2)
TEXT_BEFORE = (
    '{"cohort_fingerprint":"ffffffffffffffff","privacy":{"delta":1e-05,"epsilon":8.0},"recipe":"probe","recipe_version":3,"seed":2,'
    '"split_seed":0,"unit":"patient"}'
)
"""What versions without optional fields wrote."""


def test_a_run_without_optional_fields_has_the_text_of_earlier_versions():
    assert SPEC.canonical_json() == TEXT_BEFORE
    assert RunSpec.from_json(TEXT_BEFORE) == SPEC
    assert SPEC.to_fields() == json.loads(TEXT_BEFORE)


def test_an_optional_field_that_is_used_stands_in_the_text_and_is_read_back():
    joined = replace(SPEC, encoder="ab" * 32)
    assert json.loads(joined.canonical_json()) == {**json.loads(TEXT_BEFORE), "encoder": "ab" * 32}
    assert RunSpec.from_json(joined.canonical_json()) == joined


def test_a_result_holds_the_specification_as_its_text_does():
    result = RunResult(SPEC, None, 1.0, 2, 3, 4)
    assert result.to_fields()["spec"] == json.loads(TEXT_BEFORE)
    joined = replace(result, spec=replace(SPEC, encoder="ab" * 32))
    assert RunResult.from_fields(json.loads(json.dumps(joined.to_fields() | {"notes": []}))) == joined


def test_models_of_another_encoder_are_of_another_variant():
    variants = [replace(SPEC, encoder=encoder).variant for encoder in (None, "ab" * 32, "cd" * 32)]
    assert variants == ["probe", "probe+encoder-abababababab", "probe+encoder-cdcdcdcdcdcd"]
