"""DeePRAC: nnU-Net with and without Spatial Transformer front ends on kidney CT."""

__version__ = "0.1.0"
