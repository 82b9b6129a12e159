"""The first tab: what was claimed, whether it holds, and what failed."""

from deeprac.evaluation.gates import NOT_RECORDED, TRAINING, not_learned
from deeprac.reporting.budgets import tested
from deeprac.reporting.claims.collect import ClaimResult, cohort_claims
from deeprac.reporting.claims.render import answers, cells, outcome, tally
from deeprac.reporting.page.document import Answers, ClaimAnswer, Condition
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import identified


def page_answers(summary: Summary) -> Answers:
    """The verdict on every claim, and what failed or has not converged."""
    results = cohort_claims(summary)
    return Answers(
        tally=tally(results),
        claims=tuple(
            ClaimAnswer(
                one.claim, str(one.verdict), tuple(map(_condition, one.results))
            )
            for one in answers(results)
        ),
        trainings=trainings(summary),
        failed=failed_trainings(summary),
        unconverged=unconverged_methods(summary),
    )


def _condition(result: ClaimResult) -> Condition:
    quantity, whose, bound, value, n, seeds = cells(result)
    return Condition(
        quantity, whose, bound, value, n, seeds, str(result.verdict), outcome(result)
    )


def trainings(summary: Summary) -> str:
    """How many trainings did not learn a label, and what is known to have converged."""
    gates = summary.gates
    failed = not_learned(gates).groupby(list(TRAINING)).ngroups
    unknown = gates[gates.verdict == NOT_RECORDED].groupby(list(TRAINING)).ngroups
    text = f"{failed} of {len(summary.trained)} trainings did not learn a label"
    if unknown:
        text += f"; of {unknown} it is not recorded"
    known = tested(summary.budgets)
    of = f"for {known.experiment.nunique()} of {len(summary.rows)} experiments"
    if known.empty:
        of = "for no experiment"
    return f"{text}. Whether more steps would change the Dice was tested here {of}."


def failed_trainings(summary: Summary) -> tuple[str, ...]:
    """Each training and label that it did not learn, and how far it came."""
    failed = identified(not_learned(summary.gates), summary.rows)
    return tuple(
        f"{row.method_label} at {row.matrix_size}, seed {row.seed}, fold {row.fold}: "
        f"{row.reason}"
        for row in failed.itertuples()
    )


def unconverged_methods(summary: Summary) -> tuple[str, ...]:
    """Each method and label that a longer training of the cohort still changes."""
    rows = identified(summary.not_converged, summary.rows)
    return tuple(
        f"{row.method_label} at {row.matrix_size}: {row.label} {row.reason}"
        for row in rows.itertuples()
    )
