"""Passphrases: by prompt or from a file descriptor, never by argument or environment (S15)."""

import os
from typing import Annotated

import typer

PassphraseFd = Annotated[
    int | None,
    typer.Option("--passphrase-fd", help="Read the passphrase from this descriptor.", metavar="N"),
]

PASSPHRASE_BYTES_MAX = 1024


def ask_passphrase(words: str, file: int | None, *, is_new: bool = False) -> bytes:
    """The passphrase, without a final newline; a new one is asked for twice."""
    if file is not None:
        return os.read(file, PASSPHRASE_BYTES_MAX).removesuffix(b"\n")
    text: str = typer.prompt(words, hide_input=True, confirmation_prompt=is_new, err=True)
    return text.encode()
