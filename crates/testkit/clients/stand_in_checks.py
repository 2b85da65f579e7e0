"""The stand-ins whose dialects no client in front of the gateway speaks, asked by their makers' own
clients: what these do not understand, no provider would say."""

import json

import boto3
import botocore.config
import botocore.exceptions
import cohere
from cohere.errors import UnauthorizedError, UnprocessableEntityError

from harness import StandIn

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
SECRET = "bedrock-secret"


def bedrock(url, secret=SECRET):
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": secret}
    return boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url, config=config, **keys)


def check_bedrock(stand_in):
    ours = bedrock(stand_in.url)
    messages = [{"role": "user", "content": [{"text": "hello there"}]}]
    system = [{"text": "cached words"}]
    answer = ours.converse(modelId=CLAUDE, messages=messages, system=system)
    said = f"bedrock stand-in here, serving {CLAUDE}. You said: hello there"
    assert answer["output"]["message"]["content"] == [{"text": said}], answer
    usage = {name: answer["usage"][name] for name in ("inputTokens", "cacheReadInputTokens", "totalTokens")}
    assert usage == {"inputTokens": 2, "cacheReadInputTokens": 2, "totalTokens": 4 + len(said.split())}, usage

    tool = {"toolSpec": {"name": "get_weather", "description": "A tool.", "inputSchema": {"json": SCHEMA}}}
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    request = {"modelId": CLAUDE, "messages": messages, "toolConfig": {"tools": [tool]}}
    stream = ours.converse_stream(**request, additionalModelRequestFields=thinking)["stream"]
    told = [(kind, value) for event in stream for kind, value in event.items()]
    assert [kind for kind, _ in told][-2:] == ["messageStop", "metadata"], told
    deltas = [value["delta"] for kind, value in told if kind == "contentBlockDelta"]
    thought = "".join(delta["reasoningContent"].get("text", "") for delta in deltas if "reasoningContent" in delta)
    assert thought == "bedrock thinks about: hello there", deltas
    arguments = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    assert json.loads(arguments) == {"city": "sample"}, deltas

    def refused(kind, client=ours, **request):
        try:
            client.converse(**{"modelId": CLAUDE, "messages": messages, **request})
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == kind and error.response["Error"]["Message"], error.response
        else:
            raise AssertionError(f"no {kind}")

    refused("InvalidSignatureException", client=bedrock(stand_in.url, "another-secret"))
    refused("ValidationException", messages=[{"role": "assistant", "content": [{"text": "hi"}]}])
    stand_in.fail("status", status=429)
    refused("ThrottlingException")
    stand_in.fail("error_event", after_events=2, error_type="overloaded_error", message="sorry")
    stream = ours.converse_stream(modelId=CLAUDE, messages=messages)["stream"]
    try:
        list(stream)
    except botocore.exceptions.EventStreamError as error:
        assert "serviceUnavailableException" in str(error) and "sorry" in str(error), error
    else:
        raise AssertionError("an exception in a stream went by")
    stand_in.behave()


def check_cohere(stand_in):
    ours = cohere.ClientV2(api_key="cohere-key", base_url=stand_in.url)
    messages = [{"role": "user", "content": "hello there"}]
    answer = ours.chat(model="command-a-03-2025", messages=messages)
    said = "cohere stand-in here, serving command-a-03-2025. You said: hello there"
    assert answer.message.content[0].text == said and answer.finish_reason == "COMPLETE", answer
    assert answer.usage.tokens.input_tokens == 2, answer.usage

    tools = [{"type": "function", "function": {"name": "get_weather", "description": "A tool.", "parameters": SCHEMA}}]
    events = list(ours.chat_stream(model="command-a-03-2025", messages=messages, tools=tools))
    kinds = [event.type for event in events]
    assert kinds[0] == "message-start" and kinds[-1] == "message-end", kinds
    pieces = [event.delta.message.tool_calls.function.arguments for event in events if event.type == "tool-call-delta"]
    assert json.loads("".join(pieces)) == {"city": "sample"}, pieces
    assert events[-1].delta.finish_reason == "TOOL_CALL" and events[-1].delta.usage.tokens.input_tokens == 2

    answer = ours.chat(model="command-a-reasoning-08-2025", messages=messages)
    assert answer.message.content[0].thinking == "cohere thinks about: hello there", answer

    for expected, key, request in (
        (UnauthorizedError, "another-key", {}),
        (UnprocessableEntityError, "cohere-key", {"request_options": {"additional_body_parameters": {"top_p": 1}}}),
    ):
        try:
            cohere.ClientV2(api_key=key, base_url=stand_in.url).chat(model="m", messages=messages, **request)
        except expected as error:
            assert error.body["message"], error
        else:
            raise AssertionError(f"no {expected.__name__}")


CHECKS = {
    "bedrock": (check_bedrock, f"AKIDEXAMPLE:{SECRET}"),
    "cohere": (check_cohere, "cohere-key"),
}


def run(program):
    """Runs the checks; answers how many passed and failed."""
    failed = 0
    for dialect, (check, key) in CHECKS.items():
        stand_in = StandIn(program, dialect, key)
        try:
            check(stand_in)
        except Exception as error:
            failed += 1
            print(f"FAIL  the {dialect} stand-in, asked by its maker's client: {type(error).__name__}: {error}", flush=True)
        else:
            print(f"ok    the {dialect} stand-in, asked by its maker's client", flush=True)
        finally:
            stand_in.program.stop()
    return len(CHECKS) - failed, failed
