"""The deterministic whole: (state, block) -> (state, receipts). No I/O, clock or randomness."""
