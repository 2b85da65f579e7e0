"""The OpenAI client, through either provider."""

import asyncio
import json

import openai

from harness import check, check_each

TARGETS = {"gpt-4o-mini": "openai", "claude-3-5-sonnet-20241022": "anthropic"}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def client(world, **options):
    options.setdefault("api_key", world.key)
    return openai.OpenAI(base_url=f"{world.proxy}/v1", max_retries=0, timeout=20, **options)


def user(text):
    return [{"role": "user", "content": text}]


def tool(name):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    function = {"name": name, "description": "A tool.", "parameters": parameters}
    return {"type": "function", "function": function}


def said(target, model, question):
    return f"{target} stand-in here, serving {model}. You said: {question}"


@check_each("OpenAI client, plain", TARGETS)
def _(world, model):
    answer = client(world).chat.completions.create(model=model, messages=user("hello there"))
    [choice] = answer.choices
    assert choice.message.content == said(TARGETS[model], model, "hello there"), choice.message.content
    assert choice.message.role == "assistant" and choice.finish_reason == "stop"
    assert answer.object == "chat.completion" and answer.model == model, answer.model
    assert answer.usage.prompt_tokens == 2
    assert answer.usage.completion_tokens == len(choice.message.content.split())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@check_each("OpenAI client, streamed", TARGETS)
def _(world, model):
    stream = client(world).chat.completions.create(
        model=model, messages=user("hello there"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == said(TARGETS[model], model, "hello there"), text
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["stop"], reasons
    assert len({chunk.id for chunk in chunks}) == 1 and all(chunk.model == model for chunk in chunks)
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == 1 and chunks[-1].usage, usages
    assert usages[0].prompt_tokens == 2 and usages[0].completion_tokens == len(text.split()), usages


@check_each("OpenAI client, streamed without usage", TARGETS)
def _(world, model):
    chunks = list(client(world).chat.completions.create(model=model, messages=user("hello"), stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks), "a chunk without choices was not asked for"


@check_each("OpenAI client, a tool and its result", TARGETS)
def _(world, model):
    create = client(world).chat.completions.create
    messages = user("how is the weather?")
    first = create(model=model, messages=messages, tools=[tool("get_weather")]).choices[0]
    assert first.finish_reason == "tool_calls", first.finish_reason
    [call] = first.message.tool_calls
    assert call.type == "function" and call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "sample", "days": 1}
    messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
    second = create(model=model, messages=messages, tools=[tool("get_weather")]).choices[0]
    assert second.finish_reason == "stop"
    assert second.message.content.endswith("The tool said: 12 degrees"), second.message.content


@check_each("OpenAI client, parallel tools, streamed", TARGETS)
def _(world, model):
    stream = client(world).chat.completions.create(
        model=model, messages=user("call get_weather and get_time"), tools=[tool("get_weather"), tool("get_time")], stream=True
    )
    calls, reasons = {}, []
    for chunk in stream:
        for choice in chunk.choices:
            reasons += [choice.finish_reason] if choice.finish_reason else []
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {"id": None, "name": "", "arguments": ""})
                call["id"] = call["id"] or delta.id
                call["name"] += delta.function.name or ""
                call["arguments"] += delta.function.arguments or ""
    assert reasons == ["tool_calls"], reasons
    assert sorted(calls) == [0, 1], calls
    assert [calls[index]["name"] for index in (0, 1)] == ["get_weather", "get_time"], calls
    assert len({call["id"] for call in calls.values()}) == 2 and all(call["id"] for call in calls.values())
    assert all(json.loads(call["arguments"]) == {"city": "sample", "days": 1} for call in calls.values()), calls


@check_each("OpenAI client, results of parallel tools", TARGETS)
def _(world, model):
    create = client(world).chat.completions.create
    tools = [tool("get_weather"), tool("get_time")]
    messages = user("call get_weather and get_time")
    first = create(model=model, messages=messages, tools=tools).choices[0].message
    messages.append(first)
    for call, result in zip(first.tool_calls, ("12 degrees", "noon"), strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    text = create(model=model, messages=messages, tools=tools).choices[0].message.content
    assert "The tool said: 12 degrees" in text and "The tool said: noon" in text, text


@check_each("OpenAI client, tool choice", TARGETS)
def _(world, model):
    def ask(choice):
        return client(world).chat.completions.create(
            model=model, messages=user("hello"), tools=[tool("first"), tool("second")], tool_choice=choice
        )

    named = ask({"type": "function", "function": {"name": "second"}}).choices[0].message
    assert [call.function.name for call in named.tool_calls] == ["second"]
    assert ask("required").choices[0].message.tool_calls
    none = ask("none").choices[0].message
    assert not none.tool_calls and none.content


@check_each("OpenAI client, an image", TARGETS)
def _(world, model):
    parts = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = client(world).chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
    assert "I see 1 image." in answer.choices[0].message.content, answer.choices[0].message.content


@check_each("OpenAI client, instructions and a conversation", TARGETS)
def _(world, model):
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    answer = client(world).chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content.endswith("You said: three")
    assert answer.usage.prompt_tokens == 5, answer.usage


@check_each("OpenAI client, a limit on the answer", TARGETS)
def _(world, model):
    answer = client(world).chat.completions.create(model=model, messages=user("hello"), max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length", answer.choices[0].finish_reason
    assert answer.usage.completion_tokens == 3


@check_each("OpenAI client, settings that one provider lacks", TARGETS)
def _(world, model):
    answer = client(world).chat.completions.create(
        model=model, messages=user("hello"), temperature=1.5, presence_penalty=0.5, seed=7, stop=["###"], user="someone"
    )
    assert answer.choices[0].message.content.endswith("You said: hello")


@check_each("OpenAI client, many at once", TARGETS)
def _(world, model):
    async def run():
        async with openai.AsyncOpenAI(base_url=f"{world.proxy}/v1", api_key=world.key, max_retries=0, timeout=20) as many:

            async def ask(number):
                stream = await many.chat.completions.create(model=model, messages=user(f"number {number}"), stream=True)
                pieces = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
                return "".join(pieces)

            return await asyncio.gather(*(ask(number) for number in range(24)))

    texts = asyncio.run(run())
    assert all(text.endswith(f"You said: number {number}") for number, text in enumerate(texts)), texts


@check("OpenAI client, the models")
def _(world):
    models = {model.id for model in client(world).models.list()}
    wanted = {"gpt-3.5-turbo", "gpt-4", "gpt-4o-mini", "claude-3-5-sonnet-20241022"}
    assert wanted <= models, models


@check("OpenAI client, a wrong key")
def _(world):
    try:
        client(world, api_key="wrong").chat.completions.create(model="gpt-4", messages=user("hello"))
    except openai.AuthenticationError as error:
        assert error.status_code == 401 and error.code == "invalid_api_key", error
    else:
        raise AssertionError("a wrong key was let in")


@check_each("OpenAI client, a request that the provider refuses", TARGETS)
def _(world, model):
    try:
        client(world).chat.completions.create(model=model, messages=[{"role": "narrator", "content": "hm"}])
    except openai.BadRequestError as error:
        assert error.status_code == 400 and error.body["message"], error.body
    else:
        raise AssertionError("a wrong role was let through")
