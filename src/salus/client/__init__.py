"""What a member's or patient's software needs; it trusts no node."""
