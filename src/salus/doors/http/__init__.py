"""The web door: the ledger's public routes and each member's operator routes; the peer door's."""
