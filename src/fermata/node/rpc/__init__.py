"""The log service and its clients over gRPC and mutual TLS.

Contract, guard, limits, status codes.
"""
