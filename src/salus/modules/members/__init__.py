"""Who takes part: organisations, their keys, and the people who act for them."""
