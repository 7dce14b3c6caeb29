"""Run a shop by itself."""

import argparse
import threading

from e2e.harness.shop import Load, shop


def main() -> None:
    """Run a shop until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    for name in ("rate", "error_ratio", "slow_ratio"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=getattr(Load(), name))
    options = vars(parser.parse_args())
    with shop(**options) as running:
        print(f"http://{running.address}/metrics", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
