"""
A process that appends to a journal until it is stopped, and says what is acknowledged.

    python tests/faults/journal/appender.py FOLDER COUNT

Prints each height after its append returned; so what was printed must survive any death.
"""

import sys
from pathlib import Path
from random import Random

from salus.node.journal import Journal

NETWORK = b"\x11" * 32
SEGMENT_BYTES = 64 * 1024


def payload(height: int) -> bytes:
    """What stands at a height: up to 4 KiB that do not shrink."""
    random = Random(height)
    return random.randbytes(random.randrange(4096))


def main() -> None:
    """Append COUNT records above what is there."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    journal = Journal.open(folder, NETWORK, segment_bytes=SEGMENT_BYTES)
    for height in range(journal.tip_height + 1, journal.tip_height + count + 1):
        journal.append(height, payload(height))
        sys.stdout.write(f"{height}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
