"""Running as root no longer than it takes to read the given certificate and make the folder.

The program starts itself anew by setpriv(1) as an ordinary user who keeps one right: ports below 1024. So neither the
relay nor coturn nor what watches them runs as root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from simplex_calls.catalogue import text
from simplex_calls.serve.plan import ServeError

DEFAULT_USER = "turnserver"
"""Made by Debian's package of coturn."""
ROOT = "root"
_CAPABILITY = "-all,+net_bind_service"


def user_to_become(name: str | None) -> pwd.struct_passwd | None:
    """Whom to go on as; ``None``: as now. Raises :class:`ServeError`."""
    if os.geteuid() != 0 or name == ROOT:
        return None
    wanted = name or DEFAULT_USER
    try:
        found = pwd.getpwnam(wanted)
    except KeyError:
        raise ServeError(text("serve.user.unknown", user=wanted)) from None
    return None if found.pw_uid == 0 else found


def command_as(user: pwd.struct_passwd, arguments: Sequence[str]) -> list[str]:
    """The command that starts this program with ``arguments`` as ``user``; raises :class:`ServeError`."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ServeError(text("serve.user.setpriv"))
    change = [
        setpriv,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--init-groups",
        f"--inh-caps={_CAPABILITY}",
        f"--ambient-caps={_CAPABILITY}",
        f"--bounding-set={_CAPABILITY}",
        "--no-new-privs",
        "--",
    ]
    # a program in root's own folders would start, as setpriv still is root there, and find nothing of itself
    tried = subprocess.run([*change, "test", "-x", sys.executable], check=False)  # noqa: S603 (our own words)
    if tried.returncode != 0:
        raise ServeError(text("serve.user.program", user=user.pw_name, path=sys.executable))
    return [*change, sys.executable, "-m", "simplex_calls", *arguments]


def hand_over(folder: Path, user: pwd.struct_passwd) -> None:
    """Let ``user`` own the folder with all that is in it; raises :class:`ServeError`."""
    try:
        for place, folders, files in os.walk(folder):
            os.chown(place, user.pw_uid, user.pw_gid)
            for name in (*folders, *files):
                os.chown(Path(place) / name, user.pw_uid, user.pw_gid, follow_symlinks=False)
    except OSError as error:
        raise ServeError(text("serve.data.unusable", path=folder, reason=error.strerror)) from None
