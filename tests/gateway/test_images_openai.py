from openai import OpenAI
from .conftest import Served

def test_generate(gateway: Served):
    c = OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0)
    r = c.images.generate(model="gpt-image-2", prompt="a red kite", extra_body={"easel": {"include": True}})
    print(r.easel, r.usage, r.size)
    raw = c.images.with_raw_response.generate(model="gpt-image-2", prompt="a red kite")
    print(raw.headers)
    for e in c.images.generate(model="gpt-image-2", prompt="a red kite", stream=True, partial_images=2):
        print(e.type, e.model_dump(exclude={"b64_json"}))
