"""Offline audit: one member's stopped folder, read anew and compared with what it must be."""
