"""The ablation's claims: their targets against what was measured."""
