"""What the pictures of docs say: what packages are for, and who learns what."""

#: One line a package, at most 30 characters.
PURPOSES = {
    "cli": "commands, one line per error",
    "demo": "a deployment on one machine",
    "dashboard": "pages, charts, tables",
    "api": "import fermata",
    "node": "disk, network, clock, keys",
    "sim": "a deployment in one process",
    "assessment": "what a charter would do",
    "summary": "the state as records and in words",
    "memory_store": "a store without a disk",
    "protocol": "the rule book, the one fold",
    "crypto": "numbers only",
    "log": "tree, checkpoints, tiles",
    "wire": "generated from proto/",
    "errors": "reasons and exit codes",
    "types": "words and numbers, told apart",
}

PARTIES = (
    "the lab\nitself",
    "another\nlab",
    "the\ncoordinator",
    "fewer than t\nauditors",
    "t auditors\nwho collude",
    "everybody:\nthe public",
)

#: How a cell is shaded: all of it, a part or with conditions, nothing.
MEANINGS = {
    "yes": "yes",
    "in part": "part",
    "sealed": "part",
    "on site": "part",
    "own share": "part",
    "can open": "yes",
    "the key": "yes",
    "no": "no",
}

#: A fact about one lab and one round, then a cell a party.
FACTS = (
    ("its values, each", "yes", "no", "no", "on site", "can open", "no"),
    ("its evidence files", "yes", "no", "no", "on site", "on site", "no"),
    ("a salted commitment to its evidence", "yes", "yes", "yes", "yes", "yes", "yes"),
    ("that one figure was opened on site", "yes", "no", "no", "on site", "on site", "no"),
    ("its ciphertexts", "yes", "no", "sealed", "sealed", "can open", "no"),
    ("that its values keep the charter's statements", *["yes"] * 6),
    ("sums and results of an opened round", *["yes"] * 6),
    ("sums with a figure of it that waits", "no", "no", "no", "no", "can open", "no"),
    ("that it reported, which panels, how often", *["yes"] * 6),
    ("that it abstained or was absent", *["yes"] * 6),
    ("when it reported and acknowledged", *["yes"] * 6),
    ("in a pause: that it showed its duties, or not", *["yes"] * 6),
    ("with a dominance limit: within it, or not", *["yes"] * 6),
    ("with dues: its tier or band, what it owes", *["yes"] * 6),
    ("its node's version, certificate end, backlog", *["yes"] * 6),
    ("its network address, its connections", "yes", "no", "yes", "no", "no", "no"),
    ("shares of the decryption key", "no", "no", "no", "own share", "the key", "no"),
)
