"""Offline verification.

The bundle, the checks V1 to V12, and one value opened in an audit on site.
"""
