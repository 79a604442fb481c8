"""One member's node behind its web door, in a process that is nothing else; used by `http`."""

import sys
from pathlib import Path

from bench.network import first_member
from bench.quiet import prepare
from bench.rows.module import add_to_chain
from salus.doors.http.app import create_app
from salus.doors.http.member import MemberDoor
from salus.doors.http.serve import serve
from salus.node.node import Node, NodeSettings


def main() -> None:
    """Serve `folder`, a ledger of the genesis in `file`, on `port`; a line on stdout when open."""
    folder, file, port = sys.argv[1:]
    prepare()
    add_to_chain()
    keys = first_member()
    settings = NodeSettings(
        folder=Path(folder), genesis=Path(file).read_bytes(), orderer=keys.member
    )
    node = Node(settings, keys, {})
    try:
        app = create_app([MemberDoor("bench", node)])
        serve(app, port=int(port), started=lambda: print("open", flush=True))
    finally:
        node.close()


if __name__ == "__main__":
    main()
