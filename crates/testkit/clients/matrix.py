"""What was run, as tables: for the terminal, and as the page of the documentation."""

import json
import pathlib

import pairs

HERE = pathlib.Path(__file__).parent
TARGETS = {
    "openai": "OpenAI, chat completions (and responses, where the client asks for them)",
    "compatible": "a server of the older chat completions: `max_tokens`, no `developer`, thoughts in `reasoning_content`",
    "responses": "a server of the Responses API alone",
    "anthropic": "Anthropic, messages",
    "gemini": "Google, generateContent",
    "vertex": "Google's models on Vertex AI",
    "vertex-anthropic": "Anthropic's models on Vertex AI",
    "azure": "Azure OpenAI, a dated version, whose paths name the deployment",
    "bedrock": "Amazon Bedrock, Converse with Anthropic's models; signed requests, binary streams",
    "cohere": "Cohere, chat v2",
}


def table(results):
    """Client by target: how many checks passed, of how many."""
    rows = [["client", *TARGETS]]
    for client in dict.fromkeys(key[0] for key in results):
        rows.append([client, *(count(results, client, target) for target in TARGETS)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def count(results, client, target):
    told = [result for (name, _, at), result in results.items() if (name, at) == (client, target)]
    passed = sum(result == "ok" for result in told)
    asked = sum(result in ("ok", "no") for result in told)
    return f"{passed}/{asked}" if told else "-"


def is_page_true(page, results, update):
    text = written(results)
    if update:
        page.write_text(text)
    return page.exists() and page.read_text() == text


def written(results):
    # The page is about clients; what is refused without one is told by the run alone.
    results = {key: result for key, result in results.items() if not key[0].startswith("plain HTTP")}
    features = [feature for feature in pairs.FEATURES if any(key[1] == feature for key in results)]
    clients = list(dict.fromkeys(key[0] for key in results))
    lines = [
        "# What real clients were seen to do",
        "",
        "Written by `cargo xtask conformance --update` from a run in which every check passed; each run of the tests is",
        "held against it. Unmodified clients talk to the gateway, and the gateway to stand-ins that are as strict",
        "about requests as the providers are.",
        "",
        "## Targets",
        "",
        "| target | plays |",
        "|---|---|",
        *(f"| {name} | {plays} |" for name, plays in TARGETS.items()),
        "",
        "## Clients and targets",
        "",
        "Checks passed, of those that the client can be put to.",
        "",
        "| client | " + " | ".join(TARGETS) + " |",
        "|---|" + "---|" * len(TARGETS),
        *(f"| {name} | " + " | ".join(count(results, name, target) for target in TARGETS) + " |" for name in clients),
        "",
        "## What is checked",
        "",
        "| | " + " | ".join(str(number) for number, _ in enumerate(clients, 1)) + " |",
        "|---|" + "---|" * len(clients),
        *(f"| {feature} | " + " | ".join(cell(results, client, feature) for client in clients) + " |" for feature in features),
        "",
        *(f"{number}. {name}" for number, name in enumerate(clients, 1)),
        "",
        *left_out(results),
        "## Versions",
        "",
        ", ".join(versions()) + ".",
        "",
    ]
    return "\n".join(lines)


def cell(results, client, feature):
    told = {at: result for (name, title, at), result in results.items() if (name, title) == (client, feature)}
    passed = [target for target, result in told.items() if result == "ok"]
    if not told:
        return "–"
    return "all" if len(passed) == len(TARGETS) else ", ".join(passed)


def left_out(results):
    reasons = {key: result for key, result in results.items() if result not in ("ok", "no")}
    lines = [f"- {client}, {feature}, {target}: {why}." for (client, feature, target), why in reasons.items()]
    return ["Left out:", "", *lines, ""] if lines else []


def versions():
    pinned = (HERE / "requirements.txt").read_text().splitlines()
    for line in pinned:
        if not line.startswith("#"):
            yield "`{}` {}".format(*line.split("=="))
    for name, version in json.loads((HERE / "vercel/package.json").read_text())["dependencies"].items():
        yield f"`{name}` {version}"
