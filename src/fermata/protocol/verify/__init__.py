"""Offline verification: the bundle, the checks V1 to V12, and one value opened in an audit.

``verify_bundle`` starts from bytes alone and gives every check with its findings; ``build_bundle``
makes a bundle.

    >>> from fermata.protocol.verify.verifier import verify_bundle
    >>> verify_bundle({}, None, 3072).is_valid
    False
"""
