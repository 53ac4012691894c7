"""Signature v3, held against the example that Tencent publishes; and which keys sign.

Source: cloud.tencent.com/document/api/1729/101843 and github.com/tencentyun/qcloud-documents, read 2026-11-23.
"""

from __future__ import annotations

from datetime import UTC, datetime

from easel.providers.base import Call
from easel.providers.tencent import Tencent, signature

URL = "https://cvm.tencentcloudapi.com"
IDENTIFIER = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE"
SECRET = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
MOMENT = 1551113065
BODY = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
EXAMPLE = Call("POST", URL, {"content-type": "application/json; charset=utf-8"}, BODY)


def test_the_signature_is_the_published_one() -> None:
    expected = "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    assert signature(EXAMPLE, URL, IDENTIFIER, SECRET, "cvm", MOMENT) == {
        "x-tc-timestamp": str(MOMENT),
        "authorization": f"TC3-HMAC-SHA256 Credential={IDENTIFIER}/2019-02-25/cvm/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={expected}",
    }


def headers(key: str, action: str = "SubmitHunyuanImageJob") -> dict[str, str]:
    call = Call("POST", "/", {"content-type": "application/json", "x-tc-action": action}, b"{}")
    return Tencent().sign(call, "https://hunyuan.tencentcloudapi.com/", key, datetime.fromtimestamp(MOMENT, tz=UTC))


def test_a_key_of_two_parts_signs_for_the_service_of_the_action() -> None:
    assert "/2019-02-25/hunyuan/tc3_request" in headers("id:secret")["authorization"]
    assert "/2019-02-25/aiart/tc3_request" in headers("id:secret", "SubmitTextToImageJob")["authorization"]
    assert "x-tc-token" not in headers("id:secret")


def test_a_temporary_key_sends_its_token() -> None:
    assert headers("id:secret:token")["x-tc-token"] == "token"
    assert headers("id:secret:token")["authorization"] == headers("id:secret")["authorization"]


def test_a_key_of_one_part_is_sent_as_it_is() -> None:
    assert headers("test-key") == {"authorization": "Bearer test-key"}


def test_what_is_signed_is_the_query_too() -> None:
    call = Call("GET", URL, {"content-type": "application/x-www-form-urlencoded"})
    one, other = (signature(call, f"{URL}/?JobId={job}", "id", "secret", "aiart", MOMENT) for job in ("1", "2"))
    assert one["authorization"] != other["authorization"]
