"""What a lab's own node has decided about silence, from the node's own folder.

Commands say this before they ask the log, which may be what is silent.
"""

from fermata.errors import ConfigError
from fermata.node.config import NodeConfig
from fermata.node.files import read_file
from fermata.node.hook.notice import NOTICE_BYTES_MAX
from fermata.node.hook.silence_notice import SilenceBrief, SilenceNotice
from fermata.node.hook.silence_watch import FILE
from fermata.protocol.charter.periods import utc_text
from fermata.protocol.wire.strict_json import decode_json


def own_silence(config: NodeConfig) -> SilenceBrief | None:
    """The newest change that this folder's node has decided; None before any.

    Raises ConfigError SILENCE_FILE, and as ``read_file`` does.
    """
    path = config.data / FILE
    if not path.exists():
        return None
    try:
        return decode_json(
            read_file(path, NOTICE_BYTES_MAX), SilenceNotice, NOTICE_BYTES_MAX
        ).silence
    except ValueError:
        raise ConfigError(
            "SILENCE_FILE", f"{path}: must be as the node wrote it; move it away"
        ) from None


def hold_text(silence: SilenceBrief | None) -> str:
    """Why this lab holds because of silence, in words; empty if it does not."""
    if silence is None or not silence.is_holding:
        return ""
    answers = [f"{answer.auditor}: {answer.answer}" for answer in silence.answers]
    why = "its log is silent" if silence.why == "silence" else "it is cut off from its log"
    return (
        f"this lab holds since {utc_text(silence.time_ms)}, since {why}: nothing more was witnessed"
        f" after {utc_text(silence.seen_ms)}; asked: {', '.join(answers) or 'nobody'}"
    )


def silence_document(silence: SilenceBrief | None) -> dict[str, object] | None:
    """The same for programs."""
    if silence is None:
        return None
    return {
        "why": silence.why,
        "holding": silence.is_holding,
        "since": utc_text(silence.time_ms),
        "last_witnessed": utc_text(silence.seen_ms),
        "asked": {answer.auditor: answer.answer for answer in silence.answers},
    }
