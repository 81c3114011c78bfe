"""Logs of Inspect (inspect-ai): ``.eval``, a ZIP with Zstandard members, and ``.json``.

Both have the same header, of version 2. Of a ``.eval`` only the header is unpacked: samples are
never looked at. Members are found by the central directory (PKWARE APPNOTE 4.3.12, method 93 for
Zstandard, which Python's zipfile reads from 3.14 on only).
"""

import io
import struct
import sys
import zipfile
import zlib
from typing import Any

from fermata.node.sources.dates import iso_ms
from fermata.node.sources.formats.documents import (
    count_of,
    list_of,
    number_of,
    read_json,
    table_of,
    text_of,
)
from fermata.node.sources.reading import Reading, refuse_format, refuse_version, shown

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

VERSION = "2"
HEADER = "header.json"
#: Written first: what a log has while its run goes on, or after it was killed.
START = "_journal/start.json"
HEADER_BYTES_MAX = 16 * 1024 * 1024
MEMBERS_MAX = 100_000
_STORED, _DEFLATED, _ZSTANDARD = 0, 8, 93
_LOCAL = struct.Struct("<4s22xHH")
#: A frame may ask for a window this large at most: the header is small, its window too.
_WINDOW_LOG_MAX = 25


def read_inspect(file: str, data: bytes) -> list[Reading]:
    """The figures of a log: one for each metric of each score. Raises ConfigError."""
    if data[:4] != b"PK\x03\x04":
        return _of_log(file, read_json(file, data), is_whole=True)
    members = _members(file, data)
    name = HEADER if HEADER in members else START
    if name not in members:
        refuse_format(file, f"has no {HEADER}; it is not a log of Inspect")
    document = read_json(file, _unpack(file, data, members[name]))
    return _of_log(file, document, is_whole=name == HEADER)


def _of_log(file: str, document: Any, is_whole: bool) -> list[Reading]:
    log = table_of(document)
    version = number_of(log.get("version"))
    if version != VERSION:
        refuse_version(file, "version", version, f"version {VERSION} of Inspect's logs")
    spec = table_of(log.get("eval"))
    task = text_of(spec.get("task"))
    stats, results = table_of(log.get("stats")), table_of(log.get("results"))
    fault = "it has no header yet: the run goes on, or was killed"
    if is_whole:
        fault = _fault(log, spec, results)
    completed = iso_ms(text_of(stats.get("completed_at"))) or iso_ms(text_of(spec.get("created")))
    model = text_of(spec.get("model"))
    scores = list_of(results.get("scores"))
    readings = [
        Reading(field, task, names, text, completed, "", "", model, scored, samples, fault)
        for index, field, names, text in _scores(scores)
        for scored, samples in [_counts(table_of(scores[index]), spec, results)]
    ]
    if not readings:
        # So that a run which failed is seen, and not taken for one that never was.
        fault = fault or "it has no scores"
        readings = [Reading("results.scores", task, (), "", completed, model=model, fault=fault)]
    return readings


def _counts(
    score: dict[str, Any], spec: dict[str, Any], results: dict[str, Any]
) -> tuple[int | None, int | None]:
    """Of how many samples a score is, and how many there are; None for what the log does not say.

    Unless ``epochs_reducer`` is an empty list, a score counts each sample once however many of its
    epochs were scored. With several epochs it can thus show that samples lack, not that none does.
    """
    samples, scored = _samples(spec), count_of(score.get("scored_samples"))
    ran = [count_of(results.get(key)) for key in ("total_samples", "completed_samples")]
    if samples is None or scored is None or None in ran:
        return None, samples
    epochs = _epochs(spec)
    if table_of(spec.get("config")).get("epochs_reducer") == []:
        samples *= epochs
    elif epochs > 1 and scored == samples:
        return None, samples
    unscored = count_of(score.get("unscored_samples")) or 0
    return min(scored, samples - unscored), samples


def _samples(spec: dict[str, Any]) -> int | None:
    return count_of(table_of(spec.get("dataset")).get("samples"))


def _epochs(spec: dict[str, Any]) -> int:
    return count_of(table_of(spec.get("config")).get("epochs")) or 1


def _scores(scores: list[Any]) -> list[tuple[int, str, tuple[str, ...], str]]:
    """Index, place, names and number of every metric; reducers tell scores of one name apart."""
    readings = []
    names = [text_of(table_of(s).get("name")) for s in scores]
    for index, score in enumerate(map(table_of, scores)):
        name, reducer = names[index], text_of(score.get("reducer"))
        label = f"{name}:{reducer}" if reducer and names.count(name) > 1 else name
        for metric, entry in table_of(score.get("metrics")).items():
            field = f"results.scores[{index}].metrics.{metric}.value"
            asked = (f"{label}/{metric}", f"{name}/{metric}", metric, label, name)
            readings.append((index, field, tuple(dict.fromkeys(asked)), _number(entry)))
    return readings


def _number(entry: Any) -> str:
    return number_of(table_of(entry).get("value"))


def _fault(log: dict[str, Any], spec: dict[str, Any], results: dict[str, Any]) -> str:
    """Why a log is not a finished evaluation of the whole task; empty if nothing says so.

    ``config.limit`` decides nothing: it may be above the size. What ran is counted.
    """
    status = text_of(log.get("status"))
    if status != "success":
        return f"status is {shown(status) or 'missing'}, not success"
    if log.get("invalidated") is True:
        return "invalidated is true"
    total = count_of(results.get("total_samples"))
    if total != count_of(results.get("completed_samples")):
        return "results.completed_samples is not results.total_samples"
    samples = _samples(spec)
    if samples is not None and total is not None and total != samples * _epochs(spec):
        whole = samples * _epochs(spec)
        return f"only some samples were run: results.total_samples is {total} of {whole}"
    return ""


def _members(file: str, data: bytes) -> dict[str, zipfile.ZipInfo]:
    """The archive's members by name, from its directory; nothing is unpacked."""
    # Counted by the mark of an entry, before the directory is made into objects.
    if data.count(b"PK\x01\x02") > MEMBERS_MAX:
        refuse_format(file, f"has more than {MEMBERS_MAX} members")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, struct.error, OSError, NotImplementedError):
        refuse_format(file, "is not a whole ZIP archive; is it still being written?")
    for name in (HEADER, START):
        if sum(member.filename == name for member in members) > 1:
            refuse_format(file, f"has {name} twice")
    return {member.filename: member for member in members}


def _unpack(file: str, data: bytes, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes, of no more than it says and HEADER_BYTES_MAX, with their checksum."""
    name = member.filename
    if member.flag_bits & 0x1:
        refuse_format(file, f"{name} is encrypted")
    if member.file_size > HEADER_BYTES_MAX:
        refuse_format(file, f"{name} is longer than {HEADER_BYTES_MAX} bytes")
    head = data[member.header_offset : member.header_offset + _LOCAL.size]
    if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
        refuse_format(file, f"{name} is not where the archive says")
    _, name_bytes, extra_bytes = _LOCAL.unpack(head)
    start = member.header_offset + _LOCAL.size + name_bytes + extra_bytes
    packed = data[start : start + member.compress_size]
    try:
        inflated = _inflate(member.compress_type, packed, member.file_size)
    except (zlib.error, zstd.ZstdError, ValueError, EOFError):
        inflated = None
    if inflated is None or len(inflated) != member.file_size or zlib.crc32(inflated) != member.CRC:
        refuse_format(file, f"{name} cannot be unpacked, or is not what its checksum says")
    return inflated


def _inflate(method: int, packed: bytes, size: int) -> bytes | None:
    """At most ``size`` + 1 bytes, so that a longer member is noticed and never unpacked."""
    if method == _STORED:
        return packed
    if method == _DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
    if method == _ZSTANDARD:
        options = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG_MAX}
        return zstd.ZstdDecompressor(options=options).decompress(packed, size + 1)
    return None
