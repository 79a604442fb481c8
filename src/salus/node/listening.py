"""Whether a port can be listened on, tried before anything is opened."""

import socket

from salus.base.errors import Category, Problem


def check_free(host: str, port: int) -> None:
    """Raise Problem PortInUse if somebody listens there, or this machine has no such address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise Problem(
                Category.UNAVAILABLE,
                "PortInUse",
                f"cannot listen on {host}:{port} ({error.strerror}): stop what listens there, or "
                "choose another port in the configuration",
                port=port,
            ) from None
