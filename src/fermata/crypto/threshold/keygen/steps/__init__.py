"""The steps of a key generation: what is said in each, what is checked, and what follows."""
