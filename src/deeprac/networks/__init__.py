"""Networks: nnU-Net's U-Net and the Spatial Transformer front ends around it."""
