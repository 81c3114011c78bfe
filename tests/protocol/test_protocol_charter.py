"""The charter: one test per refusal, each with the line that its author must mend."""

import base64
from collections.abc import Callable

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter import Charter, parse_charter
from support import MODULUS_BITS_MIN, charter_text, party_keys

KEYS = party_keys(0, 6, 3)
TEXT = charter_text(KEYS)


def parse(text: str) -> Charter:
    return parse_charter(text.encode(), MODULUS_BITS_MIN)


def edit(old: str, new: str, occurrence: int = 1) -> str:
    """The charter with one occurrence of ``old`` replaced."""
    parts = TEXT.split(old)
    assert len(parts) > occurrence
    return old.join(parts[:occurrence]) + new + old.join(parts[occurrence:])


def line_of(text: str, fragment: str, occurrence: int = 1) -> int:
    """The line on which the n-th ``fragment`` stands."""
    numbers = [i for i, line in enumerate(text.split("\n"), 1) if fragment in line]
    return numbers[occurrence - 1]


def refused(text: str, *fragments: str, line: int | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.reason == "CHARTER"
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message
    if line is not None:
        assert f"charter line {line}: " in message
    return message


def test_a_sound_charter_is_accepted() -> None:
    charter = parse(TEXT)
    assert charter.labs == tuple(f"lab-{i}" for i in range(1, 7))
    assert charter.auditors == ("auditor-1", "auditor-2", "auditor-3")
    assert [p.id for p in charter.panels] == ["alpha", "beta"]
    assert charter.panel("beta").labs == frozenset(charter.labs[1:])
    assert charter.panel("alpha").metrics[0].bound == 999_999_999_999_999
    assert charter.panel("alpha").metrics[1].bound == 400
    assert charter.log_origin == "tests.fermata/log"
    assert charter.witness_name("auditor-2") == "tests.fermata/auditor/auditor-2"
    assert charter.period(1) == "2025Q3"
    assert charter.period(3) == "2026Q1"


def test_the_hash_is_of_the_bytes_so_a_comment_changes_it() -> None:
    assert parse(TEXT).sha256 != parse(TEXT + "# a comment\n").sha256


def test_asking_for_a_panel_that_is_not_there_is_our_own_fault() -> None:
    with pytest.raises(KeyError):
        parse(TEXT).panel("gamma")


def test_without_the_test_floor_a_small_modulus_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"modulus_bits: must be 2048\.\.4096"):
        parse_charter(TEXT.encode())


REFUSED: dict[str, tuple[str, str, str, str]] = {
    # what: (old, new, fragment of the message, fragment of the line that it names)
    "format 2": ("format = 1", "format = 2", "format: this version reads format 1", "format = 2"),
    "a capital in the deployment": (
        'deployment = "tests"',
        'deployment = "Tests"',
        "deployment: must be 1 to 40",
        'deployment = "Tests"',
    ),
    "a deployment with a line end": (
        'deployment = "tests"',
        'deployment = "tests\\n"',
        "deployment: must be 1 to 40",
        "deployment =",
    ),
    "a title that moves the cursor": (
        'title = "For tests"',
        'title = "For \\u001b[2J tests"',
        "title: must be at most 200 printable",
        "title =",
    ),
    "modulus too small": ("modulus_bits = 512", "modulus_bits = 192", "256..4096", "modulus_bits"),
    "modulus too large": ("modulus_bits = 512", "modulus_bits = 4160", "4096", "modulus_bits"),
    "modulus not of 64": ("modulus_bits = 512", "modulus_bits = 528", "of 64", "modulus_bits"),
    "threshold 0 (L17)": (
        "threshold = 2",
        "threshold = 0",
        "cryptography.threshold: must be from half",
        "threshold = 0",
    ),
    "threshold below the majority": ("threshold = 2", "threshold = 1", "threshold", "threshold ="),
    "threshold above the auditors (L17)": (
        "threshold = 2",
        "threshold = 4",
        "cryptography.threshold",
        "threshold = 4",
    ),
    "headroom 0": (
        "threshold = 2",
        "threshold = 2\nheadroom_bits = 0",
        "headroom_bits: must leave room",
        "headroom_bits",
    ),
    "headroom too small for six labs (B09)": (
        "threshold = 2",
        "threshold = 2\nheadroom_bits = 2",
        "headroom_bits: must leave room",
        "headroom_bits",
    ),
    "headroom above 32": (
        "threshold = 2",
        "threshold = 2\nheadroom_bits = 33",
        "headroom_bits",
        "headroom_bits",
    ),
    "cohort of two": ("cohort_min = 3", "cohort_min = 2", "below 3 organisations", "cohort_min"),
    "cohort above the labs (L17)": (
        "cohort_min = 3",
        "cohort_min = 7",
        "has fewer organisations than disclosure.cohort_min",
        "[[panel]]",
    ),
    "window 0": ("window_s = 3600", "window_s = 0", "rounds.window_s", "window_s"),
    "window above a year": ("window_s = 3600", "window_s = 31622401", "rounds.window_s", "window"),
    "negative interval": ("interval_s = 0", "interval_s = -1", "rounds.interval_s", "interval_s"),
    "interval above a year": (
        "interval_s = 0",
        "interval_s = 31622401",
        "rounds.interval_s",
        "interval_s",
    ),
    "unknown cadence": ('"quarter"', '"week"', "rounds.cadence: must be one of", "cadence"),
    "first period of another cadence": (
        '"2025Q3"',
        '"2025-07"',
        "rounds.first: must be a quarter such as 2024Q3",
        "first =",
    ),
    "fifth quarter": ('"2025Q3"', '"2025Q5"', "rounds.first", "first ="),
    "a period in other digits": ('"2025Q3"', '"２０２５Q3"', "rounds.first", "first ="),
    "last period of another cadence": ('last = ""', 'last = "9"', "rounds.last", "last ="),
    "last before first: no rounds (L17)": (
        'last = ""',
        'last = "2025Q2"',
        "rounds.last: is before the first period",
        "last =",
    ),
    "party id with a space": ('"auditor-2"', '"auditor 2"', "auditor[1].id", '"auditor 2"'),
    "party id that ends in a dash": ('"lab-3"', '"lab-3-"', "lab[2].id", '"lab-3-"'),
    "party id of 41 characters": ('"oversight"', f'"{"x" * 41}"', "coordinator.id", "x" * 41),
    "a lab called as an auditor": (
        'id = "lab-2"',
        'id = "auditor-2"',
        "lab[1].id: auditor-2 is on the roster twice",
        'id = "auditor-2"#2',
    ),
    "duplicate lab (L17)": (
        'id = "lab-2"',
        'id = "lab-1"',
        "lab[1].id: lab-1 is on the roster twice",
        'id = "lab-1"#2',
    ),
    "empty organisation": (
        '"Organisation b"',
        '""',
        "lab[1].organisation: must not be empty",
        'organisation = ""',
    ),
    "organisation with a space at its end": (
        '"Organisation b"',
        '"Organisation b "',
        "lab[1].organisation: must be at most",
        '"Organisation b "',
    ),
    "organisation not in NFC": (
        '"Organisation b"',
        '"Organisation e\u0301"',
        "lab[1].organisation",
        "e\u0301",
    ),
    "organisation of 201 characters": (
        '"Organisation b"',
        f'"{"b" * 201}"',
        "lab[1].organisation",
        "b" * 201,
    ),
    "one organisation in two spellings (D27)": (
        '"Organisation b"',
        '"ORGANISATION A"',
        "lab[1].organisation: is spelled in another way",
        '"ORGANISATION A"',
    ),
    "panel with an unknown lab": (
        'labs = ["lab-2"',
        'labs = ["lab-9"',
        "panel[1].labs: no lab is called lab-9",
        "labs = [",
    ),
    "panel that names a lab twice": (
        'labs = ["lab-2"',
        'labs = ["lab-3"',
        "panel[1].labs: names a lab twice",
        "labs = [",
    ),
    "panel with two organisations": (
        'labs = ["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"]',
        'labs = ["lab-2", "lab-3"]',
        "panel[1].labs: has fewer organisations",
        "labs = [",
    ),
    "panel without labs": (
        'labs = ["lab-2", "lab-3", "lab-4", "lab-5", "lab-6"]',
        "labs = []",
        "panel[1].labs: has fewer organisations",
        "labs = [",
    ),
    "panel without a metric": (
        'id = "beta"\n',
        'id = "beta"\n[[panel]]\nid = "gamma"\n',
        "panel[2]: has no metric",
        "[[panel]]#3",
    ),
    "metric of no panel": (
        'panel = "alpha"',
        'panel = "gamma"',
        "metric[0].panel: no panel is called gamma",
        'panel = "gamma"',
    ),
    "metric twice": ('id = "wide-2"', 'id = "share"', "metric[3].id: share", 'id = "share"#2'),
    "metric id": ('id = "wide-2"', 'id = "Wide"', "metric[3].id: must be 1 to 40", 'id = "Wide"'),
    "unit that moves the cursor": (
        'unit = "%"',
        'unit = "\\u009b2J"',
        "metric[1].unit",
        "unit = #2",
    ),
    "aggregate of no metric": (
        'metric = "share"',
        'metric = "hare"',
        "aggregate[1].metric: no metric is called hare",
        'metric = "hare"',
    ),
    "aggregate twice": (
        'metric = "share"',
        'metric = "hours"',
        "aggregate[1].metric: hours has an [[aggregate]] already",
        'metric = "hours"#2',
    ),
    "unknown statistic": (
        'statistics = ["mean"]',
        'statistics = ["median"]',
        "aggregate[1].statistics: must be some of sum, mean, count",
        '"median"',
    ),
    "no statistic": (
        'statistics = ["mean"]',
        "statistics = []",
        "aggregate[1].statistics: must be some of",
        "statistics = []",
    ),
    "statistic twice": (
        'statistics = ["mean"]',
        'statistics = ["mean", "mean"]',
        "aggregate[1].statistics: names one twice",
        '"mean", "mean"',
    ),
    "minimum not a decimal": ('min = "-100"', 'min = "low"', "metric[1].min", '"low"'),
    "minimum with an exponent": ('min = "-100"', 'min = "-1e2"', "metric[1].min", '"-1e2"'),
    "minimum NaN": ('min = "-100"', 'min = "NaN"', "metric[1].min", '"NaN"'),
    "maximum infinite": ('max = "100"', 'max = "inf"', "metric[1].max", '"inf"'),
    "maximum with a zero before it": ('max = "100"', 'max = "0100"', "metric[1].max", '"0100"'),
    "maximum in other digits": ('max = "100"', 'max = "١٠٠"', "metric[1].max", "max = #2"),
    "maximum is minimum": (
        'max = "100"',
        'max = "-100"',
        "metric[1].max: must be above",
        '"-100"#2',
    ),
    "maximum below minimum": ('max = "100"', 'max = "-200"', "metric[1].max", '"-200"'),
    "resolution 0": (
        'resolution = "0.5"',
        'resolution = "0.0"',
        "metric[1].resolution: must be above 0",
        '"0.0"',
    ),
    "negative resolution": ('resolution = "0.5"', 'resolution = "-1"', "above 0", "resolution#2"),
    "resolution that does not divide the range": (
        'resolution = "0.5"',
        'resolution = "0.3"',
        "metric[1].resolution: must divide",
        '"0.3"',
    ),
    "resolution that does not divide the minimum": (
        'min = "-100"\nmax = "100"\nresolution = "0.5"',
        'min = "-100.25"\nmax = "99.75"\nresolution = "0.5"',
        "metric[1].resolution: must divide min",
        "resolution#2",
    ),
    "a value of 108 bits": (
        'resolution = "0.01"',
        'resolution = "0.001"',
        "metric[2].resolution: needs more than 107 bits",
        "resolution#3",
    ),
    "a range of 200 bits": (
        'resolution = "0.01"',
        'resolution = "0.000000000000000000000000000001"',
        "metric[2].resolution: needs more than 107 bits",
        "resolution#3",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_charter_with_this_is_refused_with_its_line(what: str) -> None:
    old, new, message, mark = REFUSED[what]
    text = edit(old, new)
    fragment, _, occurrence = mark.partition("#")
    refused(text, message, line=line_of(text, fragment, int(occurrence or 1)))


@pytest.mark.parametrize(
    ("name", "message"), [("Beta", "panel[1].id: must be 1 to 40"), ("alpha", "is there twice")]
)
def test_a_panel_needs_a_name_of_its_own(name: str, message: str) -> None:
    text = TEXT.replace('"beta"', f'"{name}"')
    refused(text, message, line=line_of(text, f'id = "{name}"', 2 if name == "alpha" else 1))


def test_a_value_too_wide_for_the_modulus_is_refused() -> None:
    text = edit("modulus_bits = 512", "modulus_bits = 256").replace(
        "threshold = 2", "threshold = 2\nheadroom_bits = 32"
    )
    parse(text)
    # 107 + 32 bits fit 256; only a floor far below any real one lets them not.
    with pytest.raises(ConfigError, match="too wide for the modulus"):
        parse_charter(text.replace("modulus_bits = 256", "modulus_bits = 128").encode(), 64)


def test_a_signing_key_that_two_parties_have_is_refused() -> None:
    first, second = (base64.b64encode(KEYS[n].public_key).decode() for n in ("lab-1", "lab-2"))
    text = TEXT.replace(second, first)
    refused(text, "lab[1].signing_key: belongs to another party", line=line_of(text, first, 2))


@pytest.mark.parametrize(
    "change",
    [
        lambda key: "",
        lambda key: key[:-4],
        lambda key: key + "AAAA",
        lambda key: key.replace("=", ""),
        lambda key: " " + key,
        lambda key: key.replace("+", "-").replace("/", "_") + "!",
        lambda key: key[:-2] + chr(ord(key[-2]) + 1) + "=",
        lambda key: base64.b64decode(key).hex(),
    ],
)
def test_a_signing_key_that_is_not_32_bytes_in_base64_is_refused(
    change: Callable[[str], str],
) -> None:
    key = base64.b64encode(KEYS["lab-2"].public_key).decode()
    text = TEXT.replace(key, change(key))
    refused(text, "lab[1].signing_key: must be 32 bytes", line=line_of(text, "signing_key", 6))


@pytest.mark.parametrize("count", [0, 8])
def test_there_are_one_to_seven_auditors(count: int) -> None:
    if count:
        text = charter_text(party_keys(0, 6, count), threshold=5)
    else:
        head, rest = TEXT.split("[[auditor]]", 1)
        text = head.replace("format = 1", "format = 1\nauditor = []")
        text += "[[lab]]" + rest.split("[[lab]]", 1)[1]
    refused(text, "needs 1 to 7 [[auditor]]s")


def test_a_charter_of_one_lab_is_refused() -> None:
    text = charter_text(party_keys(0, 1, 3), organisations="a")
    refused(text, "has fewer organisations than disclosure.cohort_min")


def test_labs_of_one_organisation_count_once_in_the_smallest_cohort() -> None:
    refused(charter_text(KEYS, organisations="aaaabb"), "panel[0].labs: has fewer organisations")
    assert parse(charter_text(KEYS, organisations="aaabbc")).cohort_min == 3


def test_a_charter_without_panels_is_refused() -> None:
    head, _ = TEXT.split("[[panel]]", 1)
    text = head.replace("format = 1", "format = 1\npanel = []\nmetric = []\naggregate = []")
    refused(text, "has no [[panel]]")


@pytest.mark.parametrize(
    ("auditors", "threshold", "quorum"),
    [
        (1, 1, 1),
        (2, 1, 2),
        (2, 2, 2),
        (3, 2, 3),
        (3, 3, 3),
        (4, 2, 3),
        (4, 3, 4),
        (5, 3, 4),
        (5, 5, 5),
        (6, 3, 5),
        (7, 4, 6),
        (7, 7, 7),
    ],
)
def test_two_quorums_share_an_auditor_beyond_any_t_minus_1(
    auditors: int, threshold: int, quorum: int
) -> None:
    charter = parse(charter_text(party_keys(0, 6, auditors), threshold=threshold))
    assert charter.endorsement_quorum == quorum
    assert quorum <= auditors
    assert 2 * quorum - auditors >= threshold
