"""From canonical cases to slices on a matrix, and back to the native grid."""
