"""LangChain's OpenAI and Anthropic integrations against every target."""

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from pairs import LIMIT, LONG_QUESTION, PIXEL_URL, SAMPLE, SCHEMA, client, failing


class Trip(BaseModel):
    """A trip."""

    city: str
    days: int


def openai_model(world, target, **options):
    options = {"model": target.model, "max_retries": 0, "timeout": 20, **options}
    return ChatOpenAI(base_url=f"{world.proxy}/v1", api_key=world.key, **options)


def responses_model(world, target, **options):
    return openai_model(world, target, use_responses_api=True, **options)


def anthropic_model(world, target, **options):
    options = {"model": target.model, "max_retries": 0, "timeout": 20, "max_tokens": 99, **options}
    return ChatAnthropic(base_url=world.proxy, api_key=world.key, **options)


def tool(name):
    return {"name": name, "description": "A tool.", "parameters": SCHEMA}


def checks_of(name, model, limit):
    check = client(name)

    @check("plain")
    def _(world, target):
        answer = model(world, target).invoke("hello there")
        assert answer.text == target.said("hello there"), answer
        assert answer.usage_metadata["input_tokens"] == 2, answer.usage_metadata
        assert answer.usage_metadata["output_tokens"] == len(answer.text.split()), answer.usage_metadata

    @check("streamed")
    def _(world, target):
        chunks = list(model(world, target).stream("hello there"))
        text = "".join(chunk.text for chunk in chunks)
        assert len(chunks) > 3 and text == target.said("hello there"), text

    @check("instructions and history")
    def _(world, target):
        messages = [SystemMessage("be brief"), HumanMessage("one"), AIMessage("two"), HumanMessage("three")]
        answer = model(world, target).invoke(messages)
        assert answer.text.endswith("You said: three") and answer.usage_metadata["input_tokens"] == 5, answer

    @check("a limit on the answer", unless=limit)
    def _(world, target):
        answer = model(world, target, max_tokens=LIMIT).invoke(LONG_QUESTION)
        assert answer.usage_metadata["output_tokens"] == LIMIT, answer

    @check("parallel tools and their results")
    def _(world, target):
        bound = model(world, target).bind_tools([tool("get_weather"), tool("get_time")])
        messages = [HumanMessage("call get_weather and get_time")]
        first = bound.invoke(messages)
        assert [call["name"] for call in first.tool_calls] == ["get_weather", "get_time"], first
        assert all(call["args"] == SAMPLE for call in first.tool_calls), first
        messages.append(first)
        for call, result in zip(first.tool_calls, ("12 degrees", "noon"), strict=True):
            messages.append(ToolMessage(result, tool_call_id=call["id"]))
        text = bound.invoke(messages).text
        assert text.endswith("The tool said: 12 degrees The tool said: noon"), text

    @check("parallel tools, streamed")
    def _(world, target):
        bound = model(world, target).bind_tools([tool("get_weather"), tool("get_time")])
        whole = None
        for chunk in bound.stream("call get_weather and get_time"):
            whole = chunk if whole is None else whole + chunk
        assert [call["name"] for call in whole.tool_calls] == ["get_weather", "get_time"], whole
        assert all(call["args"] == SAMPLE for call in whole.tool_calls), whole

    @check("an image")
    def _(world, target):
        image = {"type": "image_url", "image_url": {"url": PIXEL_URL}}
        message = HumanMessage([{"type": "text", "text": "what is it?"}, image])
        text = model(world, target).invoke([message]).text
        assert "I see 1 image. You said: what is it?" in text, text

    @check("structured output")
    def _(world, target):
        assert model(world, target).with_structured_output(Trip).invoke("where?") == Trip(**SAMPLE)

    @check("refusals in its own words")
    def _(world, target):
        for status in (400, 429):
            with failing(world, target, "status", status=status):
                try:
                    model(world, target).invoke("hello")
                except Exception as error:
                    assert error.status_code == status, error
                else:
                    raise AssertionError(f"{status} was taken for an answer")


old = "LangChain asks an older model with a field that it does not take"
checks_of("LangChain, OpenAI, chat completions", openai_model, {"compatible": old})
checks_of("LangChain, OpenAI, responses", responses_model, None)
checks_of("LangChain, Anthropic", anthropic_model, None)
