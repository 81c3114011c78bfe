"""What a lab has still to do, in words."""

from fermata.summary.records.pause import PauseRecord
from fermata.summary.records.rounds import RoundRecord
from fermata.summary.words import time_text


def lab_waits(lab: str, newest: RoundRecord | None, pause: PauseRecord | None) -> list[str]:
    """What waits for a lab by the newest round and the pause, one sentence each."""
    sentences = []
    if newest is not None and lab in newest.waits_for:
        until = time_text(newest.deadline_ms)
        sentences.append(f"round {newest.period} waits for its answer, until {until}")
    if pause is not None and pause.asked is not None and lab in pause.missing:
        sentences.append(f"the change in entry {pause.asked.entry} waits for its acknowledgement")
    if pause is not None and lab in pause.waits_for:
        sentences.append("the lift waits for newer figures of it")
    return sentences
