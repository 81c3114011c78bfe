"""The witnessed time of a log, written again from docs/spec/time.md (T1 to T3), not imported.

It reads a bundle's bytes itself. Which entries were accepted it takes from the vector.
"""

import tomllib


def leaves(files):
    """The leaves of a bundle: each after its length in 4 bytes."""
    (data,) = [d for path, d in files.items() if path.startswith("tile/entries/")]
    found = []
    while data:
        length = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def message(data):
    """The fields of a Protocol Buffers message by number; of a repeated one the last."""
    found, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == 2:
            value, at = data[at : at + value], at + value
        found[tag >> 3] = value
    return found


def statement(leaf):
    """The fields of the statement in a leaf."""
    return message(message(message(leaf)[2])[2])


class Watch:
    """What the auditors have told: ``beats`` are (auditor, newest entry seen, time)."""

    def __init__(self, charter):
        auditors, rounds = charter["auditor"], charter["rounds"]
        self.auditors = [a["id"] for a in auditors]
        self.place = max(len(auditors) // 2, charter["cryptography"]["threshold"] - 1)
        self.gap_ms = 2000 * rounds.get("heartbeat_s", 900)
        self.beats, self.time_ms, self.outages = [], 0, []

    def hear(self, auditor, seen, time_ms):
        """T1, and T3 as far as it is about the time."""
        self.beats.append((auditor, seen, time_ms))
        newest = {auditor: time_ms for auditor, _, time_ms in self.beats}
        falling = sorted(newest.values(), reverse=True)
        if len(falling) <= self.place or falling[self.place] <= self.time_ms:
            return
        before, self.time_ms = self.time_ms, falling[self.place]
        if before and self.time_ms - before > self.gap_ms:
            self.outages.append((before, self.time_ms + self.gap_ms))

    def start_ms(self, entry):
        """T2: when enough auditors had seen an entry; None if too few have told so."""
        first = {}
        for auditor, seen, time_ms in self.beats:
            if seen >= entry:
                first.setdefault(auditor, time_ms)
        rising = sorted(first.values())
        return rising[self.place] if len(rising) > self.place else None

    def right_ms(self, entry, length_ms):
        """T3: when somebody's right passes that began with an entry; None as above."""
        start_ms = self.start_ms(entry)
        if start_ms is None:
            return None
        for before, until in self.outages:
            if before < start_ms + length_ms <= until:
                return until
        return start_ms + length_ms


def times_of(files, rejected):
    """The document of bundles/times.json for a bundle; ``rejected``: entries without effect."""
    charter = tomllib.loads(files["charter.toml"].decode())
    watch, times, opened = Watch(charter), [], {}
    entries = leaves(files)
    for index, leaf in enumerate(entries):
        said = statement(leaf) if index and index not in rejected else {}
        author = said.get(2, b"").decode()
        if 10 in said and author in watch.auditors:
            watch.hear(author, message(said[14]).get(1, 0), message(said[10])[2])
        if 4 in said:
            opened[message(said[4])[1]] = index
        times.append(watch.time_ms)
    window_ms = 1000 * charter["rounds"]["window_s"]
    return {
        "place": watch.place,
        "gap_ms": watch.gap_ms,
        "times_ms": times,
        "starts_ms": [watch.start_ms(index) for index in range(len(entries))],
        "deadlines_ms": {str(n): watch.right_ms(e, window_ms) for n, e in opened.items()},
    }
