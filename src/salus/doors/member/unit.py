"""
A member's systemd unit, made from what the program knows: its places, its command, its exit codes.

`deploy/systemd/salus@.service` is the one of the usual places, for any member of `/etc/salus`.
"""

from dataclasses import dataclass
from pathlib import Path

from salus.base.errors import Category
from salus.doors.member.serving import OPEN_S
from salus.doors.problems import WRONG_USE_EXIT
from salus.node.settings import Place

STOP_S = 90
"""systemd's own default: a block under way, memtables written out, CometBFT's ten seconds."""

LONGEST_S = 600
STARTS_MAX = 5
"""So many starts in so long, then a person has to look."""


@dataclass(frozen=True)
class Places:
    """Where a member's things are on its machine; `%i` stands for its short name."""

    program: str = "/opt/salus/.venv/bin/salus"
    config: str = "/etc/salus/%i.toml"
    passphrase: str = "/etc/salus/%i.passphrase"  # noqa: S105 (a file's place)
    written: tuple[str, ...] = ("/etc/salus/keys",)
    """Folders outside /var/lib/salus that the node writes: its certificates stand by its keys."""

    name: str = "%i"


def places_of(place: Place, config: Path, program: Path) -> Places:
    """The places of one member's configuration file."""
    folders = [place.home, place.path(place.settings.member.keys)]
    if place.comet is not None:
        folders.append(place.comet.folder)
    return Places(
        program=str(program.absolute()),
        config=str(config.absolute()),
        passphrase=str(config.absolute().with_suffix(".passphrase")),
        written=tuple(str(folder.absolute()) for folder in folders),
        name=place.settings.member.name,
    )


def unit(places: Places) -> str:
    """The unit's text; `systemd-analyze verify` takes it."""
    looked_at = sorted(
        {WRONG_USE_EXIT, Category.MALFORMED.exit_code, Category.UNSUPPORTED.exit_code}
    )
    codes = " ".join(map(str, looked_at))
    return f"""\
# Written by `salus deploy unit`. {_use(places)}
#
# The passphrase of the keys is a systemd credential, made once by
#   systemd-ask-password -n | systemd-creds encrypt --name=passphrase - {_shown(places.passphrase)}
# and reaches the program by a descriptor: never an argument, never the environment.

[Unit]
Description=Salus member {places.name}
Documentation=file:/opt/salus/docs/guides/operate.md
Wants=network-online.target time-sync.target
After=network-online.target time-sync.target
StartLimitIntervalSec={LONGEST_S}
StartLimitBurst={STARTS_MAX}

[Service]
Type=exec
User=salus
Group=salus
WorkingDirectory=/var/lib/salus
StateDirectory=salus
StateDirectoryMode=0700
CacheDirectory=salus
UMask=0077
Environment=XDG_CACHE_HOME=/var/cache
LoadCredentialEncrypted=passphrase:{places.passphrase}
ExecStart=/bin/sh -c 'exec {places.program} node run {places.config} --passphrase-fd 3 \
3<"$CREDENTIALS_DIRECTORY/passphrase"'
KillSignal=SIGTERM
TimeoutStopSec={STOP_S}

# {Category.FAULT.exit_code}: a write failed, and the start checks what the disk holds. \
{Category.UNAVAILABLE.exit_code}: a port, peer or full disk, try again.
# {", ".join(map(str, looked_at))}: a person has to look first.
Restart=on-failure
RestartSec={OPEN_S / 2:.0f}
RestartPreventExitStatus={codes}

LimitNOFILE=65536
LimitCORE=0
OOMScoreAdjust=-500

CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
{_writable(places)}ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def _use(places: Places) -> str:
    if places.name == "%i":
        return "`systemctl enable --now salus@north` runs /etc/salus/north.toml."
    name = f"salus-{places.name}.service"
    return f"Put it into /etc/systemd/system/{name}: `systemctl enable --now {name}`."


def _writable(places: Places) -> str:
    """What is missing is no reason not to start: the program says so better."""
    return "".join(f"ReadWritePaths=-{one}\n" for one in places.written)


def _shown(path: str) -> str:
    return path.replace("%i", "north")
