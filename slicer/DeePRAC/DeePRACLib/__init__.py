"""What the module does without Slicer: settings, command, run, events, results.

Standard library only, Python 3.9 or later: nothing is installed into Slicer's Python,
and all of it is tested without Slicer.
"""
