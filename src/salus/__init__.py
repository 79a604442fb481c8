"""Salus: a health ledger that its members run together."""
