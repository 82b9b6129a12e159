"""Inference: trained runs applied to whole cases, back on their native grid."""
