"""Takes each guard of the privacy promise out, by hand, in a copy of the source tree, and asks whether a test notices.

A guard whose removal no test notices is a guard that the next change may remove. First the tests run on an untouched copy, where all of
them must pass; then once for each guard, where one must fail. `docs/privacy.md` lists guards and tests.
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
"""At the top of the tree and in its data folder: what the tests do not need."""
PASSED, FAILED = 0, 1
"""Exit statuses of pytest where tests ran."""


@dataclass(frozen=True)
class Guard:
    """One guard and how it is taken out.

    Attributes:
        guard: what it sees to, in words.
        file: where it stands.
        edits: each (text, what stands there without the guard).
        tests: where a test must fail.
    """

    guard: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]


ALONE = "Units(torch.arange(len({0})), len({0}))"
STEP, LOOP, HEAD = "dpmed_core/training/dpsgd/stepper.py", "dpmed_core/training/loop.py", "dpmed_core/training/recipes/linear_head.py"
GUARDS = (
    Guard(
        "a unit's images, or views of one, are averaged before it is clipped (network)",
        STEP,
        (
            ("return self._gradients(images, units)", f"return self._gradients(images, {ALONE.format('images')})"),
            ("clipped_sums(units, lambda", f"clipped_sums({ALONE.format('losses')}, lambda"),
        ),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "a unit's images, or views of one, are averaged before it is clipped (head)",
        HEAD,
        (("np.triu_indices(size)", "np.diag_indices(size)"),),
        ("tests/training/recipes/test_linear_head.py",),
    ),
    Guard(
        "a volume's slices belong to its patient's gradient",
        "dpmed_core/training/dpsgd/convolution.py",
        (("[_weight_gradient(layer, x, g) for x, g in parts]", "[_weight_gradient(layer, x[:1], g[:1]) for x, g in parts]"),),
        ("tests/training/dpsgd/test_unit_gradients.py", "tests/training/recipes/test_networks.py"),
    ),
    Guard(
        "a unit whose gradient is not finite counts as zero (network)",
        STEP,
        (("return torch.where(torch.isfinite(norms), factors, 0)", "return factors"),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "an image that is not finite counts as zero (head)",
        HEAD,
        (("usable = np.isfinite(squares) & (squares > 0)", "usable = squares != 0"),),
        ("tests/training/recipes/test_linear_head.py",),
    ),
    Guard(
        "residuals are evened over findings before their unit is clipped (head)",
        HEAD,
        (
            ("        residuals *= even\n", ""),
            (
                "        if settings.max_grad_norm is not None:\n            total +=",
                "        total *= even\n        if settings.max_grad_norm is not None:\n            total +=",
            ),
        ),
        ("tests/training/recipes/test_linear_head.py",),
    ),
    Guard(
        "an empty sample takes its noise step",
        LOOP,
        (("    chosen = [_chosen_films", "    if not len(sampled):\n        return\n    chosen = [_chosen_films"),),
        ("tests/training/test_loop.py",),
    ),
    Guard(
        "batch normalisation is refused",
        STEP,
        (("        refuse_mixing_layers(model)\n", ""),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "without bound and noise, private and plain steps are one (the twin's constant)",
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
        "the order of files alters no run_id",
        "dpmed_core/cohort/intake/canonical_order.py",
        (('cases.sort_values(["patient_id", "case_id"])', "cases"),),
        ("tests/cohort/intake/test_importer.py",),
    ),
    Guard(
        "an encoder is public data's, and its card says which",
        "dpmed_core/training/encoders/card.py",
        (('if facts.get("public") is not True or not facts.get("data"):', "if False:"),),
        ("tests/training/encoders/test_features.py",),
    ),
    Guard(
        "the encoder's phantoms have other numbers than the demo's",
        "dpmed_core/phantoms/chest/population.py",
        (('"encoder": 77_010_500}', '"encoder": 20_240_300}'),),
        ("tests/phantoms/test_chest.py",),
    ),
    Guard(
        "the CT encoder's phantoms have other numbers than the demo's",
        "dpmed_core/phantoms/abdomen/population.py",
        (('"encoder": 81_170_330}', '"encoder": 20_240_462}'),),
        ("tests/phantoms/test_chest.py",),
    ),
    Guard(
        "the page of a synthetic cohort says whom it flatters",
        "widgets/cohort.py",
        (("They flatter {_flattered(cohort)}, whose ", "Of {_flattered(cohort)} the "),),
        ("tests/pages/test_pages.py",),
    ),
    Guard(
        "unknown labels are normalised within the unit",
        LOOP,
        (("known / units.sums(known)[units.of_film].clamp(min=1)", "known / known.sum(0).clamp(min=1)"),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "noise of the planned size is added at every step",
        STEP,
        (("                noise_multiplier=self.noise_multiplier,\n", "                noise_multiplier=self.noise_multiplier / 2,\n"),),
        ("tests/training/dpsgd/test_stepper.py",),
    ),
    Guard(
        "units enter by chance, each by itself",
        LOOP,
        (("random.bernoulli(settings.sample_rate, len(own))", "slice(0, round(settings.sample_rate * len(own)))"),),
        ("tests/training/test_loop.py",),
    ),
)


def rows() -> list[dict[str, object]]:
    """Each guard, and whether a test failed without it; the first row is the untouched tree."""
    files = sorted({test for guard in GUARDS for test in guard.tests})
    whole = {"guard": "none taken out", "noticed": _status(ROOT, (), files) == FAILED, "tests": " ".join(files)}
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
            assert text in source, f"{file} no longer holds {text!r}: tell this benchmark where the guard stands now."
            path.write_text(source.replace(text, replacement))
        command = [sys.executable, "-m", "pytest", *tests, "-x", "-q", "-p", "no:cacheprovider"]
        ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        assert ended.returncode in (PASSED, FAILED), ended.stdout[-2000:] + ended.stderr[-2000:]
        return ended.returncode
