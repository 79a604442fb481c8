"""What patients allow: tags, grants, stops, intents of readers, and the seats of witnesses."""
