"""All ceremonies of this version, as whoever checks their records knows them."""

from fermata.protocol.ceremony.basis import KEYGEN
from fermata.protocol.ceremony.key_generation import KEY_GENERATION
from fermata.protocol.ceremony.next_epoch import later_kinds

ALL_KINDS = {KEYGEN: KEY_GENERATION, **later_kinds()}
