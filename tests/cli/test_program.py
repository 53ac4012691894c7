"""The program as it is installed: the paths that matter most, each in a process of its own."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from PIL import Image

EASEL = Path(sys.executable).with_name("easel")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([EASEL, *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


def explained(cwd: Path, *arguments: str) -> Any:
    ended = run("explain", *arguments, "--json", cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_transparent_picture_goes_to_gpt_image_1_5_while_it_lives(home: Path) -> None:
    found = explained(home, "a badge", "--background", "transparent", "--on", "2026-11-23")
    assert found["plan"][0]["deployment"] == "openai/gpt-image-1.5"
    assert found["rule"] == "transparent"


def test_and_to_a_successor_with_alpha_once_it_has_ended(home: Path) -> None:
    found = explained(home, "a badge", "--background", "transparent", "--on", "2026-12-02")
    dropped = next(each for each in found["dropped"] if each["deployment"] == "openai/gpt-image-1.5")
    assert dropped["requirement"] == "retired"
    assert dropped["fact"].startswith("2026-12-01")
    assert dropped["source"].startswith("https://")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", dropped["as_of"])
    first = found["plan"][0]["deployment"]
    assert first != "openai/gpt-image-1.5"
    assert first not in {each["deployment"] for each in found["dropped"]}


def test_generate_writes_a_png_that_is_really_transparent(home: Path) -> None:
    ended = run("generate", "a badge", "--background", "transparent", "--simulate", "-o", "badge.png", cwd=home)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert "badge.png" in ended.stdout
    with Image.open(home / "badge.png") as picture:
        assert picture.format == "PNG"
        assert picture.mode == "RGBA"
        assert picture.getchannel("A").getextrema() == (0, 255)
    assert "\x1b" not in ended.stdout  # neither colours nor thumbnails go into a pipe


def test_a_refusal_is_said_without_a_traceback(home: Path) -> None:
    ended = run("generate", "forbidden-prompt", "--model", "openai/gpt-image-2", "--simulate", "--json", cwd=home)
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["error"]["kind"] == "moderation_blocked"
    assert "refused" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_demo_leaves_pictures_that_are_what_was_asked_for(home: Path) -> None:
    ended = run("demo", cwd=home)
    assert ended.returncode == 0, ended.stderr
    out = home / "demo-output"
    with Image.open(out / "poster.png") as poster, Image.open(out / "edit.png") as edit:
        assert poster.size == edit.size == (1024, 1536)
        assert poster.convert("RGB").tobytes() != edit.convert("RGB").tobytes()
        board = (0, 800, 1024, 1536)  # below the mask
        assert poster.convert("RGB").crop(board).tobytes() == edit.convert("RGB").crop(board).tobytes()
    with Image.open(out / "badge.png") as badge:
        assert badge.size == (1024, 1024)
        assert badge.getchannel("A").getextrema() == (0, 255)
    with Image.open(out / "fallback.png") as fallback:
        assert fallback.format == "PNG"
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 4
    assert not re.search(r"""(src|href)=["']https?:""", page)  # nothing is loaded from elsewhere
    assert "openai/gpt-image-2 unavailable, 3 tries" in re.sub(r"\s+", " ", ended.stdout)
    assert "outside the mask every pixel is as it was" in ended.stdout


def test_simulate_serves_until_ctrl_c_and_ends_cleanly(home: Path) -> None:
    with subprocess.Popen(
        [EASEL, "simulate", "--port", "0", "--on", "2026-12-02"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    ) as program:
        assert program.stdout is not None
        lines = iter(program.stdout.readline, "")
        said = ""
        for line in lines:
            said += line
            if "Ctrl-C" in line:
                break
        base_url = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert base_url, said
        for twin in ("openai/v1", "azure", "google/v1beta", "bfl"):
            assert f"{base_url[0]}/{twin}" in said
        with urlopen(base_url[0], timeout=10) as answer:
            assert json.load(answer)["today"] == "2026-12-02"
        program.send_signal(signal.SIGINT)
        _, complaints = program.communicate(timeout=20)
    assert program.returncode == 0
    assert complaints == ""


def test_ctrl_c_in_a_request_says_that_it_may_be_billed(home: Path) -> None:
    asked = ("generate", "a kite", "--model", "openai/gpt-image-2", "--simulate", "--fault", "openai=hang")
    ledger = ("--ledger", "l.db")
    with subprocess.Popen(
        [EASEL, *asked, *ledger, "--request-id", "r-1"], stderr=subprocess.PIPE, text=True, cwd=home
    ) as program:
        for _ in range(200):  # the attempt is written down before it is sent
            if '"unknown"' in run("ledger", "show", "r-1", *ledger, "--json", cwd=home).stdout:
                break
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "may be billed" in said
    assert "r-1" in said
    assert "Traceback" not in said
    assert not list(home.glob("*.png"))
