"""The entry point of the packed verifier: `python tallystick-verify.pyz FILE… --key VKEY`."""

import sys

from tallystick.verify.command import main


def run() -> None:
    """Run the command line and exit with its status."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
