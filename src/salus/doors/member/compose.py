"""
The compose file of four demo members, made from what the program knows of them.

`deploy/compose.yaml` is what this gives. JSON is YAML (1.2): a list of words is written as JSON.
"""

import json

from salus.doors.member.layout import Seat, container_seats

FOLDER = "/var/lib/salus/four"
"""In the volume that all demo members share."""

FIRST_PORT = 8081
"""On the host; the other members' follow."""

READY = "import urllib.request as r; r.urlopen('http://127.0.0.1:{}/health/ready', timeout=5)"


def compose() -> str:
    """The file's text; `docker compose config` takes it."""
    seats = container_seats()
    ready = json.dumps(READY.format(seats[0].api_port))
    members = "\n".join(_member(seat, number) for number, seat in enumerate(seats))
    plan = json.dumps(["node", "demo", FOLDER, "--containers"])
    return f"""\
# Written by `salus deploy compose`: four demo members, each in a container of its own.
#
# docker compose -f deploy/compose.yaml up
#
# `plan` writes keys, genesis and configuration once; a real network's members make their own, each
# on its own machine (docs/guides/operate.md). Every member sees the demo's whole volume: a demo.

name: salus

x-member: &member
  image: salus
  build:
    context: ..
    dockerfile: deploy/Dockerfile
  restart: on-failure:5
  stop_grace_period: 90s
  depends_on:
    plan:
      condition: service_completed_successfully
  volumes:
    - network:/var/lib/salus
  read_only: true
  tmpfs:
    - /tmp
  cap_drop:
    - ALL
  security_opt:
    - no-new-privileges:true
  healthcheck:
    test: ["CMD", "python", "-c", {ready}]
    interval: 10s
    timeout: 6s
    retries: 6
    start_period: 30s

services:
  plan:
    image: salus
    build:
      context: ..
      dockerfile: deploy/Dockerfile
    command: {plan}
    volumes:
      - network:/var/lib/salus

{members}
  prometheus:
    image: prom/prometheus:v3.5.0
    profiles: [watch]
    volumes:
      - ./prometheus:/etc/prometheus:ro

  grafana:
    image: grafana/grafana:12.1.0
    profiles: [watch]
    ports:
      - "127.0.0.1:3000:3000"
    volumes:
      - ./grafana:/etc/grafana/provisioning/dashboards:ro
      - ./grafana/prometheus.yaml:/etc/grafana/provisioning/datasources/prometheus.yaml:ro

volumes:
  network:
"""


def _member(seat: Seat, number: int) -> str:
    """A member's service; the first one orders, and begins the ledger."""
    new = [] if number else ["--new"]
    command = json.dumps(["node", "run", f"{FOLDER}/{seat.name}.toml", *new])
    return f"""\
  {seat.name}:
    <<: *member
    command: {command}
    ports:
      - "127.0.0.1:{FIRST_PORT + number}:{seat.api_port}"
"""
