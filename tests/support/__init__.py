"""What several test files share: builders of cohorts, results, pages and hosts."""
