"""A member's witness: shares of network locks, released only against final intents, and logged."""
