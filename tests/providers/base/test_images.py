"""Pictures as bytes: what their headers say, cut, damaged or lying, and what is decoded of them."""

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from easel.providers.base import images
from easel.providers.base.errors import RequestError
from easel.providers.base.images import Header, NotAPicture, probe
from easel.providers.base.request import Size


def picture(mode: str = "RGB", size: tuple[int, int] = (37, 23)) -> Image.Image:
    return Image.effect_noise(size, 90).convert(mode) if mode not in {"RGBA", "LA"} else clear(mode, size)


def clear(mode: str, size: tuple[int, int] = (37, 23)) -> Image.Image:
    """Noise, of which the left half is transparent."""
    made = Image.effect_noise(size, 90).convert(mode)
    alpha = Image.new("L", size, 255)
    alpha.paste(0, (0, 0, size[0] // 2, size[1]))
    made.putalpha(alpha)
    return made


def saved(made: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    made.save(out, kind, **options)  # pyright: ignore[reportArgumentType] (each format has its own)
    return out.getvalue()


def palette_with_transparency() -> Image.Image:
    made = Image.new("P", (37, 23), 1)
    made.putpalette([0, 0, 0, 255, 0, 0])
    made.putpixel((5, 5), 0)
    made.info["transparency"] = 0
    return made


def exif(thumbnail: bytes = b"") -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = 6
    found[0x010E] = "thumbnail " + thumbnail.hex()
    return found


FRAMES = [clear("RGBA"), picture("RGBA")]
PICTURES: dict[str, tuple[bytes, str, bool]] = {
    "png": (saved(picture(), "PNG"), "image/png", False),
    "png grey": (saved(picture("L"), "PNG"), "image/png", False),
    "png 16 bit": (saved(picture("I;16"), "PNG"), "image/png", False),
    "png one bit": (saved(picture("1"), "PNG"), "image/png", False),
    "png alpha": (saved(clear("RGBA"), "PNG"), "image/png", True),
    "png grey alpha": (saved(clear("LA"), "PNG"), "image/png", True),
    "png palette": (saved(picture("P"), "PNG"), "image/png", False),
    "png palette, transparent": (saved(palette_with_transparency(), "PNG", transparency=0), "image/png", True),
    "png with text and profile": (saved(picture(), "PNG", icc_profile=b"x" * 3000, exif=exif()), "image/png", False),
    "apng": (saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "image/png", True),
    "jpeg": (saved(picture(), "JPEG"), "image/jpeg", False),
    "jpeg grey": (saved(picture("L"), "JPEG"), "image/jpeg", False),
    "jpeg cmyk": (saved(picture("CMYK"), "JPEG"), "image/jpeg", False),
    "jpeg progressive": (saved(picture(), "JPEG", progressive=True), "image/jpeg", False),
    "jpeg with a thumbnail and a turn": (
        saved(picture(), "JPEG", exif=exif(saved(picture(size=(3, 5)), "JPEG"))),
        "image/jpeg",
        False,
    ),
    "jpeg with a long profile": (saved(picture(), "JPEG", icc_profile=b"\xff\xc0" * 70_000), "image/jpeg", False),
    "webp": (saved(picture(), "WEBP"), "image/webp", False),
    "webp alpha": (saved(clear("RGBA"), "WEBP"), "image/webp", True),
    "webp lossless": (saved(picture(), "WEBP", lossless=True), "image/webp", False),
    "webp lossless alpha": (saved(clear("RGBA"), "WEBP", lossless=True), "image/webp", True),
    # Pillow writes animations of this kind without alpha.
    "webp animated": (saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "image/webp", False),
    "gif": (saved(picture("P"), "GIF"), "image/gif", False),
    "gif transparent": (saved(palette_with_transparency(), "GIF", transparency=0), "image/gif", True),
    "gif animated": (saved(picture("P"), "GIF", save_all=True, append_images=[picture("P")]), "image/gif", False),
    "gif with a comment": (saved(picture("P"), "GIF", comment=b"!\xf9\x04\x01 is no extension"), "image/gif", False),
}
NAMES = list(PICTURES)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, second: tuple[int, int] | None = None) -> bytes:
    def header(width: int, height: int) -> bytes:
        return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))

    pixels = png_chunk(b"IDAT", zlib.compress(b"\0" * 4))
    again = header(*second) if second else b""
    return b"\x89PNG\r\n\x1a\n" + header(width, height) + again + pixels + png_chunk(b"IEND", b"")


# What headers say


@pytest.mark.parametrize("name", NAMES)
def test_a_header_says_what_the_picture_is(name: str) -> None:
    data, media_type, has_alpha = PICTURES[name]
    assert probe(data) == Header(media_type, Size(37, 23), has_alpha)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_cut_anywhere_is_no_picture_or_keeps_its_size(name: str) -> None:
    data, media_type, _ = PICTURES[name]
    for end in range(min(len(data), 6000)):
        try:
            header = probe(data[:end])
        except NotAPicture:
            continue
        assert (header.media_type, header.size) == (media_type, Size(37, 23)), end


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_random_bytes_are_no_picture(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        probe(data)


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"<svg"]), st.binary())
@settings(max_examples=500)
def test_random_bytes_after_a_signature_raise_nothing_else(signature: bytes, data: bytes) -> None:
    for inserted in (b"", b"VP8X", b"VP8L", b"VP8 "):
        try:
            probe(signature + inserted + data)
        except NotAPicture:
            continue


@pytest.mark.parametrize(
    "flood",
    [
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
        + b"\0\0\0\0abcd\0\0\0\0" * 10**6,
        b"\xff\xd8" + b"\xff" * 10**7,
        b"\xff\xd8\xff\xd0" + b"\xff\xd0" * 10**7,
        b"\xff\xd8\xff" + bytes(10**7),
    ],
    ids=["chunks", "padding", "markers", "zeros"],
)
def test_a_header_without_end_is_given_up_soon(flood: bytes) -> None:
    with pytest.raises(NotAPicture):
        probe(flood)


@pytest.mark.parametrize(
    ("text", "is_picture"),
    [
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', True),
        ('\ufeff<?xml version="1.0"?>\n<!-- drawn --><!DOCTYPE svg PUBLIC "x">\n<!-- twice -->\n<svg>', True),
        ("<svgx>", False),
        ('<?xml version="1.0"?><html><svg/></html>', False),
        ("<html><svg/></html>", False),
        ("<!---->" * 500, False),
        ("", False),
    ],
)
def test_an_svg_begins_with_its_own_element(text: str, is_picture: bool) -> None:
    try:
        found = probe(text.encode()).media_type == "image/svg+xml"
    except NotAPicture:
        found = False
    assert found is is_picture


# Text that holds pictures


def test_base64_and_back() -> None:
    data = PICTURES["png"][0]
    assert images.from_base64(images.to_base64(data)) == data
    given = images.input_image(data, field="image")
    assert images.from_data_url(images.to_data_url(given)) == data


@pytest.mark.parametrize("text", ["a", "iVBO\nRw==", "iVBORw", "iVB=ORw=", "ключ", "iVBORw==iVBORw==", "-_-_"])
def test_what_is_not_whole_base64_is_no_picture(text: str) -> None:
    with pytest.raises(NotAPicture):
        images.from_base64(text)


@pytest.mark.parametrize("url", ["", "data:", "data:image/png,abc", "data:image/png;base64", "http://x/;base64,AAAA"])
def test_what_is_not_a_data_url_is_no_picture(url: str) -> None:
    with pytest.raises(NotAPicture):
        images.from_data_url(url)


# Pictures that callers send


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_picture_is_taken(name: str) -> None:
    data, media_type, has_alpha = PICTURES[name]
    given = images.input_image(data, field="image", claimed_media_type=media_type)
    assert (given.media_type, given.size, given.has_alpha) == (media_type, Size(37, 23), has_alpha)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"<svg/>", "is SVG"),
        (b"MZ\x90\x00" + bytes(100), "not a PNG, JPEG, WebP, GIF or SVG"),
        (png(60_000, 60_000), "60000x60000, 3,600,000,000 pixels; the limit is 50,000,000"),
        (png(0, 9), "0x9; a picture has at least one pixel"),
        (png(1, 1, second=(7000, 7000)), "damaged"),
        (saved(picture(), "PNG")[:-40], "damaged"),
        (saved(picture(), "JPEG")[:-40], "damaged"),
        (saved(picture(), "WEBP")[:-40], "damaged"),
        (saved(picture("P"), "GIF")[:-40], "damaged"),
        (b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x10\x27\x10\x27\0\x02\x02D\x01\0;", "is damaged: it says 1x1"),
        (bytes(50_000_001), "50,000,001 bytes; the limit is 50,000,000"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is_opened(data: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as raised:
        images.input_image(data, field="image", name="cat.png")
    assert raised.value.field == "image"
    assert str(raised.value).startswith("image: cat.png ")


def test_a_wrong_label_is_refused() -> None:
    with pytest.raises(RequestError, match=r"labelled image/jpeg but its bytes are image/png"):
        images.input_image(PICTURES["png"][0], field="image", claimed_media_type="image/jpeg")


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_damaged_picture_is_refused_or_taken(name: str, data: st.DataObject) -> None:
    whole = bytearray(PICTURES[name][0])
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        images.input_image(bytes(whole), field="image")
    except RequestError:
        return


# What is made of them


def mask() -> images.InputImage:
    made = Image.new("RGBA", (3, 1), (9, 9, 9, 255))
    made.putpixel((0, 0), (9, 9, 9, 0))
    made.putpixel((1, 0), (9, 9, 9, 100))
    return images.input_image(saved(made, "PNG"), field="mask")


@pytest.mark.parametrize(
    ("repaint", "binary", "expected"),
    [
        ("white", False, [255, 155, 0]),
        ("black", False, [0, 100, 255]),
        ("white", True, [255, 0, 0]),
        ("black", True, [0, 255, 255]),
    ],
)
def test_a_mask_in_black_and_white(repaint: str, binary: bool, expected: list[int]) -> None:
    made = images.masked(mask(), repaint=repaint, binary=binary)  # pyright: ignore[reportArgumentType] (of the table)
    assert list(Image.open(io.BytesIO(made)).convert("L").tobytes()) == expected


def test_a_mask_repaints_something_or_nothing() -> None:
    assert images.repaints_something(mask())
    opaque = images.input_image(saved(Image.new("RGBA", (3, 1), (0, 0, 0, 255)), "PNG"), field="mask")
    assert not images.repaints_something(opaque)


def test_transparent_pixels_are_counted() -> None:
    assert images.transparent_pixels(PICTURES["png alpha"][0]) == 18 * 23
    assert images.transparent_pixels(PICTURES["webp lossless alpha"][0]) == 18 * 23
    assert images.transparent_pixels(PICTURES["png"][0]) == 0


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("name", NAMES)
def test_every_picture_converts_to_every_format(name: str, output_format: str) -> None:
    data, _, has_alpha = PICTURES[name]
    made = images.convert(data, output_format=output_format, compression=None)  # pyright: ignore[reportArgumentType] (of the table)
    header = probe(made)
    assert header.media_type == f"image/{output_format}"
    assert header.size == Size(37, 23)
    if output_format != "jpeg" and has_alpha:
        assert images.transparent_pixels(made) == images.transparent_pixels(data)


def test_colours_keep_their_profile() -> None:
    profile = b"\0" * 128
    given = saved(picture(), "PNG", icc_profile=profile)
    for output_format in ("png", "jpeg", "webp"):
        made = images.convert(given, output_format=output_format, compression=80)
        assert Image.open(io.BytesIO(made)).info.get("icc_profile") == profile, output_format


DECODERS: list[Callable[[bytes], object]] = [
    images.transparent_pixels,
    lambda data: images.convert(data, output_format="png", compression=None),
]


@pytest.mark.parametrize("data", [b"", b"<svg/>", png(60_000, 60_000), png(1, 1, second=(9000, 9000))])
def test_a_vendors_bomb_or_ruin_is_no_picture(data: bytes) -> None:
    for decode in DECODERS:
        with pytest.raises(NotAPicture):
            decode(data)
