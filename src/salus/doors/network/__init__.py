"""A network on one machine: each member a process with a CometBFT of its own, kept running."""
