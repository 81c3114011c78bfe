"""Files of the tools that wrote them (fixtures/README.md), changed in one place, or made anew."""

import gzip
import io
import json
import struct
import sys
import zlib
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FIXTURES = Path(__file__).parents[2] / "node" / "fixtures"


def fixture(name):
    data = (FIXTURES / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def changed(name, change):
    """A fixture of JSON with one thing changed."""
    document = json.loads(fixture(name))
    change(document)
    return json.dumps(document).encode()


def archive(members, method=93):
    """A ZIP as Inspect writes it: members by name, each compressed by itself."""
    out, directory = io.BytesIO(), b""
    for name, data in members:
        packed = {0: bytes, 8: _deflate, 93: zstd.compress}[method](data)
        crc, offset = zlib.crc32(data), out.tell()
        common = struct.pack(
            "<HHHHHIIIHH", 63, 0, method, 0, 0, crc, len(packed), len(data), len(name), 0
        )
        out.write(b"PK\x03\x04" + common + name.encode() + packed)
        directory += b"PK\x01\x02" + struct.pack("<H", 63) + common
        directory += struct.pack("<HHHII", 0, 0, 0, 0, offset) + name.encode()
    start = out.tell()
    count = len(members)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), start, 0)
    return out.getvalue() + directory + b"PK\x05\x06" + end


def _deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()
