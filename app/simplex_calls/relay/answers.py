"""Refusals that are always the same."""

from __future__ import annotations

from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import Err

AUTH = Err(ServerError(ErrorCode.AUTH))
QUOTA = Err(ServerError(ErrorCode.QUOTA))
NO_MESSAGE = Err(ServerError(ErrorCode.NO_MSG))
LARGE = Err(ServerError(ErrorCode.LARGE_MSG))
INTERNAL = Err(ServerError(ErrorCode.INTERNAL))
PROHIBITED = Err(ServerError.cmd(CommandFault.PROHIBITED))
SYNTAX = Err(ServerError.cmd(CommandFault.SYNTAX))
SERVICE = ServerError(ErrorCode.SERVICE)
DISK_FULL = Err(ServerError(ErrorCode.STORE, detail="disk is full"))
LINKS_FULL = Err(ServerError(ErrorCode.STORE, detail="no room for link data"))
NO_SERVER_AUTH = Err(ServerError(ErrorCode.PROXY, detail="BROKER TRANSPORT NO_AUTH"))
PROXY_BASIC_AUTH = Err(ServerError(ErrorCode.PROXY, detail="BASIC_AUTH"))
PROXY_NO_SESSION = Err(ServerError(ErrorCode.PROXY, detail="NO_SESSION"))
