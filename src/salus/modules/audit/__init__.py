"""Accesses to research data sets, as append-only provable lines."""
