"""`salus demo` and `salus up`: a network of four members in this process."""

from pathlib import Path
from typing import Annotated

import structlog
import typer

from salus.doors.cli.network import DATA as NETWORK_DATA
from salus.doors.cli.network import find_comet
from salus.doors.demo.comet import CometNetwork
from salus.doors.demo.network import DemoNetwork, Member
from salus.doors.demo.screen import Screen
from salus.doors.demo.tour import Tour
from salus.doors.http.app import create_app
from salus.doors.http.member import MemberDoor
from salus.doors.http.serve import serve

PATIENTS = 61
"""All sample patients."""

Data = Annotated[Path, typer.Option(help="Folder of the demo network; made if new.")]
Port = Annotated[int, typer.Option(help="Port of the API on this machine.", min=1, max=65_535)]

DATA = Path("salus-demo")


def demo(
    *,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the demo network, salus-demo or salus-network; made if new."),
    ] = None,
    votes: Annotated[
        bool,
        typer.Option(
            "--network", help="Blocks are ordered by four CometBFT processes that vote on each."
        ),
    ] = False,
    patients: Annotated[
        int, typer.Option(help="How many sample patients to bring in.", min=1, max=PATIENTS)
    ] = PATIENTS,
    keep_running: Annotated[
        bool, typer.Option("--serve", help="Keep the API running after the tour.")
    ] = False,
    port: Port = 8080,
) -> None:
    """
    Take the guided tour: four members, real records, one grant from its birth to its end.

    With --network each member runs a CometBFT process of its own, built once where there is none;
    nodes and gateways stay in this process. `salus network up` starts the same folder as processes.

    Example: salus demo --patients 10 --serve
    """
    screen = Screen()
    network = _voting(data or NETWORK_DATA) if votes else DemoNetwork(data or DATA)
    try:
        Tour(network, screen, patients).run()
        if keep_running:
            _serve(network, screen, port)
    finally:
        network.close()


def up(*, data: Data = DATA, port: Port = 8080) -> None:
    """
    Start the demo network without the tour, and serve its API until ctrl-c.

    Example: salus up --data ./salus-demo --port 8080
    """
    screen = Screen()
    network = DemoNetwork(data)
    try:
        network.start()
        _serve(network, screen, port)
    finally:
        network.close()


def _voting(data: Path) -> CometNetwork:
    find_comet()
    return CometNetwork(data)


def _serve(network: DemoNetwork, screen: Screen, port: int) -> None:
    doors = [_door(network, member) for member in network]
    screen.step(
        f"The API runs on http://localhost:{port}",
        "Stop it with ctrl-c. In another terminal, try:",
    )
    where = f"--url http://localhost:{port} --data {network.folder}"
    for command in (
        f"salus patients --as north {where}",
        f"salus grant --as north --to south --share labs --for 7d --patient HANDLE {where}",
        f"salus verify {network.folder}/revoked.salus-proof --trust {network.folder}/trust.json",
    ):
        screen.console.print(f"    [bold]{command}[/]")
    structlog.get_logger().info("serving", port=port)
    serve(create_app(doors), port=port)


def _door(network: DemoNetwork, member: Member) -> MemberDoor:
    name = member.cast.name
    return MemberDoor(
        name=name,
        node=member.node,
        gateway=member.gateway,
        operator_token=network.token(name),
    )
