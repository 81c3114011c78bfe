"""A simulated deployment before it runs: its charter, terms, figures and planted secrets."""
