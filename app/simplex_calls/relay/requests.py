"""A received transmission as a command that may be carried out, whoever sent it."""

from __future__ import annotations

from simplex_calls.crypto import X448PublicKey
from simplex_calls.relay import answers
from simplex_calls.smp import commands
from simplex_calls.smp.commands import CommandError, NotifierRequest, check_credentials, decode_command
from simplex_calls.smp.errors import CommandFault, ServerError
from simplex_calls.smp.transmission import Transmission


class _RefusedError(CommandError):
    """A command that is answered with another error than ``CMD``."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(CommandFault.PROHIBITED)
        self.error = error


def decode_request(transmission: Transmission, version: int) -> commands.Command:
    """The command of a transmission, with all that it must bring; raises :class:`CommandError`."""
    command = decode_command(transmission.command, version)
    check_credentials(command, authorized=bool(transmission.authorization), entity=bool(transmission.entity_id))
    if transmission.service_authorization or isinstance(command, commands.Subs | commands.NSubs):
        raise _RefusedError(answers.SERVICE)  # no session here is a service's
    match command:
        case (
            commands.New(auth_key=X448PublicKey()) | commands.Key(X448PublicKey()) | commands.SKey(X448PublicKey())
            | commands.LKey(X448PublicKey()) | commands.NKey(notifier_key=X448PublicKey())
            | commands.New(notifier=NotifierRequest(auth_key=X448PublicKey()))
        ):  # fmt: skip
            raise CommandError(CommandFault.SYNTAX)  # nothing can be signed or authenticated with it
    return command
