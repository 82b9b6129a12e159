"""Training: thin nnUNetTrainer subclasses, losses of the localiser, measured cost."""
