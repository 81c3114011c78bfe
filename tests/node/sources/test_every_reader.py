"""What no reader may do, walked over all of them: read a figure wrong, or let half a file pass."""

import shutil

import pytest

from fermata.errors import ConfigError
from fermata.node.sources.kinds import KINDS
from harness.node.every_reader import TEXTS
from harness.node.source_files import fixture
from harness.node.source_reading import gather, refused

EACH = pytest.mark.parametrize("whole", TEXTS, ids=lambda whole: f"{whole.kind}-{whole.name[-12:]}")
#: A spreadsheet saves UTF-8 with a byte-order mark, which leaves nothing to guess at.
MAY_HAVE_MARK = ("csv",)


def read(folder, whole, data=None):
    whole.write(folder, data)
    return gather(folder, whole.kind, whole.name, **whole.keys)


def refusal(folder, whole, data):
    whole.write(folder, data)
    reason, said = refused(folder, whole.kind, whole.name, **whole.keys)
    assert whole.number not in said
    return reason, said


def test_every_kind_that_reads_text_is_in_the_walk():
    assert {whole.kind for whole in TEXTS} == set(KINDS) - {"scrape", "push"}


@EACH
def test_a_whole_file_is_read_exactly(tmp_path, whole):
    (figure,) = read(tmp_path, whole).figures
    assert (figure.read, figure.value) == (whole.number, whole.number)


@EACH
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_a_wide_encoding_says_how_to_save_it(tmp_path, whole, encoding):
    _, said = refusal(tmp_path, whole, whole.data.decode().encode(encoding))
    assert "is UTF-16" in said or "is UTF-32" in said
    assert "save it as UTF-8" in said
    assert whole.name[-40:] in said


@EACH
def test_a_byte_order_mark_is_refused_where_it_is_not_usual(tmp_path, whole):
    marked = b"\xef\xbb\xbf" + whole.data.removeprefix(b"\xef\xbb\xbf")
    if whole.kind in MAY_HAVE_MARK:
        assert read(tmp_path, whole, marked).figures == read(tmp_path, whole).figures
    else:
        assert (
            "byte-order mark; save it as UTF-8 without one" in refusal(tmp_path, whole, marked)[1]
        )


@EACH
def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path, whole):
    at = whole.data.index(whole.number.encode())
    line = whole.data[:at].count(b"\n") + 1
    _, said = refusal(tmp_path, whole, whole.data[:at] + b"\xff" + whole.data[at:])
    assert f"line {line}: is not UTF-8" in said


@EACH
def test_a_zero_byte_is_refused(tmp_path, whole):
    refusal(tmp_path, whole, whole.data.replace(whole.number.encode(), b"0\x00.5"))
    refusal(tmp_path, whole, b"\x00" * 100)


#: What stands where a number should. What a format has no word for is refused for its form.
NOT_NUMBERS = [
    "NaN", "nan", ".nan", "Infinity", "-Infinity", "inf", "+Inf", "-.inf", "true", "True", "yes",
    "null", "~", "1e400", "1e-400", "-0.0", "0x1p3", "1_000", "1,5", "77%", "0.5 ± 0.1", '"0.5"',
    "'0.5'", "0." + "1" * 41, "1" * 41, "1:30", "NA", "", "!!float 0.5", "[0.5]", "{a: 0.5}", "٠.٥",
]  # fmt: skip

#: Numbers by the format's own rules: a cell in quotes, TOML's digits in groups.
OWN_NUMBERS = {("csv", '"0.5"'), ("toml", "1_000")}


@EACH
@pytest.mark.parametrize("other", NOT_NUMBERS)
def test_what_is_not_a_finite_number_is_refused(tmp_path, whole, other):
    if (whole.kind, other) in OWN_NUMBERS:
        return
    data = whole.data.replace(whole.number.encode(), other.encode())
    _, said = refusal(tmp_path, whole, data)
    assert len(other) < 4 or other not in said


@EACH
def test_no_beginning_of_a_file_is_read_as_another_figure(tmp_path, whole):
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    at = whole.data.index(whole.number.encode())
    near = range(at, min(at + len(whole.number) + 3, len(whole.data)))
    step = max(1, len(whole.data) // 60)
    for cut in sorted({*near, *range(0, len(whole.data), step)}):
        figures, said = (), ""
        try:
            figures = read(tmp_path, whole, whole.data[:cut]).figures
        except ConfigError as error:
            said = str(error)
        assert {figure.read for figure in figures} <= {whole.number}, cut
        assert whole.number not in said


@EACH
def test_an_empty_file_is_refused(tmp_path, whole):
    for data in (b"", b"\n", b" \n\n"):
        refusal(tmp_path, whole, data)


def test_a_file_of_another_kind_is_refused_by_every_reader(tmp_path):
    for whole in TEXTS:
        for other in TEXTS:
            if whole.kind == other.kind or {whole.kind, other.kind} == {"json", "yaml"}:
                continue
            whole.write(tmp_path, other.data)
            try:
                figures = gather(tmp_path, whole.kind, whole.name, **whole.keys).figures
            except ConfigError:
                continue
            # JSON is read as YAML, and a log of evals as lines: the figure is then another's word.
            assert not figures, (whole.kind, other.kind)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"scrape", "push", "mlflow", "csv"}))
def test_a_database_or_an_archive_is_no_text(tmp_path, kind):
    keys = next(whole.keys for whole in TEXTS if whole.kind == kind)
    for name in ("mlflow.db.gz", "inspect.eval"):
        if (kind, name) != ("inspect", "inspect.eval"):
            (tmp_path / "file").write_bytes(fixture(name))
            refused(tmp_path, kind, "file", **keys)
