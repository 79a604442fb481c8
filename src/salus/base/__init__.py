"""The pure ground all of Salus stands on; imports nothing of ours."""
