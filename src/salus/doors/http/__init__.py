"""The web door: the ledger's public routes, the peer door, and each member's operator routes."""
