"""Auditors go through a ceremony together, over a relay that keeps files."""

import pytest

from harness.ceremony.table import AUDITORS, Table


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


def test_all_take_home_one_record_of_a_ceremony_that_is_done(table):
    out = table.run()
    records = {a: table.check(f) for a, f in out.items()}
    assert len({f.record for f in out.values()}) == 1
    for checked in records.values():
        assert checked.outcome == "done"
        assert checked.is_usable
        assert not checked.culprits
        assert not checked.absent
        assert not checked.relay
        assert checked.turns == 3
    publics = {table.results[a][0][0] for a in AUDITORS}
    assert publics == {records["auditor-1"].public_result}
    assert len({table.results[a][0][1] for a in AUDITORS}) == 3
    for auditor in AUDITORS:
        assert not list((table.root / auditor).iterdir())
