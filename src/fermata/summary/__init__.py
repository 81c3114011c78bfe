"""The folded state as records for people and programs: results, dues."""
