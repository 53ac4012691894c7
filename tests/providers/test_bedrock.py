"""Signature Version 4, held against the examples that AWS publishes; and which of its keys are signed with.

Sources: the IAM user guide's worked example (ListUsers), and awslabs/aws-c-auth, tests/aws-signing-test-suite/v4, at
495329c of 2026-08-18.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from easel.providers.base import Call
from easel.providers.bedrock import AccessKey, Bedrock, Signer

MOMENT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
IDENTIFIER, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE_TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
BODY_HASH = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
HOST = "https://example.amazonaws.com"

PUBLISHED = {
    "get-vanilla": (
        Call("GET", f"{HOST}/"),
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        Call("GET", f"{HOST}/?Param2=value2&Param1=value1"),
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-query-order-encoded": (
        Call("GET", f"{HOST}/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
        "host;x-amz-date",
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    ),
    "get-vanilla-utf8-query": (
        Call("GET", f"{HOST}/?ሴ=bar"),
        "host;x-amz-date",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "get-utf8": (
        Call("GET", f"{HOST}/ሴ"),
        "host;x-amz-date",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "get-space": (
        Call("GET", f"{HOST}/example space/"),
        "host;x-amz-date",
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    "get-unreserved": (
        Call("GET", f"{HOST}/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        "host;x-amz-date",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-header-value-trim": (
        Call("GET", f"{HOST}/", {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}),
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-vanilla": (
        Call("POST", f"{HOST}/"),
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        Call(
            "POST",
            f"{HOST}/",
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Content-Length": "13",
                "x-amz-content-sha256": BODY_HASH,
            },
            b"Param1=value1",
        ),
        "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    ),
}


def signed(call: Call, service: str = "service", session_token: str | None = None) -> dict[str, str]:
    return Signer(AccessKey(IDENTIFIER, SECRET, session_token), "us-east-1", service).headers(call, call.url, MOMENT)


def authorization(names: str, signature: str, service: str = "service") -> str:
    credential = f"{IDENTIFIER}/20150830/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"


@pytest.mark.parametrize(("call", "names", "signature"), PUBLISHED.values(), ids=PUBLISHED)
def test_the_signature_is_the_published_one(call: Call, names: str, signature: str) -> None:
    expected = {"x-amz-date": "20150830T123600Z", "authorization": authorization(names, signature)}
    assert signed(call) == expected


def test_a_session_token_is_sent_and_signed() -> None:
    headers = signed(Call("GET", f"{HOST}/"), session_token=SUITE_TOKEN)
    signature = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    assert headers["x-amz-security-token"] == SUITE_TOKEN
    assert headers["authorization"] == authorization("host;x-amz-date;x-amz-security-token", signature)


def test_the_documented_example_of_iam() -> None:
    call = Call(
        "GET",
        "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
        {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    expected = authorization("content-type;host;x-amz-date", signature, "iam")
    assert signed(call, "iam")["authorization"] == expected


# Which key is what


def sent(key: str, *, base_url: str | None = None, region: str | None = None) -> str:
    adapter = Bedrock(base_url=base_url, settings={"region": region} if region else None)
    call = Call.post("/model/stability.sd3-5-large-v1%3A0/invoke", json={"prompt": "a red kite"})
    return adapter.sign(call, adapter.base_url + call.url, key, MOMENT)["authorization"]


def test_an_api_key_is_sent_and_an_access_key_is_not() -> None:
    assert sent("ABSKexample") == "Bearer ABSKexample"
    assert SECRET not in sent(f"{IDENTIFIER}:{SECRET}")
    assert sent(f"{IDENTIFIER}:{SECRET}").startswith(
        f"AWS4-HMAC-SHA256 Credential={IDENTIFIER}/20150830/us-west-2/bedrock/"
    )


def test_the_region_is_the_settings_or_the_addresss() -> None:
    key, east = f"{IDENTIFIER}:{SECRET}:{SUITE_TOKEN}", "https://bedrock-runtime.us-east-2.amazonaws.com"
    assert "/us-east-2/bedrock/" in sent(key, base_url=east)
    assert "/us-east-1/bedrock/" in sent(key, base_url="https://bedrock.internal.example", region="us-east-1")


def test_an_access_key_does_not_show_its_secret() -> None:
    assert SECRET not in repr(AccessKey.parse(f"{IDENTIFIER}:{SECRET}:{SUITE_TOKEN}"))
    assert SUITE_TOKEN not in repr(AccessKey.parse(f"{IDENTIFIER}:{SECRET}:{SUITE_TOKEN}"))
