"""Batches of sealed records: committed only once enough members hold them."""
