"""Public starts of an installation: made from a cohort whose data are public, and chosen for a cohort that is to be protected."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpmed_core.cohort.facts import IMAGES
from dpmed_core.cohort.persons import pixel_digests
from dpmed_core.cohort.schema import Cohort, Part
from dpmed_core.cohort.split import DEFAULT_SPLIT_SEED, assign_parts
from dpmed_core.errors import SpecError
from dpmed_core.evaluation.planning.start_check import rows_to_check, start_check
from dpmed_core.evaluation.scores.scored_runs import finished_runs
from dpmed_core.imaging.modality import Modality
from dpmed_core.installation import Installation
from dpmed_core.people.roles import Action
from dpmed_core.runs.status import OPEN_STATES, RunState
from dpmed_core.training.encoders.card import read_card
from dpmed_core.training.encoders.features import public_features
from dpmed_core.training.encoders.joined_features import joined_are_cached
from dpmed_core.training.encoders.phantom_outputs import public_outputs
from dpmed_core.training.recipes.catalogue import PROBE, recipe_card, require_modality, require_takes_start
from dpmed_core.training.recipes.public_images import OnPublicImages
from dpmed_core.training.recipes.train_public_head import train_public_head
from dpmed_core.training.spec import StartChoice
from dpmed_core.training.starts.choosing import choose_start, offered, refuse_overlap
from dpmed_core.training.starts.phantom_start import begins_at_phantoms
from dpmed_core.training.starts.public_head import PublicHead
from dpmed_core.training.starts.public_network import PublicNetwork
from dpmed_core.training.starts.seen import Seen, seen_of
from dpmed_core.training.starts.start_card import StartCard

LONGEST_TEXT = 500
"""Characters of the source and of the licence."""


def make_start(
    installation: Installation,
    cohort_name: str,
    name: str,
    *,
    source: str,
    licence: str,
    recipe: str = PROBE.name,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> StartCard:
    """Train a head or a network on the labelled images of a public cohort, without privacy, and store it as start `name`.

    Args:
        installation: where the cohort is, and where the start is stored.
        cohort_name: of the public cohort.
        name: of the start.
        source: where the images are from; with the licence, the statement that they are public.
        licence: under which they are public.
        recipe: whose models are to begin there: `probe` for a head, which takes seconds, or a network's, which takes minutes for thousands
            of images and hours for a hundred thousand, and begins anew where it was interrupted.
        progress: told how many steps of a network's training are done.

    Raises:
        SpecError: source or licence is empty or too long, the name or the recipe cannot be used, or nothing can be learnt from the cohort.
        CohortError: there is no such cohort.
        NotAllowedError: whoever asks may not train.
    """
    installation.actor.require(Action.TRAIN, f"start from {cohort_name}")
    for what, text in (("source", source), ("licence", licence)):
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise SpecError(f"Say in 1 to {LONGEST_TEXT} characters what the {what} of the public images is (--{what}).")
    installation.starts.require_free(name)
    require_takes_start(recipe_card(recipe))
    cohort = installation.cohorts.load(cohort_name)
    require_modality(recipe_card(recipe), cohort.modality)
    start, told = _trained(installation, cohort, recipe, progress)
    card = StartCard(
        name=name,
        modality=cohort.modality,
        source=source.strip(),
        licence=licence.strip(),
        synthetic=cohort.synthetic,
        findings=tuple(told),
        auroc=tuple(one.auroc for one in told.values()),
        n_positive=tuple(one.n_positive for one in told.values()),
        n_patients=int(cohort.cases["patient_id"].nunique()),
        n_images=len(cohort.cases),
        patients_known=cohort.patients_known,
        encoder=_stands_on(installation, recipe, cohort.modality),
        public=True,
        digest="",
        recipe=recipe,
    )
    return installation.starts.add(card, start, _seen(installation, cohort))


def _trained(
    installation: Installation, cohort: Cohort, recipe: str, progress: Callable[[int, int], None]
) -> tuple[PublicHead | PublicNetwork, Mapping[str, OnPublicImages]]:
    """What is trained on the images of a public cohort, and how it does on those that it was not trained on."""
    encoders_dir = installation.settings.encoders_dir
    if recipe == PROBE.name:
        features = public_features(cohort, features_dir=installation.cohorts.features_dir(cohort.name), encoders_dir=encoders_dir)
        return train_public_head(cohort, features)
    from dpmed_core.training.recipes.train_public_network import train_public_network  # loads torch

    return train_public_network(cohort, recipe, encoders_dir=encoders_dir, progress=progress)


def start_for(
    installation: Installation, cohort: Cohort, name: str, given: Mapping[str, str] | None = None, *, recipe: str | None = None
) -> StartChoice:
    """Start `name` for runs on `cohort`.

    Args:
        installation: where both are.
        cohort: to be trained on.
        name: of the start.
        given: finding of the cohort -> finding of the start, "" to begin that one at 0; the others as `starts.choosing.offered` has it.
        recipe: of the runs; None for the start's own.

    Raises:
        SpecError: there is no such start, it does not fit, or it has seen any image or patient of the cohort.
        CohortError: the cohort's files are damaged.
    """
    card = installation.starts.card(name)
    recipe = recipe or card.recipe
    require_takes_start(recipe_card(recipe))
    mapped = {**offered(cohort, card), **(given or {})}
    choice = choose_start(card, cohort, mapped, recipe=recipe, encoder=_stands_on(installation, recipe, cohort.modality))
    if not begins_at_phantoms(choice):  # which have seen nobody
        refuse_overlap(card, installation.starts.seen(name), _seen(installation, cohort))
    return choice


def last_asked(installation: Installation, cohort: Cohort, name: str) -> StartChoice | None:
    """Start `name` as runs on `cohort` that are finished or waiting last asked for it; None where none did."""
    counts = (RunState.FINISHED, *OPEN_STATES)
    asked = [run.spec.start for run in installation.runs.of_cohort(cohort.fingerprint) if run.state in counts]
    return next((start for start in reversed(asked) if start and start.name == name), None)


def start_of_models(installation: Installation, cohort: Cohort, name: str, *, recipe: str) -> StartChoice | None:
    """Start `name` as the finished models that tables show began at it; None where there are none."""
    shown = finished_runs(installation.runs, cohort, recipe=recipe, start=name)
    return shown[-1].spec.start if shown else None


def parts_to_check(installation: Installation, cohort: Cohort, start: StartChoice) -> tuple[Part, ...]:
    """Whose patients may tell how a start does: the validation part's, and the test part's once the start alone was evaluated on them.

    Earlier, a start that was chosen by them would be judged by the same patients.
    """
    for run in installation.runs.of_cohort(cohort.fingerprint):
        spec, is_default = run.spec, run.spec.split_seed in (None, DEFAULT_SPLIT_SEED)
        if run.state is RunState.FINISHED and spec.start == start and is_default and spec.privacy and spec.privacy.learns_nothing:
            return Part.VALIDATION, Part.TEST
    return (Part.VALIDATION,)


def network_scores(
    installation: Installation, cohort: Cohort, name: str, parts: Sequence[Part] = (Part.VALIDATION,)
) -> NDArray[np.float64] | None:
    """What the network of start `name` gives held-out cases of a cohort, `[n_rows, findings of the start]`; None for the start of a head.

    Raises:
        SpecError: the start is gone or damaged.
    """
    start = installation.starts.load(name)
    if not isinstance(start, PublicNetwork):
        return None
    from dpmed_core.training.recipes.train_public_network import scores_of_start  # loads torch

    return scores_of_start(start, installation.starts.card(name).recipe, cohort, _rows_to_check(installation, cohort, parts))


def check_start(
    installation: Installation,
    cohort: Cohort,
    start: StartChoice,
    by: Sequence[str] = (),
    *,
    parts: Sequence[Part] = (Part.VALIDATION,),
    of_network: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """How a start does on held-out patients of a cohort, overall and by subgroup (`start_check`); computes features that are missing.

    Args:
        installation: where both are.
        cohort: whose patients.
        start: which findings begin where.
        by: attributes of the subgroups.
        parts: whose patients.
        of_network: from `network_scores` of the same cohort, start and parts; None to compute them where the start is a network's.

    Raises:
        SpecError: the start is gone or damaged.
        CohortError: there is no such attribute.
    """
    card = installation.starts.card(start.name)
    chosen = installation.starts.load(start.name).of(cohort.findings, start.findings, card.findings)
    rows = _rows_to_check(installation, cohort, parts)
    if isinstance(chosen, PublicNetwork):
        known = network_scores(installation, cohort, start.name, parts) if of_network is None else of_network
        assert known is not None  # of a network there are some
        taken = dict(start.findings)
        # Of a finding that begins at 0 the column is never read.
        scores = known[:, [card.findings.index(taken.get(finding, card.findings[0])) for finding in cohort.findings]]
    else:
        scores = chosen.own_features(features_for(installation, cohort, start)[rows])
    return start_check(scores, chosen.begins, cohort, rows, by)


def _rows_to_check(installation: Installation, cohort: Cohort, parts: Sequence[Part]) -> NDArray[np.intp]:
    return rows_to_check(assign_parts(cohort, seed=DEFAULT_SPLIT_SEED, key=installation.key), parts)


def features_for(installation: Installation, cohort: Cohort, start: StartChoice) -> NDArray[np.float32]:
    """The public features of a cohort that a start reads; computed where they are missing."""
    folders = {"features_dir": installation.cohorts.features_dir(cohort.name), "encoders_dir": installation.settings.encoders_dir}
    features = public_features(cohort, **folders)
    return np.concatenate([features, public_outputs(cohort, **folders)], axis=1) if begins_at_phantoms(start) else features


def features_are_there(installation: Installation, cohort: Cohort, start: StartChoice) -> bool:
    """Whether `check_start` has no features to compute first: a network reads images, and `features_for` may have them all."""
    if installation.starts.card(start.name).recipe != PROBE.name:
        return True
    folders = {"features_dir": installation.cohorts.features_dir(cohort.name), "encoders_dir": installation.settings.encoders_dir}
    return joined_are_cached(cohort.modality, None, **folders, with_outputs=begins_at_phantoms(start))


def _stands_on(installation: Installation, recipe: str, modality: Modality) -> str:
    """What a start for `recipe` must have been made for, as `StartCard.encoder` says it."""
    if recipe == PROBE.name:
        return read_card(installation.settings.encoders_dir, modality).digest
    return f"{recipe} {recipe_card(recipe).version}"


def _seen(installation: Installation, cohort: Cohort) -> Seen:
    """What a cohort is compared by: the pixels of its images, and its patients under the names that any cohort may know them by."""
    # Of finer radiographs those at 128 pixels: a cohort of the other side would share no image. A cohort of an earlier version has none.
    stored = cohort.image_digests if cohort.digests_at_128 is None else cohort.digests_at_128
    known = None if stored is None else (digest.tobytes() for digest in stored)
    digests = known or pixel_digests(installation.cohorts.folder(cohort.name) / IMAGES)
    persons = installation.cohorts.persons(cohort.name)
    return seen_of(digests, {*persons, *persons.values()}, key=installation.key)
