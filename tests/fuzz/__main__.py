"""``make fuzz``: search for messages that a decoder fails on, guided by coverage.

Each target runs in a process of its own, for a share of the time. What fails is kept in a file that is named at the
end; ``python -m tests.fuzz --target NAME FILE`` runs it again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["simplex_calls"]):
    from tests.fuzz.targets import TARGETS, Target

_LONGEST = 20_000
_MEMORY_MB = 1024
_HANG_SECONDS = 10


def fuzz(target: Target, seconds: int, folder: Path) -> None:
    """Search in this process, which ends with it."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-timeout={_HANG_SECONDS}",
        f"-artifact_prefix={folder}/",
        "-verbosity=0",
        "-print_final_stats=1",
    ]

    def run(data: bytes) -> None:
        target.run(data)

    atheris.Setup([sys.argv[0], *options, str(corpus)], run)
    atheris.Fuzz()


def main() -> int:
    """Fuzz one target, or all one after the other; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--target", choices=[target.name for target in TARGETS])
    parser.add_argument("--folder", type=Path, help="where what is found is kept")
    parser.add_argument("file", type=Path, nargs="?", help="run one message again")
    options = parser.parse_args()
    chosen = [target for target in TARGETS if options.target in (None, target.name)]
    if options.file is not None:
        for target in chosen:
            target.run(options.file.read_bytes())
        return 0
    folder = options.folder or Path(tempfile.mkdtemp(prefix="simplex-calls-fuzz-"))
    if options.target is not None:
        fuzz(chosen[0], options.seconds, folder)
        return 0
    failed = []
    for target in chosen:
        own = folder / target.name.replace(" ", "-")
        command = [sys.executable, "-m", "tests.fuzz", "--target", target.name]
        command += ["--seconds", str(options.seconds), "--folder", str(own)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        runs = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(
            f"{target.name}: {runs[0] if runs else 'no'} runs, {'fine' if done.returncode == 0 else 'FAILED'}",
            flush=True,
        )
        if done.returncode:
            failed.append(target.name)
            print(done.stderr[-3000:])
    print(f"kept in {folder}" if failed else "nothing was found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
