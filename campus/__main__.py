"""`python -m campus`, and the console script `thermogate-hub`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the hub's command line; the exit status. What is not installed is named, with what installs it."""
    try:
        from campus.cli import main as cli  # noqa: PLC0415 - its packages may not be there
    except ModuleNotFoundError as error:
        print(f"thermogate-hub needs {error.name}: pip install 'thermogate[hub]'", file=sys.stderr)
        return 1
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
