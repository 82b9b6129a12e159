"""Which commit trained what: arms with their seeds, none twice and none lost."""

from deeprac.release.parts import parts_of, parts_text

A, B = "a" * 40, "b" * 40


def run(commit, experiment, seed, fold=0):
    git = {"commit": commit, "dirty": False}
    return {"git": git, "experiment": experiment, "seed": seed, "fold": fold}


def test_arms_of_a_commit_with_the_same_seeds_are_one_part():
    runs = [
        *(
            run(A, arm, seed, fold)
            for arm in "xy"
            for seed in (0, 1)
            for fold in (0, 1)
        ),
        *(run(B, "z", seed) for seed in (0, 1)),
        # An arm that was given more seeds later.
        run(B, "x", 2),
    ]
    assert parts_of(runs) == [
        {"commit": A, "experiments": ["x", "y"], "seeds": [0, 1]},
        {"commit": B, "experiments": ["z"], "seeds": [0, 1]},
        {"commit": B, "experiments": ["x"], "seeds": [2]},
    ]


def test_several_commits_are_named_and_one_is_no_news():
    parts = parts_of([run(A, "x", 0), run(B, "x", 1)])
    assert parts_text(parts).splitlines() == [
        f"    {A[:12]}: x; seeds 0",
        f"    {B[:12]}: x; seeds 1",
    ]
    assert parts_text(parts[:1]) == ""
    assert parts_text(()) == ""
