"""Sentences about answers that auditors had and that the log lacks (docs/spec/pleas.md)."""

from collections.abc import Iterator

from fermata.summary.records.rounds import RoundRecord
from fermata.summary.words import time_text


def plea_sentences(round_: RoundRecord) -> Iterator[str]:
    """For whose answer the close of a round waits, and for whose it waited in vain."""
    for lab, auditors in round_.pleaded.items():
        yield (
            f"{', '.join(auditors)} had the answer of {lab} in time, and the log does not have it;"
            f" the close waits for it until {time_text(round_.pleaded_until_ms)}"
        )
    for lab, auditors in round_.starved.items():
        yield f"{lab} was starved: {', '.join(auditors)} had its answer, and it was never logged"
