"""ABCI 2.0 and the CometBFT program: what stands between the machine and consensus."""
