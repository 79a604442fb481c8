"""A process that measures: it logs only what goes wrong, and collects garbage as a node does."""

import logging

import structlog

from salus.node.process import settle


def prepare() -> None:
    """Call once, before the first ledger is opened."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settle()
