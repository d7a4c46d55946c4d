"""Written by api/sdk. Do not edit."""

VERSION = "1.1.0"
"""The version of the contract and of this package."""
