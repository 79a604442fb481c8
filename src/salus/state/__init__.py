"""The authenticated state: typed tables, one block's changes, the tree, its proofs, the store."""
