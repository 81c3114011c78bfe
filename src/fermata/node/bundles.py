"""Bundles on disk and from a running log."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from fermata.errors import ConfigError, Refusal
from fermata.protocol.bundle import build_bundle, sealed_wanted
from fermata.protocol.ports import LogPort
from fermata.protocol.replica import Replica

BUNDLE_BYTES_MAX = 4 * 1024 * 1024 * 1024


def export_bundle(
    replica: Replica, log: LogPort, note: bytes, progress: Callable[[int], None]
) -> dict[str, bytes]:
    """The files of a full bundle of the log up to the head of ``note``.

    The replica has pulled at least that far, into a store that may keep sealed parts. Raises
    Refusal LOG_GREW if the replica is at another size than the head.
    """
    if replica.open_checkpoint(note).size != replica.state.size:
        raise Refusal("LOG_GREW", "log: grew during the export; try again")
    for done, path in enumerate(sealed_wanted(replica.state), 1):
        replica.store.put_sealed(log.fetch_sealed(bytes.fromhex(Path(path).stem)))
        progress(done)
    leaves = replica.store.leaves(0, replica.state.size)
    return build_bundle(replica.state, leaves, note, replica.store)


def write_bundle(out: Path, files: dict[str, bytes]) -> None:
    """Writes a bundle's folder whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        temporary.chmod(0o755)
        for path, data in files.items():
            target = temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        temporary.rename(out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_bundle(folder: Path) -> dict[str, bytes]:
    """All files of a bundle's folder by their path in it. Raises ConfigError BUNDLE."""
    if not folder.is_dir():
        raise ConfigError("BUNDLE", f"{folder}: is not a bundle's folder")
    files: dict[str, bytes] = {}
    total = 0
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(root) / name
            if path.is_symlink() or not path.is_file():
                raise ConfigError("BUNDLE", f"{path}: is not a regular file")
            total += path.stat().st_size
            if total > BUNDLE_BYTES_MAX:
                raise ConfigError("BUNDLE", f"{folder}: is larger than {BUNDLE_BYTES_MAX} bytes")
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    if "checkpoint" not in files and "bundle.json" not in files:
        raise ConfigError("BUNDLE", f"{folder}: is not a bundle's folder")
    return files
