"""CometBFT's block header, commit and validator set, as far as a proof needs them; pure."""
