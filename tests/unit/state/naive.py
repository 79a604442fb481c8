"""The state tree by its definition, row by row: slow, and too short to be wrong."""

from collections.abc import Mapping

from salus.state.proof import EMPTY, leaf_of, node_of, path_of, value_hash_of


def root_of(rows: Mapping[bytes, bytes]) -> bytes:
    """The root over state key -> value."""
    return _subtree([(path_of(key), value_hash_of(value)) for key, value in rows.items()], 0)


def _subtree(rows: list[tuple[bytes, bytes]], depth: int) -> bytes:
    if not rows:
        return EMPTY
    if len(rows) == 1:
        return leaf_of(*rows[0])
    halves: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]] = ([], [])
    for row in rows:
        halves[row[0][depth // 8] >> (7 - depth % 8) & 1].append(row)
    return node_of(_subtree(halves[0], depth + 1), _subtree(halves[1], depth + 1))
