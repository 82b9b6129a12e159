"""DICOM series with their segmentations.

``headers`` reads headers and ``scan`` finds the files; ``studies`` groups them into
cases, ``series`` splits and chooses series, ``geometry`` checks their slices,
``pixels`` reads them. ``segmentations`` reads DICOM-SEG, ``rtstruct`` what ``contours``
fills. ``unread`` finds files that cannot be read; ``reader`` puts the parts together.

Nothing of a header but numbers, the modality and names of segments enters a message:
neither names, identifiers, dates and descriptions nor paths.
"""
