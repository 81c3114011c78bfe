"""No charter can name successors while no node hands a log over (succession.md)."""

import pytest

from fermata.errors import ConfigError
from fermata.protocol.charter.parse import parse_charter
from harness.chains import MODULUS_BITS_MIN
from harness.deployments import make_deployment


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("[succession]\nsuccession_s = 3600\n", "succession"),
        ('[[successor]]\nid = "second"\norganisation = "o"\nsigning_key = ""\n', "successor"),
    ],
)
def test_a_charter_that_names_successors_is_refused(addition: str, key: str) -> None:
    data = make_deployment().charter_data + b"\n" + addition.encode()
    with pytest.raises(ConfigError, match=key) as caught:
        parse_charter(data, MODULUS_BITS_MIN)
    assert caught.value.reason == "CHARTER"
    assert "is not a key of this table" in str(caught.value)
