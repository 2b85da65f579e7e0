"""Checks that unmodified clients are served through the gateway.

Three parts. The stand-ins': those that no client in front of the gateway speaks to are asked by their
makers' own clients. The guide's: two providers, configured as the guide says, and what an application sees of
them and of their failures. The pairs: every client against every kind of target. Prints a line a
check and, last, how many passed and failed.
"""

import argparse
import pathlib
import sys

import harness
import matrix
import pairs
import stand_in_checks

# The order of the imports is the order of the checks.
import setup_checks  # noqa: F401  isort: skip
import openai_checks  # noqa: F401  isort: skip
import anthropic_checks  # noqa: F401  isort: skip
import failover_checks  # noqa: F401  isort: skip

import pairs_openai  # noqa: F401  isort: skip
import pairs_anthropic  # noqa: F401  isort: skip
import pairs_gemini  # noqa: F401  isort: skip
import pairs_langchain  # noqa: F401  isort: skip
import pairs_vercel  # isort: skip
import pairs_bad_input  # noqa: F401  isort: skip


def main():
    arguments = parse()
    counts = [stand_in_checks.run(arguments.stand_in)]
    if not arguments.pairs:
        counts.append(check_guide(arguments))
    counts.append(check_pairs(arguments))
    passed, failed = map(sum, zip(*counts, strict=True))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway-server", required=True)
    parser.add_argument("--stand-in", required=True)
    parser.add_argument("--node-packages", type=pathlib.Path, help="where the clients for JavaScript are installed")
    parser.add_argument("--page", type=pathlib.Path, required=True, help="the page that says what was run")
    parser.add_argument("--pairs", action="store_true", help="only the pairs of clients and targets")
    parser.add_argument("--only", help="only the pairs with this text in their line")
    parser.add_argument("--update", action="store_true", help="write the page anew")
    return parser.parse_args()


def check_guide(arguments):
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
    return passed, failed


def check_pairs(arguments):
    pairs_vercel.Node.packages = arguments.node_packages
    world = pairs.World(arguments.gateway_server, arguments.stand_in)
    try:
        without = None if arguments.node_packages else "Vercel"
        results = pairs.run(world, arguments.only, without)
    finally:
        pairs_vercel.Node.stop()
        world.close()
    print(f"\n{matrix.table(results)}\n")
    passed, failed = (sum(result == word for result in results.values()) for word in ("ok", "no"))
    if len(results) < len(pairs.CHECKS):
        return passed, failed
    if not failed and matrix.is_page_true(arguments.page, results, arguments.update):
        print("ok    the page of the documentation says what was run")
        return passed + 1, failed
    print("FAIL  the page of the documentation says something else; `cargo xtask conformance --update` writes it")
    return passed, failed + 1


if __name__ == "__main__":
    sys.exit(main())
