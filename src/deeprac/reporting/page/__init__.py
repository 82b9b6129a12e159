"""The report page: one self-contained HTML file that opens from disk."""
