"""The one cipher suite that servers of the protocol speak: TLS_CHACHA20_POLY1305_SHA256.

It decides how long the session id is: the hash of the suite has 32 bytes, that of AES-256's suite 48. A proxy's clients
put the id of its connection to the destination into every PFWD, where there is room for 32 only. Source:
simplex-messaging.md, "TLS transport encryption".
"""

from __future__ import annotations

import _ssl
import ctypes
import logging
import ssl
import sys

_log = logging.getLogger(__name__)

_SUITE = "TLS_CHACHA20_POLY1305_SHA256"


def restrict_to_one_suite(context: ssl.SSLContext) -> bool:
    """Leave a server's context the protocol's suite of TLS 1.3 alone; whether that could be done.

    Where it could not, everything works but forwarding for clients that know ids of 32 bytes only.
    """
    if hasattr(context, "set_ciphersuites"):  # Python 3.15 and later
        context.set_ciphersuites(_SUITE)
    elif sys.implementation.name == "cpython":
        _set_in_library(context)
    names = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.3"]
    if names != [_SUITE]:
        _log.warning("this Python cannot choose a cipher suite: other servers may not forward for this one's clients")
    return names == [_SUITE]


def _set_in_library(context: ssl.SSLContext) -> None:
    """Call OpenSSL, as Python before 3.15 does not; its context is the first member of Python's object."""
    try:
        function = ctypes.CDLL(_ssl.__file__).SSL_CTX_set_ciphersuites
    except (AttributeError, OSError):  # OpenSSL is a part of the interpreter itself
        return
    function.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    function.restype = ctypes.c_int
    function(ctypes.c_void_p.from_address(id(context) + object.__basicsize__), _SUITE.encode("ascii"))
