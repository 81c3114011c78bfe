import copy
import pickle
from dataclasses import replace
from itertools import combinations

import phe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermata.crypto.integers import jacobi, powmod
from fermata.crypto.threshold.key_record import (
    DELTA,
    KeyRecord,
    check_key,
    lagrange,
    share_offset_bits,
    verification_base,
)
from fermata.crypto.threshold.opening import (
    KeyShare,
    check_opening,
    check_part,
    check_share,
    combine,
    partial_opening,
)
from fermata.errors import InvalidEncoding, InvalidProof, VerificationError
from harness.crypto.keys import (
    SeededEntropy,
    all_parts,
    dealt,
    encrypt_with_root,
    primes,
    root_of_jacobi,
)

KEY = dealt()
RECORD, N = KEY.record, KEY.record.n
ROOT = root_of_jacobi(N, 1)
CIPHERTEXT = encrypt_with_root(N, 123456789, ROOT)
PARTS = all_parts(KEY, CIPHERTEXT)
ENTROPY = SeededEntropy("opening")


def refused(parts: dict[int, int]) -> str:
    with pytest.raises(InvalidEncoding) as error:
        combine(RECORD, CIPHERTEXT, parts)
    return error.value.reason


def test_a_part_is_the_power_that_the_spec_says() -> None:
    for share in KEY.shares:
        assert PARTS[share.index] == pow(CIPHERTEXT % N, DELTA * share.value, N)


def test_blinding_changes_no_part_and_is_drawn_every_time() -> None:
    drawn = []

    def entropy(size: int) -> bytes:
        drawn.append(size)
        return ENTROPY(size)

    for _ in range(2):
        assert partial_opening(RECORD, KEY.shares[0], CIPHERTEXT, entropy) == PARTS[1]
    assert drawn == [32, 32]


def test_a_negative_share_is_refused_even_if_the_record_commits_to_it() -> None:
    share = KEY.shares[0]
    record = replace(RECORD, verification=(powmod(RECORD.verification[0], -1, N),) * 5)
    negative = KeyShare(1, -share.value, share.key_id)
    for use in (
        lambda: check_share(record, negative),
        lambda: partial_opening(record, negative, CIPHERTEXT, ENTROPY),
    ):
        with pytest.raises(InvalidProof) as error:
            use()
        assert error.value.reason == "SHARE_RANGE"


def test_an_opening_is_the_plaintext_and_the_randomness() -> None:
    opening = combine(RECORD, CIPHERTEXT, PARTS)
    assert opening is not None
    assert (opening.plaintext, opening.root, opening.culprits) == (123456789, ROOT, ())
    ours = phe.PaillierPublicKey(N).raw_encrypt(opening.plaintext, r_value=opening.root)
    assert ours == CIPHERTEXT


def test_every_subset_of_t_or_more_gives_the_same_opening() -> None:
    expected = combine(RECORD, CIPHERTEXT, PARTS)
    for size in (3, 4, 5):
        for subset in combinations(PARTS, size):
            assert combine(RECORD, CIPHERTEXT, {i: PARTS[i] for i in subset}) == expected


def test_fewer_than_t_parts_open_nothing() -> None:
    for size in (0, 1, 2):
        for subset in combinations(PARTS, size):
            assert combine(RECORD, CIPHERTEXT, {i: PARTS[i] for i in subset}) is None


@pytest.mark.parametrize(("threshold", "auditors"), [(1, 1), (1, 3), (2, 3), (4, 7), (7, 7)])
def test_other_thresholds_open_as_well(threshold: int, auditors: int) -> None:
    key = dealt(256, threshold, auditors)
    ciphertext = encrypt_with_root(key.record.n, 99, 12345)
    parts = all_parts(key, ciphertext)
    for subset in combinations(parts, threshold):
        opening = combine(key.record, ciphertext, {i: parts[i] for i in subset})
        assert opening is not None
        assert (opening.plaintext, opening.root) == (99, 12345)
    assert combine(key.record, ciphertext, dict(list(parts.items())[: threshold - 1])) is None


@pytest.mark.parametrize("bits", [512, 2048])
def test_a_ciphertext_of_jacobi_symbol_minus_one_opens_to_its_exact_root(bits: int) -> None:
    key = dealt(bits)
    n = key.record.n
    root = root_of_jacobi(n, -1)
    ciphertext = encrypt_with_root(n, 5, root)
    assert jacobi(ciphertext % n, n) == -1
    opening = combine(key.record, ciphertext, all_parts(key, ciphertext))
    assert opening is not None
    assert opening.root == root
    assert pow(opening.root, n, n) == ciphertext % n


@settings(max_examples=25, deadline=None)
@given(st.integers(0, N - 1), st.integers(2, N - 2))
def test_any_message_and_randomness_come_back(message: int, root: int) -> None:
    opening = combine(RECORD, (c := encrypt_with_root(N, message, root)), all_parts(KEY, c))
    assert opening is not None
    assert (opening.plaintext, opening.root) == (message, root)


def test_a_key_with_kappa_and_theta_opens_as_well() -> None:
    p, q = primes()
    theta = 987654321
    order = (p - 1) * (q - 1)
    d = theta * pow(N, -1, order) % order
    offset = 1 << share_offset_bits(N, "test", 3)
    values = [DELTA * d + (offset - 5 * N) * i + (offset + 7 * N) * i * i for i in range(1, 6)]
    base = verification_base(N)
    record = KeyRecord(
        n=N,
        threshold=3,
        epoch=3,
        kappa=DELTA,
        theta=theta,
        verification=tuple(pow(base, DELTA * s, N) for s in values),
        origin="test",
    )
    check_key(record)
    shares = [KeyShare(i, s, KEY.shares[0].key_id) for i, s in enumerate(values, start=1)]
    parts = {s.index: partial_opening(record, s, CIPHERTEXT, ENTROPY) for s in shares}
    opening = combine(record, CIPHERTEXT, parts)
    assert opening is not None
    assert (opening.plaintext, opening.root, opening.culprits) == (123456789, ROOT, ())


def test_parts_made_with_another_delta_open_nothing() -> None:
    parts = {s.index: pow(CIPHERTEXT % N, DELTA // 8 * s.value, N) for s in KEY.shares}
    assert combine(RECORD, CIPHERTEXT, parts) is None


@pytest.mark.parametrize("value", [0, 1, N - 1, N, N + 5, N * N, -4])
def test_a_part_out_of_range_is_refused(value: int) -> None:
    assert refused({**PARTS, 2: value}) == "PART_RANGE"
    with pytest.raises(InvalidEncoding):
        check_part(N, value)


def test_a_part_that_is_no_unit_is_refused() -> None:
    assert refused({**PARTS, 2: 3 * primes()[1]}) == "PART_NOT_UNIT"


@pytest.mark.parametrize("index", [0, -1, 6, 8, 1 + 2**255])
def test_an_index_that_no_auditor_has_is_refused(index: int) -> None:
    assert refused({**PARTS, index: PARTS[1]}) == "PART_INDEX"


@pytest.mark.parametrize("culprit", [1, 2, 3, 4, 5])
def test_a_wrong_part_is_named_and_the_result_stands(culprit: int) -> None:
    opening = combine(RECORD, CIPHERTEXT, {**PARTS, culprit: 1234567})
    assert opening is not None
    assert (opening.plaintext, opening.root) == (123456789, ROOT)
    assert opening.culprits == (culprit,)


@pytest.mark.parametrize("pair", list(combinations(range(1, 6), 2)))
def test_two_wrong_parts_of_five_are_both_named(pair: tuple[int, int]) -> None:
    opening = combine(RECORD, CIPHERTEXT, {**PARTS, pair[0]: 1234567, pair[1]: 7654321})
    assert opening is not None
    assert opening.root == ROOT
    assert opening.culprits == pair


def test_three_wrong_parts_of_five_open_nothing() -> None:
    assert combine(RECORD, CIPHERTEXT, {**PARTS, 1: 11111, 2: 22222, 3: 33333}) is None


def test_a_wrong_part_of_four_is_not_named_before_the_fifth_arrives() -> None:
    parts = {**PARTS, 2: 1234567}
    opening = combine(RECORD, CIPHERTEXT, {i: parts[i] for i in (1, 2, 3, 4)})
    assert opening is not None
    assert (opening.root, opening.culprits) == (ROOT, ())
    opening = combine(RECORD, CIPHERTEXT, parts)
    assert opening is not None
    assert opening.culprits == (2,)


@pytest.mark.parametrize("present", [(1, 2, 3, 4), (1, 2, 3, 4, 5)])
def test_two_auditors_cannot_have_an_honest_one_named(present: tuple[int, ...]) -> None:
    """1 and 2 bend their parts so that they still agree with 3; then 4 and 5 do not fit."""
    first, second = (lagrange(i, (1, 2, 3)) for i in (1, 2))
    bent = {
        **PARTS,
        1: PARTS[1] * powmod(7, second, N) % N,
        2: PARTS[2] * powmod(7, -first, N) % N,
    }
    assert combine(RECORD, CIPHERTEXT, {i: bent[i] for i in (1, 2, 3)}) is not None
    swapped = combine(RECORD, CIPHERTEXT, {i: bent[i] for i in (1, 2, 4)})
    assert swapped is None
    opening = combine(RECORD, CIPHERTEXT, {i: bent[i] for i in present})
    assert opening is not None
    assert opening.root == ROOT
    assert not set(opening.culprits) & {3, 4, 5}


def test_with_threshold_one_each_part_is_judged_by_itself() -> None:
    key = dealt(256, 1, 3)
    ciphertext = encrypt_with_root(key.record.n, 99, 12345)
    opening = combine(key.record, ciphertext, {**all_parts(key, ciphertext), 1: 777})
    assert opening is not None
    assert (opening.root, opening.culprits) == (12345, (1,))


def test_more_wrong_parts_than_the_threshold_foresees_are_named_if_one_account_is_smallest() -> (
    None
):
    key = dealt(256, 2, 5)
    ciphertext = encrypt_with_root(key.record.n, 99, 12345)
    opening = combine(key.record, ciphertext, {**all_parts(key, ciphertext), 1: 777, 4: 778})
    assert opening is not None
    assert opening.culprits == (1, 4)


def test_a_part_of_another_ciphertext_is_named() -> None:
    other = all_parts(KEY, encrypt_with_root(N, 1, root_of_jacobi(N, 1, "other")))
    opening = combine(RECORD, CIPHERTEXT, {**PARTS, 4: other[4]})
    assert opening is not None
    assert opening.culprits == (4,)
    assert combine(RECORD, CIPHERTEXT, other) is None


def test_a_negated_part_changes_nothing_and_is_not_held_against_its_author() -> None:
    expected = combine(RECORD, CIPHERTEXT, PARTS)
    for index in PARTS:
        assert combine(RECORD, CIPHERTEXT, {**PARTS, index: N - PARTS[index]}) == expected
    assert combine(RECORD, CIPHERTEXT, {i: N - c_i for i, c_i in PARTS.items()}) == expected


def test_two_parts_exchanged_are_wrong() -> None:
    opening = combine(RECORD, CIPHERTEXT, {**PARTS, 1: PARTS[2], 2: PARTS[1]})
    assert opening is not None
    assert opening.culprits == (1, 2)


def test_a_ciphertext_that_is_no_unit_is_misuse() -> None:
    with pytest.raises(ValueError, match="ciphertext"):
        partial_opening(RECORD, KEY.shares[0], 7 * primes()[0], ENTROPY)
    with pytest.raises(ValueError):
        combine(RECORD, 7 * primes()[0], PARTS)


@pytest.mark.parametrize(
    ("plaintext", "root"),
    [
        (123456788, ROOT),
        (123456789, ROOT + 1),
        (123456789, N - ROOT),
        (123456789, ROOT + N),
        (123456789 + N, ROOT),
        (123456789 - N, ROOT),
        (123456789, 0),
        (123456789, primes()[0]),
    ],
)
def test_a_false_opening_is_refused(plaintext: int, root: int) -> None:
    with pytest.raises(InvalidProof) as error:
        check_opening(N, CIPHERTEXT, plaintext, root)
    assert error.value.reason == "OPENING"


def test_an_opening_of_the_twin_of_a_ciphertext_is_refused() -> None:
    check_opening(N, CIPHERTEXT, 123456789, ROOT)
    with pytest.raises(InvalidProof):
        check_opening(N, CIPHERTEXT + N * N, 123456789, ROOT)


def test_a_share_fits_its_record() -> None:
    for share in KEY.shares:
        check_share(RECORD, share)


def test_a_share_of_another_key_is_refused_everywhere() -> None:
    other = dealt(256).shares[0]
    for use in (
        lambda: check_share(RECORD, other),
        lambda: partial_opening(RECORD, other, CIPHERTEXT, ENTROPY),
    ):
        with pytest.raises(InvalidProof) as error:
            use()
        assert error.value.reason == "SHARE_KEY"


@pytest.mark.parametrize("index", [0, 6, -1])
def test_a_share_of_nobody_is_refused_everywhere(index: int) -> None:
    share = replace(KEY.shares[0], index=index)
    for use in (
        lambda: check_share(RECORD, share),
        lambda: partial_opening(RECORD, share, CIPHERTEXT, ENTROPY),
    ):
        with pytest.raises(InvalidProof) as error:
            use()
        assert error.value.reason == "SHARE_INDEX"


def test_a_damaged_or_misplaced_share_is_refused() -> None:
    share = KEY.shares[0]
    for wrong in (replace(share, value=share.value + 1), replace(share, index=2)):
        with pytest.raises(InvalidProof) as error:
            check_share(RECORD, wrong)
        assert error.value.reason == "SHARE"


@pytest.mark.parametrize("heads", [-2, -1, 1, 2**40])
def test_a_share_of_another_length_than_its_index_gives_is_refused(heads: int) -> None:
    changed = KEY.shares[0].value + (heads << share_offset_bits(N))
    with pytest.raises(InvalidProof) as error:
        partial_opening(RECORD, replace(KEY.shares[0], value=changed), CIPHERTEXT, ENTROPY)
    assert error.value.reason == "SHARE_RANGE"


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(-(1 << 3000), 1 << 3000).filter(bool),
    st.binary(min_size=32, max_size=32),
)
def test_a_share_comes_back_from_its_bytes(index: int, value: int, key: bytes) -> None:
    share = KeyShare(index, value, key)
    assert KeyShare.from_bytes(share.to_bytes()) == share


DATA = KEY.shares[1].to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:-1],
        DATA[:-20],
        DATA + b"\n",
        DATA + b"x",
        b" " + DATA,
        DATA.replace(b"\n", b"\r\n"),
        DATA.replace(b"index: 2", b"index: 0"),
        DATA.replace(b"index: 2", b"index: 8"),
        DATA.replace(b"index: 2", b"index: 02"),
        DATA.replace(b"value: ", b"value: 0"),
        DATA.replace(b"value: ", b"value: +"),
        DATA.replace(b"v1/key-share", b"v2/key-share"),
        DATA.upper(),
        DATA[:-1] + b"f" * 9000 + b"\n",
        b"\xff" * 300,
    ],
)
def test_a_damaged_share_file_is_refused_and_not_quoted(data: bytes) -> None:
    with pytest.raises(VerificationError) as error:
        KeyShare.from_bytes(data)
    assert error.value.reason == "SHARE_ENCODING"
    assert f"{KEY.shares[1].value:x}"[:12] not in str(error.value)


def test_a_share_does_not_print_copy_or_pickle() -> None:
    share = KEY.shares[0]
    for text in (repr(share), str(share), f"{share}", repr(KEY)):
        assert str(share.value) not in text
        assert f"{share.value:x}" not in text
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(share)
