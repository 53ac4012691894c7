"""Videos as bytes: what their boxes say, and whether a file reaches its end."""

import pytest

from easel.providers.base import images
from easel.providers.base.content import Content, NotAPicture
from easel.providers.base.errors import RequestError
from easel.providers.base.images import Header
from easel.providers.base.request import Size

from ..videos import box, moov, video

SIZE = Size(1280, 720)
FRAMES = bytes(400_000)
"""More than is looked at of the edges of base64."""
SEEN = Header("video/mp4", SIZE, has_alpha=False, seconds=4.5)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("moov_first", [True, False])
@pytest.mark.parametrize("frames", [b"", FRAMES], ids=["short", "long"])
@pytest.mark.parametrize("encoded", [True, False])
def test_size_and_length_are_in_its_boxes(version: int, moov_first: bool, frames: bytes, encoded: bool) -> None:
    data = video(SIZE, 4.5, frames, moov_first=moov_first, version=version)
    content = Content.encoded(images.to_base64(data)) if encoded else Content.raw(data)
    assert images.examine(content) == (SEEN, True)


@pytest.mark.parametrize("moov_first", [True, False])
def test_a_file_that_was_cut_off_is_not_whole(moov_first: bool) -> None:
    data = video(SIZE, 4.5, FRAMES, moov_first=moov_first)
    for end in (24, 60, 500, len(data) // 2, len(data) - 1):
        header, whole = images.examine(Content.raw(data[:end]))
        assert header.media_type == "video/mp4"
        assert not whole


def test_it_may_be_in_fragments_and_end_in_padding() -> None:
    data = box(b"ftyp", b"iso5") + moov(SIZE, 4.5) + box(b"moof", b"x") + box(b"mdat", b"y")
    assert images.examine(Content.raw(data)) == (SEEN, True)
    assert images.examine(Content.raw(data + bytes(7))) == (SEEN, True)
    assert not images.examine(Content.raw(data + b"appended."))[1]


def test_a_box_may_be_long_or_go_on_to_the_end() -> None:
    head = box(b"ftyp", b"isom") + moov(SIZE, 4.5)
    long = b"\0\0\0\1mdat" + (16 + 3).to_bytes(8) + b"xyz"
    rest = b"\0\0\0\0mdat" + b"xyz"
    assert images.examine(Content.raw(head + long)) == (SEEN, True)
    assert images.examine(Content.raw(head + rest)) == (SEEN, True)


def test_without_frames_or_what_tells_of_them_it_is_not_whole() -> None:
    assert not images.examine(Content.raw(box(b"ftyp", b"isom") + moov(SIZE, 4.5)))[1]
    header, whole = images.examine(Content.raw(box(b"ftyp", b"isom") + box(b"mdat", b"x")))
    assert (header.size, header.seconds, whole) == (Size(0, 0), None, False)


@pytest.mark.parametrize("brand", [b"avif", b"heic"])
def test_pictures_in_such_boxes_are_none(brand: bytes) -> None:
    with pytest.raises(NotAPicture):
        images.probe(box(b"ftyp", brand, bytes(4)) + box(b"mdat", b"x"))


@pytest.mark.parametrize("damage", [b"moov", b"mvhd", b"tkhd", b"trak"])
def test_damaged_boxes_are_no_crash(damage: bytes) -> None:
    data = video(SIZE, 4.5, b"x")
    at = data.index(damage)
    for length in (0, 1, 7, 8, 9, 2**31):
        broken = data[: at - 4] + length.to_bytes(4) + data[at:]
        try:
            images.examine(Content.raw(broken))
        except NotAPicture:
            continue


def test_a_caller_gives_pictures_not_videos() -> None:
    with pytest.raises(RequestError, match="it is a video; give a PNG"):
        images.input_image(video(SIZE, 4.5, b"x"), field="references", name="it")
