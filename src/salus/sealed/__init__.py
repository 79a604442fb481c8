"""What travels sealed or signed outside the ledger's state; imports `base` alone."""
