"""The file that brings an answer to a drill back from a machine without a network (OP7).

It holds this auditor's part of a drill and the nonce of its commitment. The part becomes public
when parts are shown; whoever has it before gains what K26 of docs/spec/keys.md says of one part.
"""

from fermata.errors import ConfigError, InvalidEncoding, Refusal
from fermata.protocol.drills.drill import Drill
from fermata.protocol.drills.duties import DrillAnswer, decode_answer
from fermata.protocol.state.state import KeyedState

MAGIC = b"fermata/v1/drill-answer\n"
#: The leaf hash of the drill's entry, the nonce, and a part modulo the longest modulus.
ANSWER_BYTES_MAX = len(MAGIC) + 32 + 32 + 512
_START = slice(len(MAGIC), len(MAGIC) + 32)


def encode_drill_file(answer: bytes) -> bytes:
    """The file's bytes, of an answer as ``encode_answer`` gives it."""
    return MAGIC + answer


def start_of(data: bytes, where: str) -> bytes:
    """The leaf hash of the entry with which its drill began. Raises ConfigError OPENING_FORM."""
    # OP7.4: a file that was named by mistake.
    if not data.startswith(MAGIC) or not len(MAGIC) + 64 < len(data) <= ANSWER_BYTES_MAX:
        raise ConfigError(
            "OPENING_FORM",
            f"{where}: is not an answer to a drill; make one with fermata auditor open",
        )
    return data[_START]


def decode_drill_file(data: bytes, state: KeyedState, drill: Drill, where: str) -> DrillAnswer:
    """The answer in a file, to the drill that runs.

    Raises ConfigError OPENING_FORM, Refusal NO_DRILL.
    """
    start_of(data, where)
    try:
        given = decode_answer(state.key.record, drill, data[len(MAGIC) :])
    except InvalidEncoding as error:
        raise ConfigError("OPENING_FORM", f"{where}: is cut short; copy it again, whole") from error
    # OP7.5: an answer to an older drill, which would be committed to for nothing.
    if given is None:
        raise Refusal("NO_DRILL", f"{where}: is an answer to another drill than the one that runs")
    return given
