"""Every name below localhost is this machine, as in browsers: what the scanners look up goes through here."""

import socket

_getaddrinfo = socket.getaddrinfo


def _at_home(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name.endswith(".localhost"):
        host = "127.0.0.1"
    return _getaddrinfo(host, *args, **kwargs)


socket.getaddrinfo = _at_home
