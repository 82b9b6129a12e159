"""What label masks alone say of windows: boxes, coverage, ceilings, agreement."""
