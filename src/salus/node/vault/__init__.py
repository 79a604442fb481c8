"""A member's vault: sealed containers, sheets and packages, kept for all and opened by nobody here."""
