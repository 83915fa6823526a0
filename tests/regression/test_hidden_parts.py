"""What a value holds beside its obvious content counts: spawned generators, tags of images."""

import io

import pytest

from fleche.digest import digest
from fleche.storage.memory import MemoryStore


def test_a_generator_that_has_spawned_another_is_another_value():
    """What it spawns next depends on how many it has spawned."""
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    fresh, used = numpy.random.default_rng(1), numpy.random.default_rng(1)
    used.spawn(1)
    assert fresh.bit_generator.state == used.bit_generator.state
    assert digest(fresh) != digest(used)
    fresh.spawn(1)
    assert digest(fresh) == digest(used)


def _image():
    return pytest.importorskip("PIL.Image", reason="pillow is not installed")


def test_edited_tags_of_an_image_count():
    """Code that turns an image as its tags say gives other pixels."""
    image = _image()
    plain, read, turned = (image.new("RGB", (2, 3)) for _ in range(3))
    read.getexif()
    turned.getexif()[0x0112] = 6
    assert digest(plain) == digest(read)
    assert digest(plain) != digest(turned)
    place = image.new("RGB", (2, 3))
    place.getexif().get_ifd(0x8825)[1] = "N"
    assert len({digest(plain), digest(turned), digest(place)}) == 3


def test_edited_tags_of_an_image_are_kept():
    """An image comes back with the tags that it was given."""
    made = _image().new("RGB", (2, 3))
    made.getexif()[0x0112] = 6
    made.getexif().get_ifd(0x8825)[1] = "N"
    store = MemoryStore()
    kept = store.values.load(store.values.save(made))
    assert (kept.getexif()[0x0112], kept.getexif().get_ifd(0x8825)) == (6, {1: "N"})
    assert digest(kept) == digest(made)


def test_the_dtype_of_a_sparse_matrix_without_rows_counts():
    """No row tells it."""
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    assert digest(sparse.lil_matrix((0, 3), dtype="i8")) != digest(sparse.lil_matrix((0, 3), dtype="f8"))


@pytest.mark.parametrize("read", [False, True])
def test_tags_of_a_tiff_file_count(read):
    """A file's tags are not in `info`; that somebody looked at them does not show."""
    image = _image()

    def opened(text, look=False):
        file = io.BytesIO()
        image.new("L", (2, 2)).save(file, "TIFF", tiffinfo={270: text})
        file.seek(0)
        made = image.open(file)
        if look:
            made.getexif()
        return made

    assert digest(opened("a")) == digest(opened("a", read))
    assert digest(opened("a")) != digest(opened("b", read))
    signed = opened("a")
    signed.getexif()[0x013B] = "me"
    assert digest(opened("a")) != digest(signed)


def test_the_width_of_named_categories_counts():
    """Two polars categories of one name that hold their numbers in other types are two dtypes."""
    pl = pytest.importorskip("polars", reason="polars is not installed")
    if not hasattr(pl, "Categories"):
        pytest.skip("this polars has no named categories")
    wide, narrow = (
        pl.Series(["a"], dtype=pl.Categorical(pl.Categories("c", "n", kind))) for kind in (pl.UInt32, pl.UInt8)
    )
    assert digest(wide) != digest(narrow)
