"""A vendor that another package brings: really installed, found by its entry point, and called over a socket."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

LUMEN = Path(__file__).parent / "lumen"
PAINT = """
import base64, json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path

from PIL import Image

from easel.router import Router

picture = BytesIO()
Image.new("RGB", (64, 64), "teal").save(picture, "PNG")

class Vendor(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        said = (self.path, self.headers["x-api-key"])
        body = json.dumps({"picture": base64.b64encode(picture.getvalue()).decode()}).encode()
        self.send_response(200 if said == ("/lumen-1", "a key") else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Vendor)
threading.Thread(target=server.serve_forever, daemon=True).start()
config = Path("easel.yaml")
config.write_text(f'''
version: 1
deployments:
  - provider: lumen
    base_url: http://127.0.0.1:{server.server_port}
    key: {{env: LUMEN_KEY}}
routes:
  - name: all
    prefer: [lumen/lumen-1]
''')
with Router.sync(config) as router:
    response = router.generate("a kite", size="64x64")
print(response.route.deployment, response.images[0].size, response.cost.actual_usd)
"""


def installed(package: Path, into: Path) -> dict[str, str]:
    """The environment of a program that has it, as its build tool packs it."""
    source = copytree(package, into / "source")
    hook = f"from setuptools import build_meta; build_meta.build_wheel({str(into)!r})"
    subprocess.run([sys.executable, "-c", hook], cwd=source, check=True, capture_output=True)
    (wheel,) = into.glob("*.whl")
    # A wheel that is on the path is installed: its metadata are read from within it.
    place = into / "installed"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(place)], check=True)
    return {**os.environ, "PYTHONPATH": str(place), "LUMEN_KEY": "a key"}


def ended(program: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def test_a_vendor_of_another_package_is_one_like_any_other(tmp_path: Path) -> None:
    done = ended(PAINT, installed(LUMEN, tmp_path), tmp_path)
    assert done.stdout == "lumen/lumen-1 64x64 0.02\n", done.stderr


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ('name = "lumen"', 'name = "luminous"', "its adapter calls itself 'luminous'"),
        ("ADAPTER = Lumen", "ADAPTER = None", "has no ADAPTER"),
        ("ADAPTER = Lumen", "raise RuntimeError('no licence')", "cannot be imported: RuntimeError: no licence"),
    ],
)
def test_one_that_is_not_usable_is_named_with_its_package(
    tmp_path: Path, written: str, instead: str, said: str
) -> None:
    package = copytree(LUMEN, tmp_path / "changed")
    module = package / "lumen_easel" / "__init__.py"
    module.write_text(module.read_text().replace(written, instead))
    done = ended(PAINT, installed(package, tmp_path), tmp_path)
    assert done.returncode == 1
    assert "provider 'lumen' of lumen-easel: " in done.stderr
    assert said in done.stderr
