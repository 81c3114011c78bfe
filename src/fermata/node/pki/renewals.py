"""When the coordinator renews a certificate over the network: in time, and not without end."""

import threading

from fermata.errors import Refusal
from fermata.node.pki.authority import Authority
from fermata.node.pki.certificates import certificate_to_pem, key_of_csr
from fermata.node.pki.identity import Identity, not_after_ms
from fermata.node.pki.tls import needs_renewal

#: Certificates of one party that are not yet due, after which no more are renewed: a node whose
#: answer was lost asks again, under another key.
YOUNG_MAX = 4


class Renewals:
    """Renewals by an authority that any certified caller may ask for. Thread-safe.

    What was issued is read from the authority's folder, so that a restart changes nothing.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._lock = threading.Lock()

    def renew(self, identity: Identity, csr_der: bytes) -> bytes:
        """The chain (PEM) for the key of the request; for a key that has one, the same again.

        Raises Refusal TOO_EARLY unless a certificate of the party has passed two thirds of its
        life, or if ``YOUNG_MAX`` were made since; and as ``Authority.issue`` does.
        """
        public = key_of_csr(csr_der)
        authority, now_ms = self._authority, self._authority.clock()
        with self._lock:
            held = [
                certificate
                for certificate in authority.issued_to(identity)
                if not_after_ms(certificate) > now_ms
                and not authority.is_denied(identity, certificate.serial_number)
            ]
            young = [certificate for certificate in held if not needs_renewal(certificate, now_ms)]
            for certificate in young:
                if certificate.public_key() == public:
                    return certificate_to_pem(certificate) + authority.root_pem
            if len(young) >= YOUNG_MAX or (young and len(young) == len(held)):
                raise Refusal(
                    "TOO_EARLY",
                    f"renewal: {identity.uri} has a certificate that is not due;"
                    " renew after two thirds of its life",
                )
            return authority.issue(identity, csr_der)
