"""Whether a port can be listened on, tried before anything is opened."""

import socket

from salus.base.errors import Category, Problem


def check_free(host: str, port: int) -> None:
    """Raise Problem PortInUse if somebody listens there, or this machine has no such address."""
    why = why_not(host, port)
    if why is not None:
        raise Problem(
            Category.UNAVAILABLE,
            "PortInUse",
            f"cannot listen on {host}:{port} ({why}): stop what listens there, or choose another "
            "port in the configuration",
            port=port,
        )


def why_not(host: str, port: int) -> str | None:
    """The system's words for why nobody can listen there now; None if one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            return error.strerror
    return None
