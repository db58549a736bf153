"""First checks by category, for tickets about which the tenant's records know nothing. General practice, never cited."""

from __future__ import annotations

GENERAL_CHECKS: tuple[str, ...] = (
    "Ask since when it happens, what changed just before, and whether it ever worked.",
    "Ask who else is concerned: one person, one room, one site or all.",
    "Get the exact error text with its time, as a screenshot or copied.",
    "Repeat it together with the requester and note the smallest sequence that shows it.",
    "Write what helped into the resolution, so that the next ticket of this kind finds it.",
)

_LAST = GENERAL_CHECKS[-1]
FIRST_CHECKS: dict[str, tuple[str, ...]] = {
    "network": (
        "Find the extent: one device, one switch, one VLAN or the site; by cable and by Wi-Fi.",
        "On a device concerned: address, gateway and DNS server (`ipconfig /all` or `ip addr`); 169.254.x.x means no DHCP answer.",
        "Ping the gateway, then an outside address, then a name: the first that fails shows where to look.",
        "On the switch port: link state, speed, error counters, VLAN, and the log of the last hour.",
        _LAST,
    ),
    "mail": (
        "Tell sending from receiving, one recipient from all, one client from webmail.",
        "Get the full non-delivery report or the message's headers with the time.",
        "Follow one message in the mail system's message trace.",
        "Check mailbox size, rules, forwarding, and the sign-in log of the account.",
        _LAST,
    ),
    "identity": (
        "Confirm who is asking by a known number before anything is reset.",
        "Read the sign-in log for the account: time, place, application, result code.",
        "Check that the account is enabled, not locked, not expired, and its licences and groups.",
        "Try from another device or a private browser window to separate account from device.",
        _LAST,
    ),
    "printers": (
        "Tell one user from all, one document from all, and print a test page at the device itself.",
        "Check the device: display, paper, covers, network address, reachable by ping.",
        "Look at the queue on the print server: state, waiting jobs, port, driver.",
        "Restart the queue or spooler only after asking whose jobs would be lost.",
        _LAST,
    ),
    "databases": (
        "Get the exact error with number, time, server and database.",
        "Check that the service runs, and the free space of data, log and backup volumes.",
        "Look at connections and the longest running and blocked sessions before ending any.",
        "Find the last good backup before anything is changed.",
        _LAST,
    ),
    "backup": (
        "Read the job's last messages and the time of the last good restore point.",
        "Check free space on the repository and that it can be reached from the backup server.",
        "Check whether the machine was patched, renamed or moved since the last good run.",
        "Run the one failing machine by itself and watch it.",
        _LAST,
    ),
    "vpn": (
        "Tell one user from all, one site from all, and at which step or percentage it stops.",
        "Ask which network the user is on, and try another one (a phone's hotspot).",
        "Read the gateway's log for the user or the peer at that time.",
        "Connected, but nothing reachable: check routes, DNS and the size of packets (MTU).",
        _LAST,
    ),
    "telephony": (
        "Tell inside from outside calls, incoming from outgoing, one phone from all.",
        "Note time and numbers of one failing call.",
        "Check that the phone is registered, its address and its VLAN.",
        "Follow the call in the phone system's log or the provider's trace.",
        _LAST,
    ),
}
