"""The outside world's languages: pure parse, check and translate; imports `base` only."""
