"""What privacy costs over repeated random splits of the patients, where a small cohort was trained on several."""

import pandas as pd
import streamlit as st

from dpmed_core.cohort.display_names import finding_title
from dpmed_core.cohort.schema import Cohort
from dpmed_core.evaluation.planning.plan_sentences import accountant_of
from dpmed_core.evaluation.scores.arms import SAMPLED_ALIKE, START_ALONE
from dpmed_core.evaluation.scores.load_scores import read_scores
from dpmed_core.evaluation.scores.scored_runs import splits_with_runs
from dpmed_core.evaluation.tables.over_splits import over_splits
from dpmed_core.foreign_text import plain
from dpmed_core.phrases import counted, delta_text
from dpmed_core.runs.status import RunState
from widgets.choices import Choices
from widgets.lookup import installation, runs_of
from widgets.tables import MOST_KEPT, Finished, key_of_runs

REFERENCES = {SAMPLED_ALIKE: "without privacy", START_ALONE: "the public start alone"}
EXPLAINED = (
    "Mean over the splits, with the corrected resampled t interval (Nadeau & Bengio 2003). The figures above are of the first split alone, "
    "since one split's test patients are another's training patients. Each split was a spend of its own, and counts in the total."
)


def show_random_splits(cohort: Cohort, choices: Choices, margin: float) -> None:
    """Show private AUROC minus that without privacy, and minus the public start's, over the splits; nothing where there is one.

    Args:
        cohort: whose runs.
        choices: of the page.
        margin: the loss that is still acceptable.
    """
    if len({status.spec.split_seed for status in runs_of(cohort)}) < 2:
        return  # asked first: reading the scores of every split takes time
    finished = key_of_runs(status for status in runs_of(cohort) if status.state == RunState.FINISHED)
    table = _over_splits(cohort.fingerprint, finished, choices.recipe, choices.start, margin, _cohort=cohort)
    table = table[(table["unit"] == choices.unit) & table["finding"].isin(list(cohort.findings))]
    if table.empty:
        return
    st.header("Over random splits")
    n_splits = len(splits_with_runs(installation().runs, cohort, recipe=choices.recipe, start=choices.start))
    known = table[table["reason"] == ""]
    st.markdown(f"The patients were split anew {counted(n_splits, 'time', 'times')}, and models were trained on each split.")
    st.dataframe(_in_words(table), hide_index=True)
    if len(known):
        deltas = " or ".join(sorted({delta_text(delta) for delta in known["delta"] if delta > 0}))
        guarantee = f"ε at δ = {deltas} for each {choices.unit} and each model alone ({accountant_of(str(choices.recipe))})"
        st.caption(f"{plain(guarantee)}. Margin: {margin:g} of AUROC. {EXPLAINED}")


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def _over_splits(
    fingerprint: str, finished: Finished, recipe: str | None, start: str | None, margin: float, _cohort: Cohort
) -> pd.DataFrame:
    del fingerprint, finished  # they are the cache key: Streamlit leaves out arguments with an underscore
    runs = installation().runs
    seeds = splits_with_runs(runs, _cohort, recipe=recipe, start=start)
    return over_splits(lambda seed: read_scores(runs, _cohort, recipe=recipe, split_seed=seed, start=start), seeds, margin=margin)


def _in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `over_splits` for a page."""
    return pd.DataFrame(
        {
            "Finding": table["finding"].map(finding_title),
            "ε": table["epsilon"].map("{:g}".format),
            "Splits": table["n_splits"],
            "AUROC, private": table["auroc"].map(_digits),
            "Compared with": table["reference"].map(REFERENCES),
            "AUROC, that": table["auroc_reference"].map(_digits),
            "Difference (95 % interval)": [
                f"{d:+.3f} ({low:+.3f} to {high:+.3f})" if pd.notna(d) else f"not estimable: {reason}"
                for d, low, high, reason in table[["difference", "difference_low", "difference_high", "reason"]].itertuples(index=False)
            ],
            "Verdict": table["verdict"],
        }
    )


def _digits(value: float) -> str:
    return f"{value:.3f}" if pd.notna(value) else "–"
