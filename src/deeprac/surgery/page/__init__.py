"""One patient on one offline page."""
