"""What a charter says of a silent log, in words."""

from fermata.protocol.charter.parse import Charter
from fermata.protocol.roles.silence import auditors_needed
from fermata.summary.words import duration_text

#: With fewer heartbeats in ``silence_s``, labs that hold in silence do so without need.
HEARTBEATS_MIN = 4


def silence_warnings(charter: Charter) -> list[str]:
    """A pause that takes the time between a few heartbeats for silence."""
    if charter.pause is None:
        return []
    silence_s, heartbeat_s = charter.pause.silence_ms // 1000, charter.heartbeat_s
    if silence_s <= heartbeat_s:
        return [
            f"silence_s of the pause is {silence_s}, not longer than heartbeat_s ({heartbeat_s}): a"
            " log in which all is well will be called silent."
        ]
    if charter.pause.holds_in_silence and silence_s < HEARTBEATS_MIN * heartbeat_s:
        return [
            f"labs hold when silence_s ({silence_s}) has passed, which is less than"
            f" {HEARTBEATS_MIN} times heartbeat_s ({heartbeat_s}): a few heartbeats that are late"
            " make every lab hold."
        ]
    return []


def silence_text(charter: Charter) -> list[str]:
    """What labs do while the log is silent; nothing without a pause."""
    if charter.pause is None:
        return []
    silence_ms = charter.pause.silence_ms
    after = duration_text(silence_ms)
    if not charter.pause.holds_in_silence:
        return [
            f'If the log is silent for {after} (silence = "tell"), nodes tell people, and labs go'
            " on as they were: whoever stops the log, or withholds cosignatures, can keep a pause"
            " from beginning."
        ]
    return [
        f'If the log is silent for {after} (silence = "hold"), each lab holds by the word of its'
        f" own node, once {auditors_needed(charter)} auditors have nothing newer either; a lab that"
        f" reaches fewer holds after {duration_text(2 * silence_ms)}."
    ]
