"""Public cohorts, fetched on request: resumable, checked, with their licence accepted.

Nothing here runs unless it is asked for by ``deeprac cohort fetch``.
"""
