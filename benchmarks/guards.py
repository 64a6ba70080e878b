"""Removes each guard of the privacy guarantee, one at a time, in a copy of the source tree, and checks whether a test fails.

A guard whose removal no test detects could be lost with the next change. First the tests run on an unchanged copy, where all must pass;
then once per guard, where one must fail. `docs/privacy.md` lists guards and tests.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {".git", ".venv", "cohorts", "runs", "node_modules"}
"""Not copied, at the top of the tree and in its data folder: the tests do not need it."""
PASSED, FAILED = 0, 1
"""Exit statuses of pytest when tests ran."""


@dataclass(frozen=True)
class Guard:
    """One guard and how to remove it.

    Attributes:
        guard: what it ensures, in words.
        file: the file that holds it.
        edits: pairs of the text in the file and its replacement without the guard.
        tests: files in one of which a test must fail without the guard.
    """

    guard: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]


ONE_IMAGE_UNITS = "Units(torch.arange(len({0})), len({0}))"
"""Code that makes every image a unit of its own."""
STEP, LOOP, HEAD = "dpmed_core/training/dpsgd/stepper.py", "dpmed_core/training/loop.py", "dpmed_core/training/recipes/linear_head.py"
GUARDS = (
    Guard(
        "a unit is clipped once, over all of its images (network)",
        STEP,
        (
            ("return self._gradients(images, units)", f"return self._gradients(images, {ONE_IMAGE_UNITS.format('images')})"),
            ("clipped_sums(units, lambda", f"clipped_sums({ONE_IMAGE_UNITS.format('losses')}, lambda"),
        ),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "a unit is clipped once, over all of its images (head)",
        HEAD,
        (("np.triu_indices(size)", "np.diag_indices(size)"),),
        ("tests/training/recipes/test_linear_head.py",),
    ),
    Guard(
        "rounding cannot carry a contribution beyond the bound (network)",
        "dpmed_core/training/dpsgd/unit_gradients.py",
        (("return contributions, norms + rounding", "return contributions, norms"),),
        ("tests/training/dpsgd/test_contribution_bound.py",),
    ),
    Guard(
        "rounding cannot carry a contribution beyond the bound (head)",
        "dpmed_core/training/recipes/head_rounding.py",
        (("in_double = single > LARGEST_LOSS * norms", "single, in_double = 0 * single, single < 0"),),
        ("tests/training/dpsgd/test_contribution_bound.py",),
    ),
    Guard(
        "all slices of a volume count in its patient's gradient",
        "dpmed_core/training/dpsgd/convolution.py",
        (("[_weight_gradient(layer, x, g) for x, g in parts]", "[_weight_gradient(layer, x[:1], g[:1]) for x, g in parts]"),),
        ("tests/training/dpsgd/test_unit_gradients.py", "tests/training/recipes/test_networks.py"),
    ),
    Guard(
        "a unit whose gradient is not finite contributes zero (network)",
        STEP,
        (("return torch.where(torch.isfinite(norms), factors, 0)", "return factors"),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "an image whose features are not finite counts as zero (head)",
        "dpmed_core/training/encoders/components.py",
        (("usable = np.isfinite(squares) & (squares > 0)", "usable = squares != 0"),),
        ("tests/training/recipes/test_linear_head.py",),
    ),
    Guard(
        "residuals are weighted by finding before their unit is clipped (head)",
        HEAD,
        (
            ("        residuals *= balance  #", "        #"),
            (
                "        if settings.max_grad_norm is not None:\n",
                "        total *= balance\n        if settings.max_grad_norm is not None:\n",
            ),
        ),
        ("tests/training/recipes/test_linear_head.py",),
    ),
    Guard(
        "an empty sample takes its noise step",
        LOOP,
        (("    chosen = [_sample_images", "    if not len(sampled):\n        return\n    chosen = [_sample_images"),),
        ("tests/training/test_loop.py",),
    ),
    Guard(
        "batch normalisation is refused",
        STEP,
        (("        refuse_mixing_layers(model)\n", ""),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "private and non-private steps divide by the same constant",
        STEP,
        (("(losses.sum() / self._expected_units)", "losses.mean()"),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "the private step divides by a constant",
        STEP,
        (("            parameter.grad.div_(expected_units)\n", ""),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "the order of files does not change a run_id",
        "dpmed_core/cohort/intake/canonical_order.py",
        (('cases.sort_values(["patient_id", "case_id"])', "cases"),),
        ("tests/cohort/intake/test_importer.py",),
    ),
    Guard(
        "an encoder is refused unless its card says which public data it was trained on",
        "dpmed_core/training/encoders/card.py",
        (('if facts.get("public") is not True or not facts.get("data"):', "if False:"),),
        ("tests/training/encoders/test_features.py",),
    ),
    Guard(
        "the radiograph encoder's phantoms have other random numbers than the demo's",
        "dpmed_core/phantoms/chest/population.py",
        (('"encoder": 77_010_500}', '"encoder": 20_240_300}'),),
        ("tests/phantoms/test_chest.py",),
    ),
    Guard(
        "the CT encoder's phantoms have other random numbers than the demo's",
        "dpmed_core/phantoms/abdomen/population.py",
        (('"encoder": 81_170_330,', '"encoder": 20_240_462,'),),
        ("tests/phantoms/test_chest.py",),
    ),
    Guard(
        "the start at the phantoms is centred on synthetic images",
        "dpmed_core/training/starts/phantom_start.py",
        (
            (
                "np.where(known, of_finding, 0) - self.middle)",
                "np.where(known, of_finding, 0) - np.where(known, of_finding, 0).mean(axis=0))",
            ),
        ),
        ("tests/training/starts/test_phantom_start.py",),
    ),
    Guard(
        "a start is checked on no patient who is trained on",
        "dpmed_core/evaluation/planning/start_check.py",
        (("for part in parts if part is not Part.TRAIN]", "for part in parts]"),),
        ("tests/evaluation/planning/test_start_check.py",),
    ),
    Guard(
        "the page of a synthetic cohort says which models it favours",
        "widgets/cohort.py",
        (("They favour {_recipes_on_encoder(cohort)}, ", "{_recipes_on_encoder(cohort)}: "),),
        ("tests/pages/test_pages.py",),
    ),
    Guard(
        "unknown labels are normalised within the unit",
        LOOP,
        (("known / units.sums(known)[units.of_image].clamp(min=1)", "known / known.sum(0).clamp(min=1)"),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "noise of the planned size is added at every step",
        STEP,
        (("                noise_multiplier=self.noise_multiplier,\n", "                noise_multiplier=self.noise_multiplier / 2,\n"),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "units are sampled at random, each independently",
        LOOP,
        (("random.bernoulli(settings.sample_rate, len(own))", "slice(0, round(settings.sample_rate * len(own)))"),),
        ("tests/training/test_loop.py",),
    ),
)


def rows() -> list[dict[str, object]]:
    """Each guard, and whether a test failed without it; the first row is the unchanged tree."""
    files = sorted({test for guard in GUARDS for test in guard.tests})
    whole = {"guard": "none removed", "noticed": _status(ROOT, (), files) == FAILED, "tests": " ".join(files)}
    return [whole, *({"guard": g.guard, "noticed": noticed(g), "tests": " ".join(g.tests)} for g in GUARDS)]


def noticed(guard: Guard) -> bool:
    """Whether a test of `guard` fails in a tree without it."""
    return _status(ROOT, [(guard.file, *edit) for edit in guard.edits], guard.tests) == FAILED


def _status(root: Path, edits: Sequence[tuple[str, str, str]], tests: Sequence[str]) -> int:
    """Exit status of `tests` in a copy of `root` with `edits` (file, text, replacement): `PASSED` or `FAILED`."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=lambda at, _: LEFT_OUT if Path(at) in (root, root / "data") else set(), symlinks=True)
        for file, text, replacement in edits:
            path = copy / file
            source = path.read_text()
            assert text in source, f"{file} no longer contains {text!r}: update the edits of this guard."
            path.write_text(source.replace(text, replacement))
        command = [sys.executable, "-m", "pytest", *tests, "-x", "-q", "-p", "no:cacheprovider"]
        ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert ended.returncode in (PASSED, FAILED), ended.stdout[-2000:] + ended.stderr[-2000:]
        return ended.returncode
