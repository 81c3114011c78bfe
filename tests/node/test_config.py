"""A node's configuration: every mistake is one line that names the file and the place."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fermata.errors import ConfigError
from fermata.node.config import load_config, read_charter
from harness.nodes import COORDINATOR, Site, lay_out


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("config") / "site")


@pytest.fixture
def site(template, tmp_path):
    shutil.copytree(template.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site")


def refused(path, role=None):
    with pytest.raises(ConfigError) as caught:
        load_config(path, role)
    return caught.value


def test_a_good_file_is_read_and_its_paths_are_its_folders(site):
    config = load_config(site.config("lab-1"), "lab")
    assert config.role == "lab"
    assert config.data == site.node("lab-1") / "data"
    assert config.genesis == site.charter


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('party = "lab-1"', 'party = "lab-9"', "line 2: party: must be on the charter's roster"),
        ('party = "lab-1"', "party = 1", "line 2: party: expected `str`, got `int`"),
        (
            'party = "lab-1"',
            'party = "lab-1"\nheartbeat_s = 60',
            "line 3: heartbeat_s: is not a key",
        ),
        ('party = "lab-1"', 'party = "lab-1"\nport = 1', "line 3: port: is not a key"),
        ('party = "lab-1"', 'party = "lab-1', "must be TOML"),
        ('party = "lab-1"\n', "", "object missing required field `party`"),
        ('charter = "charter.toml"', 'charter = ""', "line 1: charter: must be the path"),
        ('charter = "charter.toml"', 'charter = "a\\u0000b"', "line 1: charter: must be the path"),
        ('identity = "keys/identity.txt"', "", "line 4: keys: must have exactly one of identity"),
        (
            'identity = "keys/identity.txt"',
            'identity = "a"\npassphrase_file = "b"',
            "line 4: keys: must have exactly one of identity",
        ),
        ('metrics = "metrics.csv"', 'metrics = "m"\nabsent = "no"', "absent: must be one of wait"),
        ('metrics = "metrics.csv"', 'metric = "m"', "lab.metric: is not a key"),
        ('address = "127.0.0.1:0"', 'address = "127.0.0.1"', "log.address: must be host:port"),
        ('address = "127.0.0.1:0"', 'address = "a:70000"', "log.address: must be host:port"),
        ('log_file = "node.log"', 'address = "x"', "telemetry.address: must be host:port"),
    ],
)
def test_a_bad_line_is_named(site, old, new, said):
    path = site.config("lab-1")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    error = refused(path)
    assert error.reason == "CONFIG"
    assert said in str(error)
    assert str(path) in str(error)


@pytest.mark.parametrize(
    ("party", "table", "said"),
    [
        ("lab-1", "[lab]", "a lab needs a [lab] table"),
        ("lab-1", "[log]", "needs a [log] table"),
        ("auditor-1", "[log]", "needs a [log] table"),
        (COORDINATOR, "[listen]", "a coordinator needs a [listen] table"),
    ],
)
def test_a_role_without_its_table_is_refused(site, party, table, said):
    path = site.config(party)
    head, _, tail = path.read_text().partition(table)
    rest = tail[tail.index("\n[") :] if "\n[" in tail else ""
    path.write_text(head + rest)
    assert said in str(refused(path))


def test_an_auditor_without_a_share_is_refused(site):
    path = site.config("auditor-1")
    path.write_text(path.read_text().replace('share = "keys/share.age"\n', ""))
    assert "needs keys.share" in str(refused(path))


def test_a_command_of_another_role_is_refused(site):
    error = refused(site.config("lab-1"), "auditor")
    assert "must be of role auditor for this command, but lab-1 is lab" in str(error)
    assert "line 2" in str(error)


def test_a_file_that_is_none_is_refused(site, tmp_path):
    assert refused(tmp_path / "none.toml").reason == "FILE_MISSING"
    assert "directory" in str(refused(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").reason == "FILE_KIND"
    (tmp_path / "large").write_bytes(b"#" * 300_000)
    assert refused(tmp_path / "large").reason == "FILE_SIZE"


def test_a_bad_charter_is_named_with_its_line(site):
    path = site.node("lab-1") / "charter.toml"
    path.write_text(path.read_text().replace("threshold = 2", "threshold = 9"))
    error = refused(site.config("lab-1"))
    assert error.reason == "CHARTER"
    assert f"{path}: charter line 7: cryptography.threshold" in str(error)
    path.unlink()
    assert refused(site.config("lab-1")).reason == "FILE_MISSING"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300))
def test_junk_is_a_config_error_and_nothing_else(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("junk") / "junk.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load_config(path)
    with pytest.raises(ConfigError):
        read_charter(path)


def test_a_party_that_joins_names_the_charter_that_has_it(site):
    text = site.charter_file.read_text().replace('id = "lab-3"', 'id = "lab-9"')
    (site.node("lab-3") / "new.toml").write_text(text)
    file = site.config("lab-3")
    file.write_text(file.read_text().replace('"lab-3"', '"lab-9"'))
    assert "must be on the charter's roster" in str(refused(file))
    file.write_text('amended = "new.toml"\n' + file.read_text())
    found = load_config(file, "lab")
    assert found.genesis.sha256 == site.charter.sha256
    assert found.roster.parties["lab-9"].role == "lab"


def test_an_amended_charter_of_another_deployment_is_refused(site):
    text = site.charter_file.read_text().replace('deployment = "nodes"', 'deployment = "others"')
    (site.node("lab-3") / "new.toml").write_text(text)
    file = site.config("lab-3")
    file.write_text('amended = "new.toml"\n' + file.read_text())
    assert "of this deployment" in str(refused(file))


def test_one_receiver_does_not_get_notices_of_the_pause_and_of_governance(site):
    """A scheduler would take a notice without ``is_holding`` for leave to go on."""
    path = site.config("lab-1")
    for line in ('command = ["/bin/true"]', 'url = "https://scheduler.example/"'):
        before = path.read_text()
        path.write_text(f"{before}\n[hook]\n{line}\n\n[governance_hook]\n{line}\n")
        error = refused(path)
        assert "governance_hook: must be another receiver than [hook]" in str(error)
        path.write_text(before)
    apart = '\n[hook]\ncommand = ["/bin/true"]\n\n[governance_hook]\ncommand = ["/bin/false"]\n'
    path.write_text(path.read_text() + apart)
    assert load_config(path).text.governance_hook.command == ("/bin/false",)


HOOKS = [
    ("", "[hook]: hook: must have exactly one of command and url"),
    (
        'command = ["/bin/true"]\nurl = "https://a/"',
        "[hook]: hook: must have exactly one of command",
    ),
    ("command = []", "[hook]: hook: must have exactly one of command and url"),
    ('command = ["true"]', "command: hook.command: must begin with the full path"),
    ('command = ["/bin/true", "\\u0000"]', "command: hook.command: must be in printable"),
    ('command = "/bin/true"', "command: hook.command: expected `array`"),
    ('command = ["/bin/true"]\ntimeout_s = 0', "timeout_s: hook.timeout_s: must be 1 to 3600"),
    ('command = ["/bin/true"]\ntimeout_s = 3601', "timeout_s: hook.timeout_s: must be 1 to 3600"),
    ('command = ["/bin/true"]\nca_file = "a"', "ca_file: hook.ca_file: must be left out unless"),
    ('url = "http://localhost/"\nca_file = "a"', "ca_file: hook.ca_file: must be left out unless"),
    ('url = "https://a/"\nca_file = "\\u0000"', "ca_file: hook.ca_file: must be the path"),
    ('url = "https://a/"\nproxy = "b"', "proxy: hook.proxy: is not a key"),
    ('url = "http://scheduler.example/"', "url: hook.url: must be https"),
    ('url = "http://127.0.0.1.example/"', "url: hook.url: must be https"),
    ('url = "ftp://127.0.0.1/"', "url: hook.url: must be an address such as"),
    ('url = "https://"', "url: hook.url: must be an address such as"),
    ('url = "https://a:0/"', "url: hook.url: must be an address such as"),
    ('url = "https://a:70000/"', "url: hook.url: must be an address such as"),
    ('url = "https://[a/"', "url: hook.url: must be an address such as"),
    ('url = "https://a/b c"', "url: hook.url: must be an address such as"),
    ('url = "https://a/\\r\\nHost: b"', "url: hook.url: must be an address such as"),
    ('url = "https://user:word@a/"', "url: hook.url: must not have a user, password"),
    ('url = "https://a/#b"', "url: hook.url: must not have a user, password or fragment"),
]


@pytest.mark.parametrize("name", ["hook", "governance_hook"])
@pytest.mark.parametrize(("table", "said"), HOOKS)
def test_a_bad_line_of_a_hook_is_named(site, table, said, name):
    path = site.config("lab-1")
    path.write_text(path.read_text() + f"\n[{name}]\n{table}\n")
    said = said.replace("[hook]", f"[{name}]").replace(": hook", f": {name}")
    error = refused(path)
    key, _, rest = said.partition(": ")
    line = 1 + next(
        i for i, text in enumerate(path.read_text().split("\n")) if text.startswith(key)
    )
    assert error.reason == "CONFIG"
    assert f"{path} line {line}: {rest}" in str(error)
    assert "word" not in str(error).partition(": ")[2].replace("password", "")


@pytest.mark.parametrize(
    "table",
    [
        'command = ["/bin/true", "--word"]\ntimeout_s = 5',
        'url = "https://scheduler.example/pause?a=b"\nca_file = "root.pem"',
        'url = "http://127.0.0.1:8080"',
        'url = "http://[::1]:8080/x"',
        'url = "http://localhost/"',
    ],
)
def test_a_good_hook_is_read_for_every_role(site, table):
    for party in ("lab-1", "auditor-1", COORDINATOR):
        path = site.config(party)
        path.write_text(path.read_text() + f"\n[hook]\n{table}\n")
        assert load_config(path).text.hook is not None


DENY_LIST = 'deny_list = "denied.txt"\n'
AUTHORITIES = '[[listen.authorities]]\nfile = "lab-1-ca.pem"\nparties = ["{}"]\n'


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        (AUTHORITIES.format("lab/lab-1"), "needs deny_list"),
        (DENY_LIST + AUTHORITIES.format("lab-1"), "a role and an id"),
        (DENY_LIST + AUTHORITIES.format("lab"), "a role and an id"),
        ('authority = "authority"\n' + DENY_LIST, "must be left out"),
    ],
)
def test_authorities_are_for_named_parties_that_can_be_refused(site, listen, said):
    path = site.config("oversight")
    before = path.read_text().partition("[listen]")[0]
    path.write_text(f"{before}\n[listen]\n{listen}")
    error = refused(path)
    assert error.reason == "CONFIG"
    assert said in str(error)


@pytest.mark.parametrize(
    ("party", "table", "said"),
    [
        ("lab-1", '[listen]\naddress = "127.0.0.1:0"', "listen: is for the coordinator, and for"),
        ("auditor-1", '[silence.auditors]\nauditor-2 = "a:1"', "silence: is for labs only"),
        ("lab-1", "[silence]", "required field `auditors`"),
        ("lab-1", '[silence.auditors]\nauditor-1 = "there"', "auditor-1: must be host:port"),
        ("auditor-1", '[listen]\nauthority = "a"', "listen: must have no authority"),
        ("auditor-1", '[listen]\nenrolment = "127.0.0.1:0"', "listen: must have no authority"),
        ("auditor-1", "[listen]\nreflection = true", "listen: must have no authority"),
    ],
)
def test_the_tables_for_silence_are_each_for_one_role(site, party, table, said):
    path = site.config(party)
    path.write_text(f"{path.read_text()}\n{table}\n")
    assert said in str(refused(path))


def test_an_auditor_may_listen_and_a_lab_may_name_auditors(site):
    for party, table in {
        "auditor-1": '[listen]\naddress = "127.0.0.1:0"',
        "lab-1": '[silence.auditors]\nauditor-1 = "a.example:7440"',
    }.items():
        path = site.config(party)
        path.write_text(f"{path.read_text()}\n{table}\n")
    assert load_config(site.config("auditor-1")).text.listen.address == "127.0.0.1:0"
    assert load_config(site.config("lab-1")).text.silence.auditors == {
        "auditor-1": "a.example:7440"
    }
