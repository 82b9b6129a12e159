"""The figures: one module each; ``make(sources)`` returns what it drew."""
