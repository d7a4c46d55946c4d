"""Written by api/sdk. Do not edit."""

VERSION = "2.0.0"
"""The version of the contract and of this package."""
