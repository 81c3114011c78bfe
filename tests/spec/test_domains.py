"""Nothing in the source is hashed, signed or absorbed that docs/spec/bytes.md does not have."""

import re
from pathlib import Path

import pytest

from harness.spec.source_hashes import DOMAIN, domains, hashing_functions, labels

SPEC = Path(__file__).parents[2] / "docs" / "spec"
PAGE = (SPEC / "bytes.md").read_text()
CODE = set(re.findall(r"`([^`]+)`", PAGE))
#: No other machine sees what these make ("What stays on one machine").
LOCAL = "local"
#: Which recipe of the page each function follows that hashes or signs.
FOLLOWS = {
    "assessment.calibration.seed_of": "calibration",
    "crypto.group._generator_bytes": LOCAL,
    "cli.govern.charter_changes.charter_text": "charter-hash",
    "crypto.group.hash_generator": "fermata/v1/generators",
    "crypto.integers.hash_to_zn": "encryption-base",
    "crypto.paillier.__post_init__": "encryption-base",
    "crypto.report.batch.batch_weights": "batch-weights",
    "crypto.report.batch.verify_batch": LOCAL,
    "crypto.report.challenges.__init__": "report-proof-prefix",
    "crypto.report.codec.sha256": "ciphertext-digest",
    "crypto.report.proof_cache.proof_digests": LOCAL,
    "crypto.report.prover.__call__": "fermata/v1/report-nonces",
    "crypto.report.prover.mix": "fermata/v1/report-nonces",
    "crypto.report.statements.__post_init__": "statements",
    "crypto.report.value_opening._challenge": "fermata/v1/value-opening",
    "crypto.signing.sign": "signature",
    "crypto.threshold.ceremony.private_bodies._derive": "ceremony-secret",
    "crypto.threshold.ceremony.private_bodies.commit": "ceremony-commitment",
    "crypto.threshold.ceremony.private_bodies.info": "ceremony-sealed",
    "crypto.threshold.drill.drill_commitment": "drill-commitment",
    "crypto.threshold.drill.drill_root": "drill-root",
    "crypto.threshold.factor_proof._base": "factor-proof-base",
    "crypto.threshold.factor_proof._challenge": "factor-proof-challenge",
    "crypto.threshold.key_record.epoch_id": "epoch-id",
    "crypto.threshold.key_record.key_id": "key-id",
    "crypto.threshold.key_record.verification_base": "verification-base",
    "crypto.threshold.reshare.ceremony._complaints": "sub-share-hash",
    "crypto.threshold.reshare.ceremony._own_deal": "sub-share-hash",
    "crypto.threshold.reshare.dealing.__call__": LOCAL,
    "crypto.threshold.reshare.dealing.__init__": LOCAL,
    "crypto.threshold.reshare.judgement.judge_answers": "sub-share-hash",
    "crypto.threshold.reshare.outcome.dealt_sha256": "reshare-dealt",
    "crypto.threshold.reshare.plan.digest": LOCAL,
    "crypto.threshold.reshare.turns.complaints_from_bytes": "sub-share-hash",
    "crypto.threshold.reshare.turns.of": "sub-share-hash",
    "crypto.threshold.keygen.generation.step": "fermata/v1/keygen-transcript",
    "crypto.threshold.keygen.steps.base.commitment_to": "fermata/v1/keygen-commitment",
    "crypto.threshold.keygen.steps.base.finish": "fermata/v1/keygen-session",
    "crypto.threshold.keygen.steps.base.seed_leaf": "fermata/v1/keygen-seeds",
    "crypto.threshold.keygen.steps.base.seeds_root": "fermata/v1/keygen-seeds",
    "crypto.threshold.keygen.steps.final.test_ciphertexts": "fermata/v1/keygen-test",
    "crypto.threshold.keygen.steps.state.digest": "fermata/v1/keygen-session",
    "crypto.threshold.keygen.work.biprimality.base_of": "fermata/v1/keygen-base",
    "crypto.threshold.keygen.work.draws.bytes": "fermata/v1/keygen-draw",
    "crypto.threshold.keygen.work.pieces.digest_of_leaves": "fermata/v1/keygen-private",
    "crypto.threshold.keygen.work.pieces.leaf_of": "fermata/v1/keygen-private",
    "crypto.threshold.modulus_proof._challenges": "modulus-proof-challenge",
    "crypto.threshold.modulus_proof._weights": "modulus-proof-weights",
    "crypto.transcript.__init__": "report-proof-prefix",
    "crypto.transcript.digest_parts": "key-id",
    "log.checkpoint._key_id": "note-key-id",
    "log.checkpoint.cosign": "cosignature-line",
    "log.checkpoint.sign_checkpoint": "checkpoint-line",
    "log.merkle.leaf_hash": "leaf-hash",
    "log.merkle.node_hash": "node-hash",
    "memory_store.envelope_sha256_of": "envelope-hash",
    "memory_store.put_sealed": "sealed-part-hash",
    "node.ceremony.ending.sign": "dsse",
    "node.ceremony.items.post_pieces": "ceremony-seen",
    "node.ceremony.outgoing.items_of": "ceremony-seen",
    "node.ceremony.participant._begin": "dsse",
    "node.ceremony.participant._body": "ceremony-seen",
    "node.ceremony.participant._received": "ceremony-seen",
    "node.ceremony.participant.run": "dsse",
    "node.ceremony.relay_folder._check_bodies": "ceremony-seen",
    "node.ceremony.relay_folder._keep": "ceremony-seen",
    "node.ceremony.relay_folder.post": "ceremony-seen",
    "node.ceremony.epochs.sign_record._chosen": "retirement",
    "node.ceremony.epochs.sign_record._statement": "ceremony-seen",
    "node.ceremony.take_part._take_home": "ceremony-seen",
    "node.ceremony.take_part.cancel": "dsse",
    "node.ceremony.take_part.read_record": "ceremony-seen",
    "node.hook.governance_notice.governance_key": "governance-notice",
    "node.hook.notice.idempotency_key": "notice",
    "node.hook.notice.open_payload": "canonical-json",
    "node.hook.notice.seal_payload": "canonical-json",
    "node.hook.silence_notice.silence_key": "silence-notice",
    "node.pki.certificates.make_csr": LOCAL,
    "node.pki.certificates.make_leaf": LOCAL,
    "node.pki.certificates.make_root": LOCAL,
    "node.pki.identity.fingerprint_of": "root fingerprint",
    "node.opener.__main__._signature": "opening",
    "node.opener.__main__.signed": "opening",
    "node.opener.offline.fetch_sealed": "sealed-part-hash",
    "node.opener.opening_file.decode_opening": "dsse",
    "node.opener.task_file.decode_task": "opening-task",
    "node.pki.token_key._signed": "signature",
    "node.pki.tokens._hash": LOCAL,
    "node.rpc.guard._fingerprint": LOCAL,
    "node.run.parts.check_log_charter": "charter-hash",
    "node.storage.evidence.keep_evidence": LOCAL,
    "node.joining.hand_in._recipient_message": "dsse",
    "node.joining.hand_in.open_hand_in": "dsse",
    "node.joining.hand_in.seal_hand_in": "dsse",
    "node.joining.hand_in.sign_recipient": "dsse",
    "node.joining.keyless._made_up": LOCAL,
    "node.joining.keyless.keyless_sha256": "keyless-hash",
    "node.joining.setup_folder._keep_signature": "dsse",
    "node.storage.pleas._id_of": LOCAL,
    "node.storage.database.rows.row_digest": LOCAL,
    "node.storage.signatures._read_one": "dsse",
    "node.storage.signatures.sign_file": "dsse",
    "node.storage.database.row_store.extend": "sealed-part-hash",
    "node.storage.database.row_store.put_sealed": "sealed-part-hash",
    "node.storage.bundles._ceremonies_of": "ceremony-seen",
    "protocol.verify.key_checks.findings_v2": "ceremony-seen",
    "protocol.ceremony.evidence._is_own": "ceremony-seen",
    "protocol.ceremony.evidence.body": "ceremony-seen",
    "protocol.ceremony.messages.payload_hash": "ceremony-seen",
    "protocol.ceremony.messages.signer_of": "dsse",
    "protocol.ceremony.plan.id": "ceremony-id",
    "protocol.ceremony.record._place_of_any": LOCAL,
    "protocol.charter.parse.parse_charter": "charter-hash",
    "protocol.fold.governance.retire.check_retires": "retirement",
    "protocol.fold.governance.retire.record_digest": "record-digest",
    "protocol.fold.governance.retire.sign": "retirement",
    "protocol.roles.auditor.give_up": "retirement",
    "protocol.fold.apply._charter": "charter-hash",
    "protocol.fold.entry.envelope_sha256": "envelope-hash",
    "protocol.wire.plea_file.envelope_sha256": "envelope-hash",
    "protocol.fold.reports.part_to_wire": "ciphertext-digest",
    "protocol.fold.reports.check_sealed": "sealed-part-hash",
    "protocol.fold.reports.make_report": "sealed-part-hash",
    "protocol.fold.round_rules.aggregate_digest": "aggregate",
    "protocol.roles.coordinator._sealed_of": "sealed-part-hash",
    "protocol.roles.auditor._fetch": "sealed-part-hash",
    "protocol.roles.log_writer._append": "sealed-part-hash",
    "protocol.roles.log_writer.report_check": "sealed-part-hash",
    "protocol.verify.verifier._fold_charter": "charter-hash",
    "protocol.wire.codec.sha256": "charter-hash",
    "protocol.wire.envelope.charter_message": "dsse",
    "protocol.wire.envelope.check_signatures": "dsse",
    "protocol.wire.envelope.seal": "dsse",
    "protocol.wire.refusals.open_refusal": "refusal",
    "protocol.wire.refusals.seal_refusal": "refusal",
    "protocol.wire.report_secrets.evidence_commitment": "evidence-commitment",
    "protocol.wire.report_secrets.evidence_sha256": "evidence",
    "crypto.libcrypto._test_number": LOCAL,
    "crypto.libcrypto.check_known_answers": LOCAL,
    "memory_store.replace": "envelope-hash",
    "node.opener.share_backup.set_aside": LOCAL,
    "protocol.roles.succession.own_parts.look": "sealed-part-hash",
    "protocol.roles.succession.own_parts.part": "sealed-part-hash",
    "protocol.roles.succession.sealed_parts._first_of": "sealed-part-hash",
    "protocol.roles.succession.sealed_parts.take": "sealed-part-hash",
    "node.process.code_sha256": LOCAL,
    "node.storage.database.row_store.replace": "envelope-hash",
    "node.storage.snapshots.body.read_body": LOCAL,
    "node.storage.snapshots.body.write_body": LOCAL,
    "protocol.ceremony.disputes.liar_of": "sub-share-hash",
    "summary.amendment_words._authorities": LOCAL,
}


def test_every_function_that_hashes_or_signs_follows_a_recipe_of_the_page() -> None:
    assert hashing_functions() == FOLLOWS.keys()


@pytest.mark.parametrize("recipe", sorted(set(FOLLOWS.values()) - {LOCAL}))
def test_a_recipe_that_a_function_follows_is_on_the_page(recipe: str) -> None:
    assert recipe in CODE


def test_every_domain_string_of_the_source_is_on_the_page() -> None:
    found = domains()
    assert len(found) >= 20
    assert found - set(DOMAIN.findall(PAGE)) == set()


@pytest.mark.parametrize("page", ["bytes.md", "README.md"])
def test_every_domain_string_of_a_page_is_in_the_source(page: str) -> None:
    assert set(DOMAIN.findall((SPEC / page).read_text())) - domains() == set()


def test_every_label_of_a_transcript_is_on_the_page() -> None:
    transcripts = PAGE.partition("## Transcripts")[2].partition("## Where")[0]
    found = labels()
    assert {"beta", "auditor", "resp", "T"} <= found
    numbered = {label + "0" if label == "T" else label for label in found}
    assert numbered - set(re.findall(r"`([A-Za-z0-9]+)`", transcripts)) == set()
