"""A second opinion: results, disclosure and terms worked out again, apart from the rule book."""
