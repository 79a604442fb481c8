"""A member's vault: sealed containers, sheets and packages, opened by nobody here."""
