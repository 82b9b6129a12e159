"""The ablation's claims: their thresholds against what was measured."""
