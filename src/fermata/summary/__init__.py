"""The folded state for people and programs: records, documents (JSON) and words."""
