"""The page of a cohort's check, one offline HTML file without scripts."""
