"""The deployment's own certificates: who may speak to the log, under which identity.

``identity`` says what a certificate proves; ``authority`` issues certificates and ``tokens``,
``deny_list`` takes them back; ``enrolment`` gets a node its first certificate from
``enrolment_service``; ``tls_files`` keeps and renews what a node has.
"""
