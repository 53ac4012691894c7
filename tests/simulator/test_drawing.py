"""What the twins draw: exact sizes, real alpha, letters that are there, and edits that leave the rest alone."""

from __future__ import annotations

from io import BytesIO
from typing import get_args

import pytest
from PIL import Image, ImageChops, ImageDraw

from easel.simulator import drawing
from easel.simulator.faults import FAULTS, Fault

PROMPTS = [
    "rolling hills at sunset",
    "mountains in winter",
    "a lighthouse by the sea",
    "a city at night",
    "a flower garden",
    "an abstract pattern",
    "a poster for a jazz concert",
    "a badge",
    "",
    "日本の夏 \x00 \ud800",
]


def opened(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content)) as image:
        image.load()
        return image


def drawn(
    prompt: str, width: int = 256, height: int = 256, *, seed: int | None = 1, transparent: bool = False
) -> Image.Image:
    return opened(drawing.draw(prompt, width, height, "png", seed=seed, transparent=transparent))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def share_that_differs(one: Image.Image, other: Image.Image) -> float:
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).convert("L")
    same = difference.histogram()[0]
    return 1 - same / (one.width * one.height)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (64, 64), (512, 2048), (2048, 512), (333, 777)])
@pytest.mark.parametrize("transparent", [False, True])
def test_every_prompt_has_a_picture_of_exactly_that_size(prompt: str, size: tuple[int, int], transparent: bool) -> None:
    picture = opened(drawing.draw(prompt, *size, "png", transparent=transparent, words=["OPEN LATE", "till two"]))

    assert picture.size == size
    assert picture.mode == ("RGBA" if transparent else "RGB")


@pytest.mark.parametrize("output_format", get_args(drawing.Format))
@pytest.mark.parametrize("transparent", [False, True])
def test_every_format_is_what_it_says(output_format: drawing.Format, transparent: bool) -> None:
    picture = opened(drawing.draw("a badge", 300, 200, output_format, transparent=transparent))

    assert (picture.format, picture.size) == (output_format.upper(), (300, 200))
    assert picture.has_transparency_data == (transparent and output_format != "jpeg")


def test_four_thousand_pixels_a_side() -> None:
    assert drawn("a sea poster", 4096, 4096).size == (4096, 4096)


def test_a_seed_repeats_the_bytes_and_none_never_does() -> None:
    def draw(seed: int | None) -> bytes:
        return drawing.draw("a harbour", 128, 128, "png", seed=seed)

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    assert draw(7) != drawing.draw("a harbour town", 128, 128, "png", seed=7)
    assert len({draw(None) for _ in range(8)}) == 8


@pytest.mark.parametrize("prompt", ["a badge", "a fox", 'a badge "WINNER"', 'a fox "AHOY"'])
@pytest.mark.parametrize("size", [(256, 256), (384, 256), (256, 384)])
def test_alpha_is_real_with_smooth_edges(prompt: str, size: tuple[int, int]) -> None:
    alpha = drawn(prompt, *size, transparent=True).getchannel("A")
    counts = alpha.histogram()

    assert [alpha.getpixel(corner) for corner in ((0, 0), (size[0] - 1, 0), (0, size[1] - 1))] == [0, 0, 0]
    assert alpha.getpixel((size[0] // 2, size[1] // 2 - 10)) == 255
    assert counts[0] > 0.05 * size[0] * size[1]
    assert counts[255] > 0.2 * size[0] * size[1]
    assert sum(counts[1:255]) > 50


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ('A poster. The picture contains this text, spelled exactly: "OPEN LATE".', ["OPEN LATE"]),
        ('"A" is quoted here. The picture contains this text, spelled exactly: "B", "C d".', ["B", "C d"]),
        (r'Text, spelled exactly: "say \"hi\" \\o/".', [r'say "hi" \o/']),
        ('a sign that says "SALE" and "50% off"', ["SALE", "50% off"]),
        ("a café called “L’Été”", ["L’Été"]),  # noqa: RUF001, quotes as people type them
        ("ein Schild „Bitte läuten“", ["Bitte läuten"]),
        ("une affiche «Ce soir»", ["Ce soir"]),
        ("看板「営業中」", ["営業中"]),
        ("a cake with 'Happy 40th'", ["Happy 40th"]),
        ("the dog's bone isn't the cat's", []),
        ("hills", []),
    ],
)
def test_the_words_asked_for(prompt: str, words: list[str]) -> None:
    assert drawing.words_in(prompt) == words


@pytest.mark.parametrize("prompt", ["a poster", "a badge", "a city", "a fox on a hill"])
@pytest.mark.parametrize("size", [(512, 512), (400, 800), (800, 400)])
@pytest.mark.parametrize("words", [["OPEN"], ["OPEN", "Monday to Friday"], ["One", "Two", "Three"]])
def test_the_letters_are_in_the_picture(prompt: str, size: tuple[int, int], words: list[str]) -> None:
    """Two texts of the same length, lettered in the same picture, differ where the letters are and nowhere else."""
    others = ["".join(reversed(line)) for line in words]
    one = opened(drawing.draw(prompt, *size, "png", seed=3, words=words))
    other = opened(drawing.draw(prompt, *size, "png", seed=3, words=others))
    box = ImageChops.difference(one, other).getbbox()

    assert box is not None
    assert box[2] - box[0] > 0.15 * min(size)
    assert 0.0005 < share_that_differs(one, other) < 0.3
    assert min(box[0], box[1], size[0] - box[2], size[1] - box[3]) > 0


def test_words_in_the_prompt_are_lettered_and_no_words_leave_no_board() -> None:
    told = drawn('a lake "OPEN LATE"', seed=3)
    same = opened(drawing.draw('a lake "OPEN LATE"', 256, 256, "png", seed=3, words=["OPEN LATE"]))
    none = opened(drawing.draw('a lake "OPEN LATE"', 256, 256, "png", seed=3, words=[]))

    assert told.tobytes() == same.tobytes()
    assert share_that_differs(told, none) > 0.1


def test_accents_are_drawn() -> None:
    with_accent = opened(drawing.draw("a poster", 512, 512, "png", seed=1, words=["CRÈME", "façade"]))
    other_accent = opened(drawing.draw("a poster", 512, 512, "png", seed=1, words=["CRÉME", "faĉade"]))

    assert 0 < share_that_differs(with_accent, other_accent) < 0.05


@pytest.mark.parametrize(
    "words", [["word " * 200], ["x" * 5000], ["\n\n"], [" "], ["a\nb\nc"], ["日本"], ["e\u0301\u0489"]]
)
def test_no_words_are_too_much(words: list[str]) -> None:
    assert opened(drawing.draw("a poster", 200, 300, "png", words=words)).size == (200, 300)


def test_a_misspelled_word_is_another_word_of_the_same_letters() -> None:
    def words(text: str) -> tuple[str, ...]:
        return drawing._lettered(text, None, "misspelled")

    assert words('"OPEN LATE", "Zoo", "A", "aa", "50%"') == ("OEPN LTAE", "oZo", "AA", "aaa", "05%")


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_spoil_what_they_name_and_nothing_else(fault: Fault) -> None:
    good = drawing.draw('a badge "BEST"', 200, 300, "png", transparent=True, seed=2)
    spoilt = drawing.draw('a badge "BEST"', 200, 300, "png", transparent=True, seed=2, fault=fault)

    assert (spoilt == good) == (fault not in drawing.SPOILING)
    if fault == "not_a_picture":
        with pytest.raises(OSError, match="cannot identify"):
            opened(spoilt)
        return
    picture = opened(spoilt)
    assert (picture.size == (200, 300)) == (fault != "wrong_size")
    assert picture.has_transparency_data == (fault != "opaque")


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2), (1024, 768)])
def test_the_wrong_size_is_never_the_right_one(size: tuple[int, int]) -> None:
    assert opened(drawing.draw("a", *size, "png", fault="wrong_size")).size != size


def test_compression_makes_smaller_files() -> None:
    small = drawing.draw("a city", 512, 512, "jpeg", seed=1, compression=20)
    large = drawing.draw("a city", 512, 512, "jpeg", seed=1, compression=95)

    assert len(small) < 0.7 * len(large)


# Edits


def source(mode: str = "RGB") -> Image.Image:
    across = Image.linear_gradient("L")
    picture = Image.merge("RGB", (across, across.rotate(90), across.rotate(180)))
    if mode == "RGBA":
        picture.putalpha(across.rotate(270))
    return picture


HOLE = (60, 40, 180, 200)


def masked(repaint: drawing.Repaint) -> bytes:
    """A round hole to repaint."""
    if repaint == "transparent":
        mask = Image.new("RGBA", (256, 256), (9, 9, 9, 255))
        ImageDraw.Draw(mask).ellipse(HOLE, fill=(0, 0, 0, 0))
    else:
        ground, hole = ("black", "white") if repaint == "white" else ("white", "black")
        mask = Image.new("L", (256, 256), ground)
        ImageDraw.Draw(mask).ellipse(HOLE, fill=hole)
    return encoded(mask)


def inside() -> Image.Image:
    region = Image.new("L", (256, 256), 0)
    ImageDraw.Draw(region).ellipse(HOLE, fill=255)
    return region


@pytest.mark.parametrize("repaint", get_args(drawing.Repaint))
@pytest.mark.parametrize("prompt", ["a boat", "a badge", 'a sign "SALE"', ""])
def test_only_what_the_mask_marks_is_painted_anew(repaint: drawing.Repaint, prompt: str) -> None:
    picture = opened(
        drawing.edit(
            [encoded(source())], prompt, 256, 256, mask=masked(repaint), repaint=repaint, output_format="png", seed=1
        )
    )
    difference = ImageChops.difference(picture, source())
    outside = Image.composite(Image.new("RGB", (256, 256)), difference, inside())

    assert outside.getbbox() is None
    changed = share_that_differs(picture, source())
    marked = inside().histogram()[255] / 256**2
    assert 0.9 * marked < changed <= marked


def test_pixels_outside_the_mask_keep_their_alpha_too() -> None:
    picture = opened(
        drawing.edit(
            [encoded(source("RGBA"))],
            "a boat",
            256,
            256,
            mask=masked("white"),
            repaint="white",
            output_format="png",
            transparent=True,
        )
    )
    kept = (0, 0, 256, 40)

    assert picture.crop(kept).tobytes() == source("RGBA").crop(kept).tobytes()
    assert picture.getpixel((120, 120)) != source("RGBA").getpixel((120, 120))


def test_a_mask_that_marks_nothing_changes_nothing() -> None:
    mask = encoded(Image.new("L", (256, 256), 0))
    picture = drawing.edit([encoded(source())], "a boat", 256, 256, mask=mask, repaint="white", output_format="png")

    assert opened(picture).tobytes() == source().tobytes()


def test_sources_and_masks_of_other_sizes_are_fitted() -> None:
    picture = drawing.edit(
        [encoded(source())], "a boat", 300, 200, mask=masked("white"), repaint="white", output_format="webp"
    )

    assert opened(picture).size == (300, 200)


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_without_a_mask_the_whole_picture_changes(mode: str, transparent: bool) -> None:
    def edited(*pictures: Image.Image) -> Image.Image:
        return opened(
            drawing.edit(
                [encoded(picture) for picture in pictures],
                'at night "OPEN"',
                256,
                256,
                mask=None,
                repaint="white",
                output_format="png",
                transparent=transparent,
                seed=1,
            )
        )

    one = edited(source(mode))
    two = edited(source(mode), Image.new("RGB", (64, 64), "red"))
    assert one.size == (256, 256)
    assert one.has_transparency_data == transparent
    assert share_that_differs(one, source(mode)) > 0.9
    assert share_that_differs(one, two) > 0.02
    if transparent and mode == "RGBA":
        assert one.getchannel("A").tobytes() == source("RGBA").getchannel("A").tobytes()


@pytest.mark.parametrize("fault", sorted(drawing.SPOILING))
def test_edits_can_be_spoilt_too(fault: Fault) -> None:
    def edited(fault: Fault | None) -> bytes:
        return drawing.edit(
            [encoded(source("RGBA"))],
            'a sign "SALE"',
            256,
            256,
            mask=masked("white"),
            repaint="white",
            output_format="png",
            transparent=True,
            seed=1,
            fault=fault,
        )

    assert edited(fault) != edited(None)
    if fault == "not_a_picture":
        with pytest.raises(OSError, match="cannot identify"):
            opened(edited(fault))
    elif fault == "wrong_size":
        assert opened(edited(fault)).size != (256, 256)
    elif fault == "opaque":
        assert not opened(edited(fault)).has_transparency_data
