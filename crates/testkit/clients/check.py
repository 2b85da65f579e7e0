"""Checks that unmodified OpenAI and Anthropic clients are served through the gateway.

Starts two stand-in providers and the gateway, configures the guide's upstream through the Admin API,
and runs every check. Prints a line a check and, last, how many passed and failed.
"""

import argparse
import sys

import harness

# The order of the imports is the order of the checks.
import setup_checks  # noqa: F401  isort: skip
import openai_checks  # noqa: F401  isort: skip
import anthropic_checks  # noqa: F401  isort: skip
import failover_checks  # noqa: F401  isort: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway-server", required=True)
    parser.add_argument("--stand-in", required=True)
    arguments = parser.parse_args()
    world = harness.World(arguments.gateway_server, arguments.stand_in)
    try:
        passed, failed = harness.run_checks(world)
    finally:
        statuses = world.close()
    if statuses["gateway-server"] == 0:
        passed += 1
        print("ok    the gateway ends properly when asked to")
    else:
        failed += 1
        print(f"FAIL  the gateway ended with {statuses['gateway-server']}; it printed:")
    if failed:
        print("\n".join(["", "gateway-server printed:", *world.server.lines[-200:], ""]))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
