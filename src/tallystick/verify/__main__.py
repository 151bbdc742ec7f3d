"""The verifier by itself: `python tallystick-verify.pyz FILE… --key VKEY`."""

import sys

from tallystick.verify.command import main


def run() -> None:
    """Check what the command line names; exit with the verdict."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
